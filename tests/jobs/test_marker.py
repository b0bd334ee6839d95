import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from controller.errors import RefusedError
from controller.jobs.marker import (
    MANIFEST_LIMIT,
    SIZE_LIMIT,
    decode_marker,
    encode_marker,
    manifest,
    marker_digest,
)
from controller.model.applied import Applied, Tried
from controller.model.ids import RunId, Sha
from controller.model.job import State
from controller.model.work import Input
from tests.jobs.rig import digest

RECORD = Applied(
    target="shop",
    server="web-1",
    applied=digest("a"),
    tried=Tried(
        digest=digest("b"), run=RunId("r1"), at=datetime(2026, 3, 1, tzinfo=UTC), state=State.FAILED
    ),
    manifest={"steps.a.run": "0a1b2c3d"},
    key="ab" * 32,
    secrets={"db": "cd" * 32},
    config_commit=Sha("1" * 40),
    commit=Sha("2" * 40),
    branch="main",
    committed_at=datetime(2026, 2, 1, tzinfo=UTC),
    at=datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
    by="tester@laptop",
    run=RunId("r0"),
    task="deploy",
    params={"channel": "stable", "list": [1, 2, {"x": None}]},
)


def altered(**fields: object) -> bytes:
    return json.dumps(json.loads(encode_marker(RECORD)) | fields).encode()


def read(content: bytes) -> Applied:
    return decode_marker(content, target="shop", server="web-1")


def test_a_record_comes_back_as_it_was() -> None:
    assert read(encode_marker(RECORD)) == RECORD
    empty = Applied(target="shop", server="web-1")
    assert read(encode_marker(empty)) == empty


def test_equal_records_are_equal_bytes() -> None:
    turned = dict(reversed([*RECORD.params.items()]))
    same = Applied(**{**{n: getattr(RECORD, n) for n in Applied.__slots__}, "params": turned})
    assert encode_marker(same) == encode_marker(RECORD)
    assert marker_digest(encode_marker(same)) == marker_digest(encode_marker(RECORD))


def test_fields_of_a_later_controller_are_passed_over() -> None:
    assert read(altered(later={"deep": [1, 2]})) == RECORD


def test_a_later_format_is_refused_with_the_remedy() -> None:
    with pytest.raises(RefusedError, match="newer controller") as caught:
        read(altered(format=2, target=7))
    assert caught.value.hint == "upgrade this controller"


@pytest.mark.parametrize(
    "fields",
    [
        {"target": "other"},
        {"applied": "x"},
        {"key": "ab"},
        {"secrets": {"db": "short"}},
        {"manifest": {"a": "not hex!"}},
        {"tried": {"digest": "x"}},
        {"tried": 5},
        {"at": "yesterday"},
        {"at": "2026-01-01T00:00:00"},
        {"by": "x" * 300},
        {"params": []},
        {"commit": "../../etc"},
    ],
    ids=str,
)
def test_a_field_of_another_form_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(RefusedError, match="cannot read the marker of shop on web-1"):
        read(altered(**fields))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"format":1,"x":' + b"[" * 50_000,
        b'{"format":1' + b" " * SIZE_LIMIT,
        b'{"format":' + b"9" * 60_000 + b"}",
        b'{"format":1e999}',
        b'{"format":1,"target":"\\ud800"}',
    ],
    ids=lambda content: repr(content[:20]),
)
def test_hostile_bytes_end_in_a_refusal(content: bytes) -> None:
    with pytest.raises(RefusedError) as caught:
        read(content)
    assert len(caught.value.message) < 400


@given(st.binary(max_size=300))
def test_any_bytes_are_a_marker_or_a_refusal(content: bytes) -> None:
    with pytest.raises(RefusedError):
        read(content)


def test_a_marker_that_would_be_too_large_is_not_made() -> None:
    with pytest.raises(RefusedError, match="the limit is 65536"):
        encode_marker(Applied(target="shop", server="web-1", params={"x": "y" * SIZE_LIMIT}))


def test_a_manifest_names_inputs_as_long_as_there_is_room() -> None:
    inputs = {f"steps.s{n:04d}.run": Input(digest=digest(str(n))) for n in range(2000)}
    short = manifest(inputs)
    assert 200 < len(short) < 2000
    assert len(json.dumps(short, separators=(",", ":"))) <= MANIFEST_LIMIT
    assert short["steps.s0000.run"] == digest("0")[:8]
    few = {name: inputs[name] for name in list(inputs)[:3]}
    assert manifest(few).keys() == few.keys()
