"""A file as a form: its blocks, read and checked on their own, kept by the id of its bytes.

What a file says by itself never depends on other files, so its form is cached under its blob id and a new commit
costs the files that changed. Called by `loader`; calls `reader`, `schema` and, for what is not valid, `explain`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol, cast

import msgspec

from controller.declaration.block import Block
from controller.declaration.explaining import explain
from controller.declaration.marks import Marks, place
from controller.declaration.reader import read
from controller.declaration.schema import KINDS, checker
from controller.declaration.suggest import among
from controller.model.diagnostic import Diagnostic, Place, Severity
from controller.model.ids import NAME
from controller.model.tree import Tree

FORMAT: Final = 2
"""Raised whenever the same bytes would give another form: a new rule here, in the reader or in a schema."""
MOST_FILES: Final = 20_000
MOST_FINDINGS: Final = 100
SERVER_NAME: Final = re.compile(r"[A-Za-z0-9_\[][A-Za-z0-9._:\[\]-]{0,252}")


class Forms(Protocol):
    """A cache of forms; it may forget anything at any time."""

    def get_many(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """Give what is known of these keys."""
        ...

    def put_many(self, forms: Mapping[str, bytes]) -> None:
        """Keep forms under their keys."""
        ...


class Role(StrEnum):
    """What a file is for."""

    DECLARATIONS = "declarations"
    SETTINGS = "settings"
    VARIABLES = "variables"


@dataclass(slots=True, kw_only=True)
class Form:
    """What one file says; `refused` are the blocks that are not valid, `readable` is false when nothing is known."""

    file: str
    blocks: list[Block] = field(default_factory=list)
    refused: list[Block] = field(default_factory=list)
    readable: bool = True
    diagnostics: list[Diagnostic] = field(default_factory=list)

    @property
    def full(self) -> bool:
        """Whether enough was found: more would help nobody and cost time."""
        return len(self.diagnostics) >= MOST_FINDINGS


_BlockRow = tuple[str, str, int, dict[str, object], bytes]
_FindingRow = tuple[str, str, int, int, str | None]
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[list[_BlockRow], list[_FindingRow]])


def read_forms(
    tree: Tree, paths: Iterable[str], role: Role, cache: Forms | None = None
) -> list[Form]:
    """Read many files of one role, from the cache where it knows them."""
    keys = {path: f"{FORMAT}-{role}-{tree.entries[path].blob}" for path in paths}
    known = cache.get_many(sorted(set(keys.values()))) if cache is not None else {}
    forms: dict[str, Form] = {}
    for path, key in keys.items():
        if key in known:
            kept = _unpack(path, known[key])
            if kept is not None:
                forms[path] = kept
    missing = [path for path in keys if path not in forms]
    fresh: dict[str, bytes] = {}
    for path, raw in tree.read(missing).items():
        form = forms[path] = make_form(path, raw, role)
        if all(item.severity is Severity.WARNING for item in form.diagnostics):
            fresh[keys[path]] = _pack(form)
    if cache is not None and fresh:
        cache.put_many(fresh)
    return [forms[path] for path in keys]


def _pack(form: Form) -> bytes:
    return _encoder.encode(
        (
            [
                (block.kind, block.name, block.at, block.data, _encoder.encode(block.marks))
                for block in form.blocks
            ],
            [
                (item.code, item.message, item.place.line, item.place.column, item.hint)
                for item in form.diagnostics
            ],
        )
    )


def _unpack(path: str, packed: bytes) -> Form | None:
    """Read a cached form; None when the cache holds something else, which then is made anew."""
    try:
        blocks, findings = _decoder.decode(packed)
    except msgspec.MsgspecError:
        return None
    return Form(
        file=path,
        blocks=[
            Block(kind=kind, name=name, file=path, at=at, data=data, marks=marks)
            for kind, name, at, data, marks in blocks
        ],
        diagnostics=[
            Diagnostic(
                severity=Severity.WARNING,
                code=code,
                message=message,
                place=Place(file=path, line=line, column=column),
                hint=hint,
            )
            for code, message, line, column, hint in findings
        ],
    )


def make_form(path: str, raw: bytes, role: Role) -> Form:
    """Read and check one file."""
    document = read(path, raw)
    form = Form(file=path, diagnostics=list(document.diagnostics))
    if document.data is None:
        form.readable = not form.diagnostics
        return form
    if not isinstance(document.data, dict) or isinstance(document.marks, int):
        form.diagnostics.append(
            Diagnostic(
                code="wrong-type",
                message="cannot use this file: expected a mapping at its top",
                place=place(path, _at(document.marks)),
            )
        )
        return form
    if role is Role.VARIABLES:
        form.blocks.append(_block("variables", "", form, 0, (document.data, document.marks)))
    else:
        _top_level(form, document.data, document.marks, role)
    if b"{{" in raw:
        _warn_of_templates(form)
    return form


def _at(marks: Marks) -> int:
    return marks if isinstance(marks, int) else cast("int", marks[0])


def _block(kind: str, name: str, form: Form, at: int, body: tuple[object, Marks]) -> Block:
    data, marks = body
    mapping = data if isinstance(data, dict) else {}
    return Block(kind=kind, name=name, file=form.file, at=at, data=mapping, marks=marks)


def _top_level(form: Form, data: dict[str, object], marks: list[Marks], role: Role) -> None:
    allowed = {"settings"} if role is Role.SETTINGS else set(KINDS)
    for index, (key, value) in enumerate(data.items()):
        at = _at(marks[1 + 2 * index])
        inner = marks[2 + 2 * index]
        if form.full:
            return
        if key not in allowed:
            form.diagnostics.append(
                Diagnostic(
                    code="unknown-key",
                    message=f"cannot understand the key {key[:60]} at the top of this file",
                    place=place(form.file, at),
                    hint=_top_level_hint(key, allowed),
                )
            )
        elif value is None:
            continue
        elif not isinstance(value, dict) or isinstance(inner, int):
            form.diagnostics.append(
                Diagnostic(
                    code="wrong-type",
                    message=f"cannot use this as `{key}`: expected a mapping",
                    place=place(form.file, _at(inner)),
                )
            )
        elif role is Role.SETTINGS:
            _check(form, [_block("settings", "", form, at, (value, inner))], "settings")
        else:
            _kind(form, key, value, inner)


def _top_level_hint(key: str, allowed: set[str]) -> str:
    if key == "settings":
        return "settings stand in ctl.yaml at the root"
    if key in KINDS:
        return "declarations stand in files under inventory/ or pipelines/"
    return among(key, allowed, what="key")


def _kind(form: Form, kind: str, data: dict[str, object], marks: list[Marks]) -> None:
    blocks: list[Block] = []
    pattern = SERVER_NAME if kind == "servers" else NAME
    for index, (name, body) in enumerate(data.items()):
        at = _at(marks[1 + 2 * index])
        inner = marks[2 + 2 * index]
        if form.full:
            break
        if not pattern.fullmatch(name):
            form.diagnostics.append(
                Diagnostic(
                    code="bad-name",
                    message=f"cannot use {name[:60]!r} as a name under `{kind}`",
                    place=place(form.file, at),
                    hint="names begin with a-z or 0-9 and go on with a-z 0-9 . _ -, at most 63",
                )
            )
        elif body is not None and not isinstance(body, dict):
            form.diagnostics.append(
                Diagnostic(
                    code="wrong-type",
                    message=f"cannot use this as `{kind}.{name}`: expected a mapping",
                    place=place(form.file, _at(inner)),
                )
            )
        else:
            blocks.append(_block(kind, name, form, at, (body, inner)))
    _check(form, blocks, KINDS[kind])


def _check(form: Form, blocks: list[Block], schema: str) -> None:
    """Check blocks of one kind; the slow explanation is only asked of those that are not valid."""
    if checker(schema).is_valid({block.name: block.data for block in blocks}):
        form.blocks.extend(blocks)
        return
    for block in blocks:
        findings = (
            list(explain(schema, block.data, block.locate))
            if not form.full
            else form.diagnostics[:1]
        )
        form.diagnostics.extend(findings)
        (form.refused if findings else form.blocks).append(block)


def _warn_of_templates(form: Form) -> None:
    """Warn of `{{` where it stays text: in variables."""
    base: tuple[str, ...]
    for block in form.blocks:
        if block.kind in {"servers", "groups"}:
            variables, base = block.data.get("vars", {}), ("vars",)
        elif block.kind == "variables":
            variables, base = block.data, ()
        else:
            continue
        for name, value in cast("dict[str, object]", variables).items():
            if _holds_template(value):
                form.diagnostics.append(
                    Diagnostic(
                        severity=Severity.WARNING,
                        code="template-in-variable",
                        message=f"the variable {name} holds {{{{, which stays text",
                        place=block.where(*base, name, value=True),
                        hint="variables are values, never templates",
                    )
                )


def _holds_template(value: object) -> bool:
    if isinstance(value, str):
        return "{{" in value
    if isinstance(value, dict):
        return any(_holds_template(item) for item in value.values())
    return isinstance(value, list) and any(_holds_template(item) for item in value)
