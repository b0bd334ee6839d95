"""Laws of masking: no form survives, lengths stay, and no split of the stream changes a byte."""

import base64
import json
import shlex
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, strategies as st

from controller.model.masking import Masker
from controller.secrets.masker import ValueMasker

CANARY = 'c4n/ry+\'s "secret" $value\\é'
NOISE = st.binary(max_size=40)
VALUES = st.lists(st.binary(min_size=6, max_size=20), min_size=1, max_size=3)


def masker_of(*values: bytes) -> ValueMasker:
    masker = ValueMasker()
    for value in values:
        masker.add(value)
    return masker


def test_it_is_the_masker_of_the_model() -> None:
    masker: Masker = ValueMasker()
    assert masker.mask(b"nothing known") == b"nothing known"


@pytest.mark.parametrize(
    "form",
    [
        CANARY,
        quote(CANARY),
        quote(CANARY, safe=""),
        quote_plus(CANARY),
        quote(CANARY, safe="").lower(),
        json.dumps(CANARY)[1:-1],
        json.dumps(CANARY, ensure_ascii=False)[1:-1],
        shlex.quote(CANARY)[1:-1],
        repr(CANARY)[1:-1],
        CANARY.encode().hex(),
        CANARY.encode().hex().upper(),
        base64.b64encode(CANARY.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(CANARY.encode()).decode().rstrip("="),
    ],
)
def test_every_form_is_masked_from_its_first_byte_to_its_last(form: str) -> None:
    data = b"before " + form.encode() + b" after"
    masked = masker_of(CANARY.encode()).mask(data)
    assert len(masked) == len(data)
    assert masked.startswith(b"before ")
    assert masked.endswith(b" after")
    middle = masked[7:-6]
    assert middle[1:-2].strip(b"*") == b""
    assert form.encode() not in masked


@pytest.mark.parametrize("lead", [b"", b"u", b"us", b"user:"])
def test_base64_is_masked_at_every_alignment(lead: bytes) -> None:
    encoded = base64.b64encode(lead + b"hunter2-hunter2" + b"tail")
    masked = masker_of(b"hunter2-hunter2").mask(encoded)
    start, end = masked.index(b"*"), masked.rindex(b"*") + 1
    assert masked[start:end].strip(b"*") == b""
    assert start * 6 < len(lead) * 8 + 6, "more than one letter of the secret's begin is left"
    assert end * 6 > (len(lead) + 15) * 8 - 6, "more than one letter of the secret's end is left"


def test_each_line_of_a_key_is_masked_but_not_its_frame() -> None:
    key = b"-----BEGIN KEY-----\nabcdefghij\nklmnopqrst\n-----END KEY-----\n"
    masked = masker_of(key).mask(b"x klmnopqrst y -----BEGIN KEY----- z")
    assert masked == b"x ********** y -----BEGIN KEY----- z"


def test_overlapping_secrets_are_masked_whole() -> None:
    assert masker_of(b"abcabcab").mask(b"-abcabcabcab-") == b"-***********-"
    assert masker_of(b"secret1", b"ret1two").mask(b"secret1two") == b"**********"
    assert masker_of(b"secret", b"secret-longer").mask(b"secret-longer") == b"*" * 13


def test_short_values_are_not_masked_and_that_is_said() -> None:
    masker = ValueMasker()
    assert not masker.add(b"12345")
    assert not masker.add(b"12345\n")
    assert masker.mask(b"12345") == b"12345"
    assert masker.add(b"123456")
    assert masker.mask(b"123456") == b"******"


def test_text_is_masked_and_other_text_is_the_same_object() -> None:
    masker = masker_of(b"hunter2-hunter2")
    assert masker.text("password hunter2-hunter2!") == "password ***************!"
    other = "odd \udce9 text"
    assert masker.text(other) is other


@given(
    values=VALUES, noise=st.lists(NOISE, min_size=1, max_size=6), cuts=st.lists(st.integers(0, 300))
)
@example(values=[b"abcabca"], noise=[b"", b"bcabca"], cuts=[3])
def test_any_split_gives_the_same_bytes(
    values: list[bytes], noise: list[bytes], cuts: list[int]
) -> None:
    masker = masker_of(*values)
    data = b"".join(piece + values[n % len(values)] for n, piece in enumerate(noise))
    stream, given_out, at = masker.stream(), b"", 0
    for cut in sorted(cuts):
        given_out += stream.feed(data[at:cut])
        at = max(at, cut)
    given_out += stream.feed(data[at:]) + stream.finish()
    assert given_out == masker.mask(data)
    assert len(given_out) == len(data)


@given(value=st.binary(min_size=6, max_size=30).filter(lambda v: len(v.strip()) >= 6), before=NOISE)
def test_the_canary_never_survives(value: bytes, before: bytes) -> None:
    masked = masker_of(value).mask(before + value + before)
    assert masked[len(before) : len(before) + len(value)] == b"*" * len(value)


def test_a_stream_gives_early_all_it_safely_can() -> None:
    masker = masker_of(b"hunter2-hunter2")
    stream = masker.stream()
    assert stream.feed(b"a line\n") == b"a line\n"
    assert stream.feed(b"then hunter2-") == b"then "
    assert stream.feed(b"not after all") == b"hunter2-not after all"


def test_a_secret_learned_while_a_stream_runs_is_masked_in_it() -> None:
    masker = masker_of(b"first-secret")
    stream = masker.stream()
    out = stream.feed(b"hello ")
    masker.add(b"second-secret")
    out += stream.feed(b"second-secret") + stream.finish()
    assert out == b"hello *************"
