"""Messages: every kind survives the way there and back, is read strictly, and understands its neighbours."""

import dataclasses
import inspect
import sys
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given, settings, strategies as st

from controller.transport import port
from controller.wire.codec import ENVELOPE, pack, read_message, unpack
from controller.wire.errors import OversizeError, ProtocolError
from controller.wire.forms import form_of
from controller.wire.frames import check_size
from controller.wire.messages.attempts import Attempt, GetAttempt, Start
from controller.wire.messages.server import Done
from controller.wire.messages.table import BY_RECORD, KINDS, Kind, Manner, To
from controller.wire.messages.targets import LockPage, MarkerPage

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="=\0"), min_size=1, max_size=8
)
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


def values(annotation: str, scope: dict[str, object]) -> st.SearchStrategy[Any]:
    """Make values for an annotation, on its own reading of what may stand there."""
    simple: dict[str, st.SearchStrategy[Any]] = {
        "str": TEXTS,
        "int": st.integers(0, 2**63 - 1),
        "float": st.floats(0, 1e15),
        "bool": st.booleans(),
        "bytes": st.binary(max_size=50),
        "Environment": st.dictionaries(NAMES, VALUES, max_size=3),
        "Blobs": st.dictionaries(TEXTS, st.binary(max_size=20), max_size=3),
    }
    if annotation in simple:
        return simple[annotation]
    if annotation.endswith(" | None"):
        return st.none() | values(annotation.removesuffix(" | None"), scope)
    if annotation.startswith("tuple["):
        return st.lists(values(annotation[6:-6], scope), max_size=3).map(tuple)
    if annotation.startswith("Mapping[str, "):
        return st.dictionaries(TEXTS, values(annotation[13:-1], scope), max_size=3)
    named = scope[annotation]
    return records(named) if inspect.isclass(named) else st.sampled_from(get_args(named))


def records(kind: Any) -> st.SearchStrategy[Any]:
    scope = vars(sys.modules[kind.__module__])
    return st.builds(kind, **{f.name: values(str(f.type), scope) for f in dataclasses.fields(kind)})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@settings(max_examples=25)
@given(data=st.data())
def test_every_kind_survives_the_way_there_and_back(kind: Kind, data: st.DataObject) -> None:
    message = data.draw(records(kind.record))
    header, payload = pack(message, call=7)
    envelope = unpack(header, payload)
    assert envelope.kind is kind
    assert envelope.call == 7
    assert read_message(envelope) == message


def test_the_table_holds_each_kind_once_and_no_field_hides_the_envelope() -> None:
    assert len({kind.name for kind in KINDS}) == len({kind.record for kind in KINDS}) == len(KINDS)
    for kind in KINDS:
        assert not {field.name for field in dataclasses.fields(kind.record)} & set(ENVELOPE)
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(object.__new__(kind.record), kind.name, 1)
        assert "__slots__" in vars(kind.record)
        assert (kind.reply is not None) == (kind.manner is Manner.REQUEST)
        if kind.reply is not None:
            answer = BY_RECORD[kind.reply]
            assert answer.manner is Manner.REPLY
            assert {kind.to, answer.to} == {To.AGENT, To.CONTROLLER}


def test_an_agent_asks_for_its_next_certificate_and_for_nothing_else() -> None:
    asked = [k.name for k in KINDS if k.manner is Manner.REQUEST and k.to is To.CONTROLLER]
    assert asked == ["renew"]


def test_fields_with_defaults_come_last_as_the_oldest_python_needs() -> None:
    for kind in KINDS:
        given_up = [
            f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
            for f in dataclasses.fields(kind.record)
        ]
        assert given_up == sorted(given_up, reverse=True), kind.name


@pytest.mark.parametrize(
    ("ours", "theirs", "without"),
    [
        (port.AttemptSpec, "start", {"script", "script_digest", "arguments"}),  # of run-script
        (port.AttemptStatus, "attempt", {"waiting"}),  # a phase
        (port.ProbeSpec, "probe", set()),
        (port.Probed, "probed", set()),
        (port.Chunk, "chunk", set()),
        (port.TargetClaim, "target-claim", set()),
    ],
)
def test_every_field_of_the_carrier_port_has_its_place(
    ours: type, theirs: str, without: set[str]
) -> None:
    (kind,) = [kind for kind in KINDS if kind.name == theirs]
    wanted = {field.name for field in dataclasses.fields(ours)} - without
    assert wanted <= {field.name for field in dataclasses.fields(kind.record)}


