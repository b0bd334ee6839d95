"""The form of this room's records: frozen, keyword-only, and slotted where the interpreter can.

Every module of `wire` that holds records calls it. Python 3.9 knows no slots of dataclasses.

A dataclass has each of its methods compiled for it alone. An agent has more than a hundred records and lies in the memory
of a server that has other things to do. So only the fields are the dataclass's, `__init__` is compiled once here, and all
other methods are shared: that is two megabytes, and part of its start.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields
from typing import Any, NoReturn, TypeVar

if sys.version_info >= (3, 11):
    from typing import dataclass_transform
else:

    def dataclass_transform(**_promises: object) -> Callable[[_Decorator], _Decorator]:
        """Stand in for what only type checkers read."""
        return lambda decorator: decorator


_Record = TypeVar("_Record")
_Decorator = TypeVar("_Decorator")
_FORM = {"init": False, "repr": False, "eq": False}
if sys.version_info >= (3, 10):
    _FORM |= {"slots": True}
_UNSAID = object()
"""Stands for a default that is made anew each time."""


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def record(kind: type[_Record]) -> type[_Record]:
    """Make a class a record: give its fields by name, change them never."""
    own = frozenset(vars(kind))
    made = dataclass(**_FORM)(kind)
    for name, method in (("__init__", _make_init(made)), *_SHARED.items()):
        if name not in own:
            setattr(made, name, method)
    return made


def _make_init(kind: type[Any]) -> Callable[..., None]:
    """Compile what takes the fields of a class by their names."""
    made = {one.name: one.default_factory is not MISSING for one in fields(kind)}
    words = ["self", *(["*", *made] if made else [])]
    lines = [
        f" _set(self, {name!r}, _fresh(self, {name!r}) if {name} is _UNSAID else {name})"
        if fresh
        else f" _set(self, {name!r}, {name})"
        for name, fresh in made.items()
    ]
    body = "\n".join(lines or [" pass"])
    found: dict[str, Callable[..., None]] = {}
    exec(f"def __init__({', '.join(words)}):\n{body}", _SCOPE, found)  # noqa: S102 — names of fields
    init = found["__init__"]
    init.__qualname__ = f"{kind.__qualname__}.__init__"
    init.__kwdefaults__ = {
        one.name: _UNSAID if made[one.name] else one.default
        for one in fields(kind)
        if made[one.name] or one.default is not MISSING
    }
    return init


def _fresh(self: Any, name: str) -> object:
    return self.__dataclass_fields__[name].default_factory()


_SCOPE = {"_set": object.__setattr__, "_fresh": _fresh, "_UNSAID": _UNSAID}


def _values(self: Any) -> tuple[object, ...]:
    return tuple([getattr(self, name) for name in self.__dataclass_fields__])


def _eq(self: object, other: object) -> bool:
    return _values(self) == _values(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: object) -> int:
    return hash(_values(self))


def _repr(self: Any) -> str:
    words = [f"{name}={getattr(self, name)!r}" for name in self.__dataclass_fields__]
    return f"{self.__class__.__qualname__}({', '.join(words)})"


def _refuse_set(_self: object, name: str, _value: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_delete(_self: object, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _reduce(self: Any) -> tuple[object, ...]:
    said = dict(zip(self.__dataclass_fields__, _values(self)))
    return _again, (self.__class__, said)


def _again(kind: type[_Record], said: dict[str, object]) -> _Record:
    return kind(**said)


_SHARED: dict[str, Callable[..., object]] = {
    "__eq__": _eq,
    "__hash__": _hash,
    "__repr__": _repr,
    "__setattr__": _refuse_set,
    "__delattr__": _refuse_delete,
    "__reduce__": _reduce,
}
