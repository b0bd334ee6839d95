"""Records: what a frozen, keyword-only dataclass promises, whatever the methods are made of."""

import copy
import pickle
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace

import pytest

from controller.wire.record import record


@record
class Point:
    """Two numbers, a name and more."""

    x: int
    y: int = 2
    name: str = "none"
    more: Mapping[str, int] = field(default_factory=dict)

    @property
    def both(self) -> int:
        """Give their sum."""
        return self.x + self.y


@record
class Other:
    """The same fields under another name."""

    x: int
    y: int = 2
    name: str = "none"
    more: Mapping[str, int] = field(default_factory=dict)


@record
class Empty:
    """Nothing."""


@record
class Spoken:
    """Says itself in its own words."""

    x: int = 0

    def __repr__(self) -> str:
        return "own words"


@dataclass(frozen=True, kw_only=True)
class Plain:
    """What Python would make of it."""

    x: int
    y: int = 2
    name: str = "none"
    more: Mapping[str, int] = field(default_factory=dict)


def test_fields_are_given_by_name_and_defaults_fill_the_rest() -> None:
    one = Point(x=1, name="a")
    assert (one.x, one.y, one.name, one.more, one.both) == (1, 2, "a", {}, 3)
    assert Point(x=1).more is not Point(x=1).more
    assert Empty() == Empty()
    assert [one.name for one in fields(Point)] == ["x", "y", "name", "more"]


@pytest.mark.parametrize("words", [{}, {"y": 1}, {"x": 1, "z": 2}])
def test_what_is_missing_or_unknown_is_refused_as_python_does(words: dict[str, int]) -> None:
    with pytest.raises(TypeError) as ours:
        Point(**words)  # type: ignore[arg-type]
    with pytest.raises(TypeError) as theirs:
        Plain(**words)  # type: ignore[arg-type]
    assert str(ours.value) == str(theirs.value).replace("Plain", "Point")
    with pytest.raises(TypeError):
        Point(1)  # type: ignore[call-arg]


def test_nothing_of_a_record_changes() -> None:
    one = Point(x=1)
    for name in ("x", "y", "other"):
        with pytest.raises(FrozenInstanceError):
            setattr(one, name, 5)
        with pytest.raises(FrozenInstanceError):
            delattr(one, name)
    assert (one.x, replace(one, x=5).x, one.x) == (1, 5, 1)


def test_records_are_equal_by_kind_and_values() -> None:
    assert Point(x=1) == Point(x=1, y=2) != Point(x=2)
    others: tuple[object, ...] = (Other(x=1), (1, 2, "none", {}))
    assert Point(x=1) not in others
    assert hash(Spoken(x=1)) == hash(Spoken(x=1)) != hash(Spoken(x=2))
    assert len({Spoken(x=1), Spoken(x=1), Spoken()}) == 2
    with pytest.raises(TypeError, match="unhashable"):
        hash(Point(x=1))


def test_a_record_is_shown_as_python_shows_it_or_in_its_own_words() -> None:
    assert repr(Point(x=1)) == repr(Plain(x=1)).replace("Plain", "Point")
    assert repr(Empty()) == "Empty()"
    assert repr(Spoken()) == "own words"


def test_a_record_has_slots_and_is_copied() -> None:
    one = Point(x=1, more={"a": 1})
    assert not hasattr(one, "__dict__")
    assert copy.deepcopy(one) == one == copy.copy(one)
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301 — our own bytes
