"""The difference of two texts as a unified diff whose size and cost have a bound.

Called by `deliveries`. One of the texts lay on a server that may be hostile: it must not be able to make a plan slow or
endless, so that a comparison that would cost too much shows all that is between the first and the last equal lines.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

CONTEXT: Final = 3
"""Equal lines around a difference."""
MOST_LINES: Final = 200
"""Lines of the diff of one text."""
MOST_BYTES: Final = 64 << 10
"""Bytes of all diffs of one pair."""
MOST_STEPS: Final = 4_000_000
"""Comparisons that one diff may take at worst, about half a second."""

Opcode = tuple[str, int, int, int, int]


@dataclass(slots=True)
class Allowance:
    """What is left for the diffs of one pair."""

    size: int = MOST_BYTES
    steps: int = MOST_STEPS


def text_of(data: bytes) -> str | None:
    """Read bytes as text; None where they are not UTF-8, or hold a NUL."""
    if b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def unified(before: str, after: str, allowance: Allowance) -> str:
    """Write what turns one text into the other, cut to what is allowed; empty for equal texts."""
    if before == after:
        return ""
    one, two = _lines(before), _lines(after)
    lines = ["--- there", "+++ wanted"]
    size = sum(map(_size, lines))
    left = 0
    for line in _hunks(one, two, allowance):
        size += _size(line)
        if left or len(lines) >= MOST_LINES or size > allowance.size:
            left += 1
        else:
            lines.append(line)
    if left:
        lines.append(f"({left} more lines of this diff are left out)")
    allowance.size -= min(allowance.size, sum(map(_size, lines)))
    return "\n".join(lines)


def _size(line: str) -> int:
    return len(line.encode()) + 1


def _lines(text: str) -> list[str]:
    """Split at line feeds only; a last line without one says so."""
    lines = text.split("\n")
    last = lines.pop()
    return [*lines, f"{last}\n\\ No newline at end of file"] if last else lines


def _hunks(one: Sequence[str], two: Sequence[str], allowance: Allowance) -> Iterator[str]:
    for group in _grouped(_opcodes(one, two, allowance)):
        first, last = group[0], group[-1]
        yield f"@@ -{_span(first[1], last[2])} +{_span(first[3], last[4])} @@"
        for tag, a, b, c, d in group:
            if tag == "equal":
                yield from (f" {line}" for line in one[a:b])
            else:
                yield from (f"-{line}" for line in one[a:b])
                yield from (f"+{line}" for line in two[c:d])


def _span(start: int, end: int) -> str:
    """Write a range of lines as diffs do: from 1, an empty one by the line before it."""
    length = end - start
    return str(start + 1) if length == 1 else f"{start + bool(length)},{length}"


def _opcodes(one: Sequence[str], two: Sequence[str], allowance: Allowance) -> list[Opcode]:
    """Match the texts between their equal beginning and end."""
    head = _common(one, two, min(len(one), len(two)))
    rest = min(len(one), len(two)) - head
    tail = _common(one[::-1], two[::-1], rest)
    a, b = one[head : len(one) - tail], two[head : len(two) - tail]
    cost = _cost(a, b)
    if cost <= allowance.steps:
        allowance.steps -= cost
        middle: list[Opcode] = [
            (tag, i1 + head, i2 + head, j1 + head, j2 + head)
            for tag, i1, i2, j1, j2 in SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
        ]
    else:
        middle = [("replace", head, head + len(a), head, head + len(b))]
    begin: list[Opcode] = [("equal", 0, head, 0, head)] if head else []
    i, j = len(one) - tail, len(two) - tail
    end: list[Opcode] = [("equal", i, len(one), j, len(two))] if tail else []
    return [*begin, *middle, *end]


def _common(one: Sequence[str], two: Sequence[str], most: int) -> int:
    for index in range(most):
        if one[index] != two[index]:
            return index
    return most


def _cost(one: Sequence[str], two: Sequence[str]) -> int:
    """Say how many comparisons a match can take at worst: every equal pair of lines, once for every block it may find."""
    there, here = Counter(one), Counter(two)
    equal = sum(count * here[line] for line, count in there.items())
    return (equal + len(one)) * (min(len(one), len(two)) + 1)


def _grouped(opcodes: Sequence[Opcode]) -> Iterator[list[Opcode]]:
    """Cut long equal stretches down to their context; a longer one within begins another hunk."""
    group: list[Opcode] = []
    for index, (tag, a, b, c, d) in enumerate(opcodes):
        if tag != "equal":
            group.append((tag, a, b, c, d))
            continue
        if index and index + 1 < len(opcodes) and b - a <= 2 * CONTEXT:
            group.append((tag, a, b, c, d))
            continue
        after, before = min(CONTEXT, b - a), max(a, b - CONTEXT)
        if index:
            group.append((tag, a, a + after, c, c + after))
            yield group
        group = [(tag, before, b, before - a + c, d)]
    if any(tag != "equal" for tag, *_ in group):
        yield group