@pytest.mark.parametrize("word", [port.Phase, port.Ending])
def test_every_word_of_the_carrier_port_can_be_said(word: type) -> None:
    hints = get_type_hints(Attempt)
    said = {*get_args(hints["phase"]), *get_args(get_args(hints["ending"])[0])}
    assert {str(value) for value in word} <= said  # type: ignore[attr-defined]


def test_what_is_not_known_is_ignored_and_what_is_missing_has_its_default() -> None:
    header = b'{"kind":"start","id":"a","job":"j","later":{"x":[1]},"text":2}'
    message = read_message(unpack(header, b"hi and bytes of a later field"))
    assert message == Start(id="a", job="j", text=b"hi")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b'{"kind":"start","id":"a"}', "job is missing"),
        (b'{"kind":"start","id":1,"job":"j"}', "id is not a text"),
        (b'{"kind":"start","id":"\\ud800","job":"j"}', "id is not UTF-8"),
        (b'{"kind":"start","id":"a","job":"j","head":true}', "head is not a whole number"),
        (b'{"kind":"start","id":"a","job":"j","head":-1}', "head is not a whole number"),
        (b'{"kind":"start","id":"a","job":"j","head":9223372036854775808}', "head is not"),
        (b'{"kind":"start","id":"a","job":"j","timeout":NaN}', "timeout is not a finite number"),
        (b'{"kind":"start","id":"a","job":"j","timeout":1e999}', "timeout is not a finite number"),
        (b'{"kind":"start","id":"a","job":"j","timeout":true}', "timeout is not a number"),
        (b'{"kind":"start","id":"a","job":"j","interactive":1}', "interactive is neither"),
        (b'{"kind":"start","id":"a","job":"j","shell":"sh"}', "shell is not an array"),
        (b'{"kind":"start","id":"a","job":"j","limits":[]}', "limits is not an object"),
        (b'{"kind":"start","id":"a","job":"j","limits":{"cpu":"1"}}', "limits cpu is not a number"),
        (b'{"kind":"start","id":"a","job":"j","text":99}', "text is longer than the payload"),
        (b'{"kind":"start","id":"a","job":"j","env":3}', "env is no environment"),
        (b'{"kind":"marker-page","markers":{"a":2,"b":3}}', "markers is longer"),
        (b'{"kind":"attempt","id":"a","phase":"done"}', "phase is not one of the known words"),
    ],
)
def test_what_is_not_as_declared_is_refused_by_the_name_of_its_field(
    header: bytes, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        read_message(unpack(header, b"abc"))


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"kind":1}',
        b'{"kind":""}',
        b'{"kind":"' + b"k" * 65 + b'"}',
        b'{"kind":"start","call":-1}',
        b'{"kind":"start","call":"1"}',
        b'{"kind":"start","call":1,"stream":1}',
        b"[" * 60000,
        b'{"a":' * 10000,
        b'{"kind":"start","call":' + b"9" * 60000 + b"}",
    ],
)
def test_a_header_without_an_envelope_is_refused(header: bytes) -> None:
    with pytest.raises(ProtocolError) as refused:
        unpack(header, b"")
    assert refused.value.code == "bad-header"


@pytest.mark.parametrize("env", [{"A=B": ""}, {"": "x"}, {"A": "x\0Y=1"}, {"A\0": ""}])
def test_an_environment_that_would_be_read_as_another_can_not_be_sent(env: dict[str, str]) -> None:
    with pytest.raises(OversizeError):
        pack(Start(id="a", job="j", env=env))


def test_a_field_that_is_as_by_default_costs_nothing() -> None:
    assert pack(Done()) == (b'{"kind":"done"}', b"")
    assert (
        pack(GetAttempt(attempt="a"), call=1)[0] == b'{"kind":"get-attempt","call":1,"attempt":"a"}'
    )


def test_a_thousand_markers_come_in_pages_that_fit() -> None:
    page = MarkerPage(markers={f"target-{n}": bytes(8000) for n in range(120)}, more=True)
    check_size(*pack(page))
    with pytest.raises(OversizeError):
        check_size(*pack(MarkerPage(markers={f"t{n}": bytes(65536) for n in range(17)})))
    assert form_of(LockPage).write(LockPage()) == ({}, b"")
