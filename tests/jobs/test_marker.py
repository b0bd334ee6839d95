import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
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
from controller.model.declaration import OnRemove
from controller.model.diagnostic import Place
from controller.model.files import CheckoutWork, FileWork
from controller.model.ids import Digest, RunId, Sha
from controller.model.inventory import Server
from controller.model.job import State
from controller.model.task import Retry
from controller.model.work import Input, StepKind, StepWork, Work
from tests.jobs.rig import digest

UNDO = Work(
    task="clean-up",
    digest=digest("u"),
    steps=(
        StepWork(name="stop", text="systemctl stop app", timeout=30.0),
        StepWork(name="wipe", text="rm -rf /srv/app", needs=("stop",), retry=Retry(limit=2)),
    ),
    files=(FileWork(path="/etc/motd", content=b"gone\x00\xff\n"),),
    env={"WHAT": "app"},
)
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
    files={"/etc/app.conf": "ef" * 32},
    on_remove=OnRemove.RUN,
    protect=True,
    undo=UNDO,
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


def test_how_a_server_is_reached_is_never_on_it() -> None:
    with_way = replace(RECORD, connection=Server(name="web-1", address="10.9.8.7"))
    assert b"10.9.8.7" not in encode_marker(with_way)
    assert read(encode_marker(with_way)) == RECORD


def test_an_undo_stands_in_the_marker_without_where_it_was_declared() -> None:
    declared = replace(
        UNDO,
        inputs={"steps.stop.run": Input(digest=digest("i"))},
        files=tuple(replace(f, place=Place(file="tasks/x.yml", line=3)) for f in UNDO.files),
    )
    assert read(encode_marker(replace(RECORD, undo=declared))) == RECORD


def retried(work: Work, retry: Retry) -> Work:
    return replace(work, steps=(replace(work.steps[0], retry=retry),))


GREEDY: dict[str, Callable[[Work], Work]] = {
    "a secret": lambda w: replace(w, secrets={"X": "prod-password"}),
    "a secret parameter": lambda w: replace(w, masked=("token",)),
    "a secret in a file": lambda w: replace(w, files=(replace(w.files[0], secrets=("x",)),)),
    "a tree": lambda w: replace(w, checkout=CheckoutWork(path="/srv/x")),
    "a step of ours": lambda w: replace(
        w, steps=(replace(w.steps[0], name="_checkout", kind=StepKind.CHECKOUT),)
    ),
    "no digest": lambda w: replace(w, digest=Digest("x")),
    "no steps": lambda w: replace(w, steps=()),
    "a step twice": lambda w: replace(w, steps=(w.steps[0], w.steps[0])),
    "an odd name": lambda w: replace(w, steps=(replace(w.steps[0], name="../x"),)),
    "an endless time": lambda w: replace(w, timeout=1e308),
    "an endless step": lambda w: replace(w, steps=(replace(w.steps[0], timeout=1e300),)),
    "endless tries": lambda w: retried(w, Retry(limit=10**9)),
    "an endless pause": lambda w: retried(w, Retry(limit=1, delay=1e300)),
    "a wild back-off": lambda w: retried(w, Retry(limit=1, backoff=1e300)),
}


@pytest.mark.parametrize("greed", GREEDY.values(), ids=GREEDY.keys())
def test_an_undo_that_asks_for_more_than_its_server_has_is_not_taken_from_a_marker(
    greed: Callable[[Work], Work],
) -> None:
    hostile = json.loads(msgspec.json.encode(greed(UNDO)))
    assert read(altered(undo=hostile)) == replace(RECORD, undo=None)
    assert read(encode_marker(replace(RECORD, undo=greed(UNDO)))).undo is None


@pytest.mark.parametrize("undo", [7, "x", {}, {"task": 1}, [[[]]]])
def test_an_undo_that_is_none_leaves_the_rest_of_a_marker_readable(undo: object) -> None:
    assert read(altered(undo=undo)) == replace(RECORD, undo=None)


def test_a_marker_whose_undo_is_too_large_is_not_made() -> None:
    large = replace(UNDO, steps=(replace(UNDO.steps[0], text="x" * SIZE_LIMIT),))
    with pytest.raises(RefusedError, match="the marker would have") as caught:
        encode_marker(replace(RECORD, undo=large))
    assert "the task that undoes it" in (caught.value.hint or "")
