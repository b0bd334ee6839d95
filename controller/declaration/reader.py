"""Bytes of one YAML file -> plain data with the place of every key and item, or located diagnostics.

A subset of YAML 1.2: one document, core scalars, string keys, no tags, no merge keys, at most 64 aliases. The
event stream is walked before anything is built, and left as soon as a bound is passed: the C parser would otherwise
take minutes, or the whole process, for a file of brackets. Called by `forms`; calls `scalars` and `marks`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NoReturn

import yaml

from controller.declaration.decoding import decode
from controller.declaration.events import (
    ALIAS,
    DOCUMENT,
    MAPPING,
    MAPPING_END,
    SCALAR,
    SEQUENCE_END,
    STREAM_END,
    Event,
    Kind,
    Mark,
    kind_of,
    parse,
)
from controller.declaration.marks import Marks, place, position
from controller.declaration.scalars import ScalarError, resolve
from controller.model.diagnostic import Diagnostic, Place

MOST_DEPTH: Final = 64
MOST_NODES: Final = 250_000
MOST_ALIASES: Final = 64
LONGEST_SHOWN: Final = 60
MOST_FINDINGS: Final = 100
"""Findings kept per file: a file of nothing but mistakes shall not fill the screen or the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One file as read; `data` is None when it is empty or cannot be read at all."""

    file: str
    data: object = None
    marks: Marks = 0
    diagnostics: tuple[Diagnostic, ...] = ()


class _StopReadingError(Exception):
    """Nothing after this point can be understood."""


def read(file: str, raw: bytes) -> Document:
    """Read one file; never raises for what the bytes hold."""
    text = decode(file, raw)
    if isinstance(text, Diagnostic):
        return Document(file=file, diagnostics=(text,))
    composer = _Composer(file=file)
    data, marks = composer.compose(text)
    return Document(file=file, data=data, marks=marks, diagnostics=tuple(composer.findings))


@dataclass(slots=True, kw_only=True)
class _Anchor:
    data: object
    marks: Marks
    nodes: int
    depth: int


@dataclass(slots=True, kw_only=True)
class _Composer:
    """Builds data and marks from events; one per file."""

    file: str
    findings: list[Diagnostic] = field(default_factory=list)
    anchors: dict[str, _Anchor | None] = field(default_factory=dict)
    next: Callable[[], Event] = field(init=False)
    nodes: int = 0
    aliases: int = 0
    deepest: int = 0

    def compose(self, text: str) -> tuple[object, Marks]:
        """Read the one document of a stream; data is None where nothing could be kept."""
        data: object = None
        marks: Marks = 0
        try:
            self.next = parse(text)
            self.next()
            event = self.next()
            if kind_of(event) is DOCUMENT:
                data, marks = self._node(self.next(), 1)
                self.next()
                event = self.next()
            if kind_of(event) is not STREAM_END:
                self._find(
                    "several-documents",
                    "cannot read a second document: a file holds one",
                    event.start_mark,
                    "remove the line with ---, or move what follows it to a file of its own",
                )
        except _StopReadingError:
            data = None
        except yaml.MarkedYAMLError as error:
            self._syntax(error)
            data = None
        except yaml.YAMLError as error:
            self._unplaced(error)
            data = None
        return data, marks

    def _node(self, event: Event, depth: int) -> tuple[object, Marks]:
        self._count(1, depth, event)
        kind: Kind = type(event)
        if kind is SCALAR:
            return self._scalar(event)
        if kind is ALIAS:
            return self._alias(event, depth)
        before = self.nodes
        anchor = self._open_anchor(event)
        if event.tag is not None:
            self._tag(event)
        start = event.start_mark
        outer, self.deepest = self.deepest, depth
        pair = self._mapping(start, depth) if kind is MAPPING else self._sequence(start, depth)
        if anchor is not None:
            self.anchors[anchor] = _Anchor(
                data=pair[0],
                marks=pair[1],
                nodes=self.nodes - before + 1,
                depth=self.deepest - depth,
            )
        self.deepest = max(outer, self.deepest)
        return pair

    def _mapping(self, start: Mark, depth: int) -> tuple[dict[str, object], Marks]:
        data: dict[str, object] = {}
        marks: list[Marks] = [position(start.line, start.column)]
        following = self.next
        while True:
            event = following()
            kind: Kind = type(event)
            if kind is MAPPING_END:
                return data, marks
            if kind is SCALAR and not event.anchor and event.tag is None:
                self.nodes += 1
                key, ok = event.value, self._key(event, data)
            else:
                key, ok = self._odd_key(event, depth, data)
            value, value_marks = self._node(following(), depth + 1)
            if ok:
                data[key] = value
                mark = event.start_mark
                marks.append(position(mark.line, mark.column))
                marks.append(value_marks)

    def _sequence(self, start: Mark, depth: int) -> tuple[list[object], Marks]:
        data: list[object] = []
        marks: list[Marks] = [position(start.line, start.column)]
        while True:
            event = self.next()
            if kind_of(event) is SEQUENCE_END:
                return data, marks
            value, value_marks = self._node(event, depth + 1)
            data.append(value)
            marks.append(value_marks)

    def _key(self, event: Event, data: dict[str, object]) -> bool:
        """Judge a plain or quoted key; false when it cannot be kept."""
        text = event.value
        if text in data:
            self._find(
                "duplicate-key", f"cannot keep the key {_short(text)} twice", event.start_mark
            )
            return False
        if not event.implicit[0]:
            return self._no_nul(event)
        if text == "<<":
            self._find(
                "merge-key",
                "cannot merge with <<: merge keys are not part of YAML 1.2",
                event.start_mark,
                "write the keys out, or use `defaults`, groups or an alias for the whole value",
            )
            return False
        try:
            resolved = resolve(text)
        except ScalarError:
            resolved = None
        if not isinstance(resolved, str):
            self._find(
                "key-not-string",
                f"cannot use {text or 'an empty value'} as a key: keys are strings",
                event.start_mark,
                f'quote it: "{_short(text)}"',
            )
            return False
        return True

    def _odd_key(self, event: Event, depth: int, data: dict[str, object]) -> tuple[str, bool]:
        """Read a key that is tagged, anchored, an alias or a collection."""
        value, _ = self._node(event, depth + 1)
        if isinstance(value, str) and kind_of(event) is SCALAR:
            return value, event.tag is None and self._key(event, data)
        self._find("key-not-string", "cannot use this as a key: keys are strings", event.start_mark)
        return "", False

    def _scalar(self, event: Event) -> tuple[object, Marks]:
        mark = event.start_mark
        at = position(mark.line, mark.column)
        value: object = event.value
        if event.tag is not None:
            self._tag(event)
        elif event.implicit[0]:
            try:
                value = resolve(event.value)
            except ScalarError as error:
                self._find(error.code, str(error), mark, "quote it to keep it as text")
        else:
            self._no_nul(event)
        if event.anchor is not None:
            name = self._open_anchor(event)
            if name is not None:
                self.anchors[name] = _Anchor(data=value, marks=at, nodes=1, depth=0)
        return value, at

    def _alias(self, event: Event, depth: int) -> tuple[object, Marks]:
        mark = event.start_mark
        at = position(mark.line, mark.column)
        self.aliases += 1
        if self.aliases > MOST_ALIASES:
            self._stop("too-many-aliases", f"cannot follow more than {MOST_ALIASES} aliases", event)
        if event.anchor not in self.anchors:
            self._find("unknown-anchor", f"cannot find the anchor &{_short(event.anchor)}", mark)
            return None, at
        anchor = self.anchors[event.anchor]
        if anchor is None:
            self._find("recursive-alias", f"cannot put &{_short(event.anchor)} inside itself", mark)
            return None, at
        self._count(anchor.nodes, depth + anchor.depth, event)
        return anchor.data, at if isinstance(anchor.marks, int) else [at, *anchor.marks[1:]]

    def _open_anchor(self, event: Event) -> str | None:
        name: str | None = event.anchor
        if name is None:
            return None
        if name in self.anchors:
            self._find(
                "duplicate-anchor", f"cannot set the anchor &{_short(name)} twice", event.start_mark
            )
            return None
        self.anchors[name] = None
        return name

    def _count(self, nodes: int, depth: int, event: Event) -> None:
        self.nodes += nodes
        self.deepest = max(self.deepest, depth)
        if depth > MOST_DEPTH:
            self._stop("too-deep", f"cannot read more than {MOST_DEPTH} levels of nesting", event)
        if self.nodes > MOST_NODES:
            self._stop("too-many-values", f"cannot keep more than {MOST_NODES} values", event)

    def _tag(self, event: Event) -> None:
        self._find(
            "tag",
            f"cannot use the tag {_short(event.tag)}: declarations are plain data",
            event.start_mark,
            "remove the tag; quote a value to make it a string",
        )

    def _no_nul(self, event: Event) -> bool:
        if "\0" not in event.value:
            return True
        self._find("nul-character", "cannot keep a NUL character in text", event.start_mark)
        return False

    def _find(self, code: str, message: str, mark: Mark, hint: str | None = None) -> None:
        at = place(self.file, position(mark.line, mark.column))
        self.findings.append(Diagnostic(code=code, message=message, place=at, hint=hint))
        if len(self.findings) >= MOST_FINDINGS:
            raise _StopReadingError

    def _stop(self, code: str, message: str, event: Event) -> NoReturn:
        self._find(code, message, event.start_mark)
        raise _StopReadingError

    def _syntax(self, error: yaml.MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        parts = [part for part in (error.context, error.problem) if part]
        at = (
            Place(file=self.file)
            if mark is None
            else Place(file=self.file, line=mark.line + 1, column=mark.column + 1)
        )
        message = f"cannot read this as YAML: {', '.join(parts) or 'syntax error'}"
        self.findings.append(Diagnostic(code="yaml-syntax", message=message, place=at))

    def _unplaced(self, error: yaml.YAMLError) -> None:
        """Report what the parser cannot place."""
        message = f"cannot read this as YAML: {_short(str(error))}"
        self.findings.append(
            Diagnostic(code="yaml-syntax", message=message, place=Place(file=self.file))
        )


def _short(text: str | None) -> str:
    text = text or ""
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."
