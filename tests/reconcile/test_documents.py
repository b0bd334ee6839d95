"""Records as JSON types, whatever they hold."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, strategies as st

from controller.model.job import State
from controller.reconcile.documents import plain

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One of each."""

    state: State
    at: datetime
    path: Path
    data: bytes
    names: frozenset[str]
    inner: "Record | None" = None


@given(VALUES)
def test_what_json_has_stays_as_it_is(value: object) -> None:
    assert plain(value) == value


def test_records_become_objects_all_the_way_down() -> None:
    moment = datetime(2026, 1, 31, 12, tzinfo=UTC)
    leaf = Record(
        state=State.LOST, at=moment, path=Path("/a"), data=b"\xff", names=frozenset({"n"})
    )
    made = plain({State.FAILED: (leaf, {"x": leaf})})
    shown = {
        "state": "lost",
        "at": "2026-01-31T12:00:00Z",
        "path": "/a",
        "data": "\ufffd",
        "names": ["n"],
        "inner": None,
    }
    assert made == {"failed": [shown, {"x": shown}]}
    assert type(made["failed"][0]["state"]) is str
    json.dumps(made)
