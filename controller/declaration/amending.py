"""A text that was rendered and then changed by hand: the change, put back into its template.

Called by `reconcile` when live content is adopted. Pure. The lines of template and text are laid side by side; a changed line
is put back where its template line is plain text, and refused where an expression wrote it. What is put back is a text:
it is quoted so that nothing in it is ever evaluated. Whoever calls renders the result and compares.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Final

from controller.declaration.templates import is_template
from controller.errors import RefusedError

MOST_STEPS: Final = 4_000_000
"""Comparisons that one match may take at worst; a server may have chosen the lines."""
SHOWN: Final = 80
_OPENING: Final = re.compile(r"\{[{%#]")
_EXPRESSION: Final = re.compile(r"\{[{%].*?[%}]\}")

Opcode = tuple[str, int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The line of the template that gave a line; `plain` says that it gave it as it stands."""

    line: int
    plain: bool


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Edit:
    """Lines `start` to `end` (left out) of the template, and what stands there instead."""

    start: int
    end: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """The lines of a template, and where they stand."""

    lines: list[str]
    file: str
    first: int

    def refusal(self, line: int) -> RefusedError:
        """Say that only a person can change a line."""
        line = min(line, len(self.lines) - 1)
        found = _EXPRESSION.search(self.lines[line])
        said = f" {found[0][:SHOWN]}" if found else ""
        at = f"{self.file}:{self.first + line}"
        return RefusedError(
            f"cannot put a change into {at}: the text there comes from an expression{said}",
            hint=f"change the value it comes from, or edit {at} by hand",
        )


def amend(template: str, rendered: str, live: str, *, file: str, first: int = 1) -> str:
    """Give the template that would render to what is live.

    Args:
        template: the text as it is written.
        rendered: what it gave for the server.
        live: what is there now.
        file: where the template stands, for the message.
        first: the line of that file in which it begins.

    Raises:
        RefusedError: a changed line comes from an expression, and only a person can say what is meant.
    """
    if not is_template(template):
        return quoted(live) if is_template(live) else live
    ours = Template(lines=template.split("\n"), file=file, first=first)
    before, after = rendered.split("\n"), live.split("\n")
    origins = _origins(ours.lines, before)
    edits: set[Edit] = set()
    for a, b, c, d in _changes(before, after):
        start, end = _stretch(ours, origins, a, b)
        edits.add(Edit(start=start, end=end, lines=tuple(map(quoted, after[c:d]))))
    lines = list(ours.lines)
    for edit in _apart(sorted(edits), ours):
        lines[edit.start : edit.end] = edit.lines
    return "\n".join(lines)


def quoted(text: str) -> str:
    """Write a text so that a template gives it as it is."""
    return _OPENING.sub(lambda found: "{{ '" + found[0] + "' }}", text)


def _origins(template: Sequence[str], rendered: Sequence[str]) -> list[Origin]:
    """Say for every line of a text which line of its template it most likely comes from."""
    counts = Counter(template)
    alone = {line: at for at, line in enumerate(template) if line and counts[line] == 1}
    origins: list[Origin] = []
    for tag, a, b, c, d in opcodes(template, rendered):
        last = min(max(a, b - 1), len(template) - 1)
        for step, line in enumerate(rendered[c:d]):
            if tag == "equal":
                origins.append(Origin(line=a + step, plain=True))
            elif line in alone:  # once more, by a loop
                origins.append(Origin(line=alone[line], plain=True))
            else:
                origins.append(Origin(line=a + step if b - a == d - c else last, plain=False))
    return origins


def _changes(before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Give what differs; as many lines for as many are changes of one line each."""
    for tag, a, b, c, d in opcodes(before, after):
        if tag == "replace" and b - a == d - c:
            yield from ((a + step, a + step + 1, c + step, c + step + 1) for step in range(b - a))
        elif tag != "equal":
            yield a, b, c, d


def _stretch(template: Template, origins: Sequence[Origin], a: int, b: int) -> tuple[int, int]:
    """Say which lines of the template gave lines a to b; an empty stretch stands behind the line before it."""
    if a == b:
        at = origins[a - 1].line + 1 if a else 0
        return at, at
    for origin in origins[a:b]:
        if not origin.plain:
            raise template.refusal(origin.line)
    lines = [origin.line for origin in origins[a:b]]
    for one, two in pairwise(lines):
        if two != one + 1:
            raise template.refusal(one + 1)
    return lines[0], lines[-1] + 1


def _apart(edits: Sequence[Edit], template: Template) -> Sequence[Edit]:
    """Order edits from the last to the first; two of the same lines have no one meaning."""
    for one, two in pairwise(edits):
        if two.start < one.end or two.start == one.start:
            raise RefusedError(
                f"cannot put two different changes into {template.file}:"
                f"{template.first + two.start}: the line is written more than once",
                hint="edit the template by hand",
            )
    return edits[::-1]


def opcodes(one: Sequence[str], two: Sequence[str]) -> list[Opcode]:
    """Match lines as difflib does, between the equal beginning and end; what would cost too much is one difference."""
    most = min(len(one), len(two))
    head = _common(one, two, most)
    tail = _common(one[::-1], two[::-1], most - head)
    a, b = one[head : len(one) - tail], two[head : len(two) - tail]
    if _cost(a, b) <= MOST_STEPS:
        middle = SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
    else:
        middle = [("replace", 0, len(a), 0, len(b))]
    found: list[Opcode] = [("equal", 0, head, 0, head)]
    found += [(tag, i + head, j + head, k + head, l_ + head) for tag, i, j, k, l_ in middle]
    found.append(("equal", len(one) - tail, len(one), len(two) - tail, len(two)))
    return [each for each in found if each[1] < each[2] or each[3] < each[4]]


def _common(one: Sequence[str], two: Sequence[str], most: int) -> int:
    return next((at for at in range(most) if one[at] != two[at]), most)


def _cost(one: Sequence[str], two: Sequence[str]) -> int:
    there, here = Counter(one), Counter(two)
    equal = sum(count * here[line] for line, count in there.items())
    return (equal + len(one)) * (min(len(one), len(two)) + 1)
