"""How records are written as a JSON header with a payload, and read back strictly.

`codec` calls it for every message. A record's annotations are its schema; they are read as text, because Python 3.9
can't evaluate `X | None`. This is all that may stand there:

    str int float bool      text; whole numbers from 0; numbers, finite and from 0; true or false
    a name                  a `Literal` of texts, or another record, of the record's own module
    tuple[X, ...]           an array
    Mapping[str, X]         an object
    X | None                the same or null
    bytes Environment Blobs see `payloads`; they follow each other in the payload in the order of the fields

What is not known is ignored and what equals its default is left out, so that a version understands its neighbours. New
fields have a default, and new bytes come last.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Final, Generic, TypeVar, get_args

from controller.wire.checks import (
    PLAIN,
    Check,
    check_array,
    check_choice,
    check_nullable,
    check_object,
)
from controller.wire.payloads import PACKINGS, Packing
from controller.wire.record import record

_Record = TypeVar("_Record")
_REQUIRED: Final = object()
_FORMS: Final[dict[type, Form[Any]]] = {}


@record
class _Slot:
    """One field: its name, its default, and how it is checked or packed."""

    name: str
    default: object
    check: Check
    packing: Packing | None

    def read(self, content: object, payload: bytes, place: int) -> tuple[object, int]:
        """Give the value, and where the next bytes of the payload begin."""
        try:
            if self.packing is None:
                return self.check(content), place
            end = place + self.packing.measure(content)
            return self.packing.read(content, _cut(payload, place, end)), end
        except ValueError as wrong:
            raise ValueError(f"{self.name} {_words(wrong)}") from None


class Form(Generic[_Record]):
    """How one kind of record is written and read."""

    def __init__(self, kind: type[_Record]) -> None:
        if not is_dataclass(kind):
            raise TypeError(f"{kind.__name__} is no record")
        self.kind = kind
        scope = vars(sys.modules[kind.__module__])
        self._slots = tuple(_slot(field, scope) for field in fields(kind))
        self.packed = any(slot.packing for slot in self._slots)

    def write(self, value: _Record) -> tuple[dict[str, object], bytes]:
        """Give a record as header fields and payload.

        Raises:
            ValueError: a value can't be written.
        """
        header: dict[str, object] = {}
        payload = b""
        for slot in self._slots:
            content = getattr(value, slot.name)
            if content == slot.default:
                continue
            if slot.packing is not None:
                header[slot.name], data = slot.packing.write(content)
                payload = payload + data if payload else data
            else:
                header[slot.name] = _plain(content)
        return header, payload

    def read(self, header: Mapping[str, object], payload: bytes = b"") -> _Record:
        """Give the record of a header and a payload.

        Raises:
            ValueError: a field is missing, of another type or longer than the payload; the message names it.
        """
        found: dict[str, Any] = {}
        place = 0
        for slot in self._slots:
            content = header.get(slot.name, _REQUIRED)
            if content is not _REQUIRED:
                found[slot.name], place = slot.read(content, payload, place)
            elif slot.default is _REQUIRED:
                raise ValueError(f"{slot.name} is missing")
        return self.kind(**found)


def _cut(payload: bytes, start: int, end: int) -> bytes:
    if end > len(payload):
        raise ValueError("is longer than the payload")
    return payload[start:end]


def _words(wrong: ValueError) -> str:
    """Say what is wrong without repeating what the peer wrote."""
    return "is not UTF-8" if isinstance(wrong, UnicodeError) else str(wrong)


def _slot(field: Field[Any], scope: Mapping[str, object]) -> _Slot:
    default = field.default
    if default is MISSING:
        default = _REQUIRED if field.default_factory is MISSING else field.default_factory()
    annotation = str(field.type)
    packing = PACKINGS.get(annotation)
    check = PLAIN["str"] if packing else _check(annotation, scope)
    return _Slot(name=field.name, default=default, check=check, packing=packing)


def _check(annotation: str, scope: Mapping[str, object]) -> Check:
    """Make the check of an annotation; what is not in this module's docstring can't be imported at all."""
    if annotation.endswith(" | None"):
        return check_nullable(_check(annotation[: -len(" | None")], scope))
    if annotation.startswith("tuple[") and annotation.endswith(", ...]"):
        return check_array(_check(annotation[len("tuple[") : -len(", ...]")], scope))
    if annotation.startswith("Mapping[str, "):
        return check_object(_check(annotation[len("Mapping[str, ") : -1], scope))
    if annotation in PLAIN:
        return PLAIN[annotation]
    named = scope[annotation]
    if isinstance(named, type):
        return _check_record(form_of(named))
    return check_choice(get_args(named))


def form_of(kind: type[Any]) -> Form[Any]:
    """Give the form of a kind of record, made once."""
    form = _FORMS.get(kind)
    if form is None:
        form = _FORMS[kind] = Form(kind)
    return form


def _check_record(form: Form[Any]) -> Check:
    if form.packed:
        raise TypeError(f"{form.kind.__name__} stands inside of another record and holds bytes")

    def check(value: object) -> object:
        if not isinstance(value, dict):
            raise ValueError("is not an object")  # noqa: TRY004 - as all refusals
        return form.read(value)

    return check


def _plain(value: object) -> object:
    """Give a value as JSON has it."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return form_of(type(value)).write(value)[0]
