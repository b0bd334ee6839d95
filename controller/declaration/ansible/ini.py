"""INI inventories: sections of hosts, children and variables.

Called by `sources` with the text of one file; fills a `Draft`. Every line that cannot be read is a finding of its
own, so that one pass tells them all.
"""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from controller.declaration.ansible import literals, ranges
from controller.declaration.ansible.draft import Draft, DraftGroup, set_group
from controller.declaration.ansible.findings import Findings, Refusal
from controller.model.diagnostic import Place

MAX_LINE: Final = 262_144
_SECTION: Final = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?")
_CHILD: Final = re.compile(r"([^:\]\s]+)\s*(?:#.*)?")
_CAREFUL: Final = re.compile(r"""['"\\#]""")
_SPACE: Final = re.compile(r"[ \t\r\n]+")
_CODE: Final = "ansible-ini"


@dataclass(slots=True)
class _Pending:
    """A group that was named but not yet declared: by `[NAME:vars]`, or as a child of `parents`."""

    place: Place
    vars_only: bool
    parents: list[DraftGroup] = field(default_factory=list)


class _Reader:
    """Reads line after line into the draft."""

    def __init__(self, draft: Draft, path: str) -> None:
        self.draft = draft
        self.place = Place(file=path)
        self.group = draft.groups["ungrouped"]
        self.pending: dict[str, _Pending] = {}
        self.kinds: Mapping[str, Callable[[str], None]] = {
            "hosts": self._host,
            "children": self._child,
            "vars": self._variable,
        }
        self.entry: Callable[[str], None] = self._host

    def line(self, text: str) -> None:
        """Read one line that is neither empty nor a comment."""
        if len(text) > MAX_LINE:
            raise self._refusal(f"cannot read a line of more than {MAX_LINE} characters")
        match = _SECTION.fullmatch(text)
        if match:
            self._section(match[1], match[2] or "hosts")
        elif text.startswith("[") and text.endswith("]"):
            message = f"cannot read the section {text[:80]!r}: [NAME], [NAME:children] or [NAME:vars] is expected"
            raise self._refusal(message, hint="a name of a group has no spaces and no colons")
        else:
            self.entry(text)

    def finish(self) -> list[Refusal]:
        """Give a refusal for each group that was named but never declared."""
        return [
            Refusal(
                f"cannot set variables of the undefined group {name!r}"
                if pending.vars_only
                else f"cannot find the child group {name!r}",
                pending.place,
                code=_CODE,
                hint=f"declare it by a line [{name}]",
            )
            for name, pending in self.pending.items()
        ]

    def _section(self, name: str, kind: str) -> None:
        if kind not in self.kinds:
            message = f"cannot read a section of type {kind!r}: hosts, children or vars is expected"
            raise self._refusal(message)
        if name not in self.draft.groups and kind == "vars" and name not in self.pending:
            self.pending[name] = _Pending(place=self.place, vars_only=True)
        self.group = self.draft.group(name, self.place)
        self.entry = self.kinds[kind]
        if kind != "vars" and name in self.pending:
            for parent in self.pending.pop(name).parents:
                self.draft.adopt(parent, name, self.place)

    def _host(self, text: str) -> None:
        tokens = self._words(text)
        if not tokens:
            return
        try:
            names, port = ranges.expand(tokens[0])
        except ValueError as error:
            raise self._refusal(f"cannot read the host pattern: {error}") from None
        variables = dict(self._pair(token, "a host takes KEY=VALUE") for token in tokens[1:])
        self.draft.count(len(names), len(variables), self.place)
        for name in names:
            host = self.draft.host(name, self.group, port, self.place)
            for key, value in variables.items():
                host.said.set(key, value, self.place)

    def _words(self, text: str) -> list[str]:
        """Split a line as a shell would; most lines have nothing that asks for a shell's care."""
        if not _CAREFUL.search(text):
            return _SPACE.split(text)
        try:
            return shlex.split(text, comments=True)
        except ValueError as error:
            message = f"cannot split {text[:80]!r} into words: {error}"
            raise self._refusal(message, hint="close the quotation, or escape it by \\") from None

    def _variable(self, text: str) -> None:
        key, value = self._pair(text, "a variable is KEY=VALUE")
        set_group(self.group, key, value, self.place)

    def _child(self, text: str) -> None:
        match = _CHILD.fullmatch(text)
        if not match:
            raise self._refusal(f"cannot read {text[:80]!r}: the name of a group is expected")
        name = match[1]
        if name in self.draft.groups:
            self.draft.adopt(self.group, name, self.place)
            return
        waiting = self.pending.setdefault(name, _Pending(place=self.place, vars_only=False))
        waiting.parents.append(self.group)

    def _pair(self, text: str, expected: str) -> tuple[str, object]:
        key, equals, value = text.partition("=")
        if not equals:
            raise self._refusal(f"cannot read {text[:80]!r}: {expected}")
        if self.entry == self._variable:
            key, value = key.strip(), value.strip()
        try:
            return key, literals.value(value)
        except ValueError as error:
            raise self._refusal(str(error)) from None

    def _refusal(self, message: str, *, hint: str | None = None) -> Refusal:
        return Refusal(message, self.place, code=_CODE, hint=hint)


def read(text: str, path: str, draft: Draft, findings: Findings) -> None:
    """Read the text of the INI inventory at `path` into `draft`."""
    reader = _Reader(draft, path)
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        reader.place = Place(file=path, line=number)
        try:
            reader.line(stripped)
        except Refusal as refusal:
            findings.add(refusal.diagnostic)
            if refusal.diagnostic.code == "too-large":
                return
    for left in reader.finish():
        findings.add(left.diagnostic)
