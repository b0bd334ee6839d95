"""Checking a log's chain: what was altered, taken out, moved or cut off since it was written.

Called by `log`; calls the reading. The chain has no key: whoever can write the file can make a new chain. It shows accidents and
edits, and it shows everything to whoever kept a line's hash elsewhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from controller.journal.files import Head, LogFiles
from controller.journal.line import ZEROS, Line, hash_line, read_line
from controller.journal.reading import raw_lines

TORN: Final = "log-closed-off"
"""Event of the line that tells of a line before it that a crash cut short."""
MOST: Final = 100
"""Findings that are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One place where the chain does not hold; `line` counts from 1 in `file`.

    `code` is altered, removed, reordered, truncated, or torn; the last is a remark: a crash, told of in the log itself.
    """

    file: str
    line: int
    code: str
    message: str

    @property
    def broken(self) -> bool:
        """Whether somebody has to look at it."""
        return self.code != "torn"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """One line on its way: where it stands, its hash, and what it says; None where it is not a line of ours."""

    file: str
    number: int
    sha256: str
    whole: bool
    line: Line | None


def verify_files(files: LogFiles) -> tuple[Finding, ...]:
    """Check all years of a log and its head."""
    findings: list[Finding] = []
    before: _Seen | None = None
    seq = 0
    at_head: str | None = None
    head = files.read_head()
    for seen in _lines(files):
        findings.extend(_compare(before, seq, seen))
        if seen.line is not None:
            seq = seen.line.seq
            if head is not None and seq == head.seq:
                at_head = seen.sha256
        before = seen
        if len(findings) >= MOST:
            return tuple(findings[:MOST])
    findings.extend(_compare_end(files, before, seq, head, at_head))
    return tuple(findings)


def _lines(files: LogFiles) -> Iterator[_Seen]:
    for _, path in files.years():
        for number, data in enumerate(raw_lines(path), start=1):
            bare = data.removesuffix(b"\n")
            yield _Seen(
                file=path.name,
                number=number,
                sha256=hash_line(bare),
                whole=data.endswith(b"\n"),
                line=read_line(bare),
            )


def _compare(before: _Seen | None, seq: int, seen: _Seen) -> Iterator[Finding]:
    """Compare a line with the one before it; one that cannot be read is judged by the line after it."""
    line = seen.line
    if line is None:
        return
    expected = before.sha256 if before else ZEROS
    if before is not None and before.line is None:
        yield _judge_unreadable(before, told=line.prev == expected and _tells_of_cut(line))
    elif line.seq > seq + 1:
        yield _at(seen, "removed", f"lines {seq + 1} to {line.seq - 1} are missing before this one")
    elif line.seq <= seq:
        yield _at(seen, "reordered", f"line {line.seq} stands after line {seq}")
    elif line.prev != expected:
        yield _at(before or seen, "altered", f"line {line.seq} was chained to something else")


def _tells_of_cut(line: Line) -> bool:
    return line.event == TORN and line.fields.get("cut") is True


def _judge_unreadable(seen: _Seen, *, told: bool) -> Finding:
    if told:
        return _at(seen, "torn", "a crash cut this line short; the log says so itself")
    return _at(seen, "altered", "this is not a line of the log")


def _compare_end(
    files: LogFiles, before: _Seen | None, seq: int, head: Head | None, at_head: str | None
) -> Iterator[Finding]:
    """Compare the end of the log with what the head remembers."""
    years = files.years()
    newest = years[-1][1].name if years else files.name
    number = before.number if before else 0
    if before is not None and before.line is None:
        code, said = ("truncated", "cut off") if not before.whole else ("altered", "not ours")
        yield Finding(file=newest, line=number, code=code, message=f"the last line is {said}")
    if head is None:
        if before is not None:
            yield Finding(
                file=f"{files.name}.head", line=1, code="removed", message="the head is missing"
            )
        return
    if head.seq > seq:
        message = f"lines {seq + 1} to {head.seq} are missing at the end"
        yield Finding(file=newest, line=number + 1, code="removed", message=message)
    elif at_head is not None and at_head != head.sha256:
        message = f"line {head.seq} is not what the head remembers"
        yield Finding(file=newest, line=number, code="altered", message=message)


def _at(seen: _Seen, code: str, message: str) -> Finding:
    return Finding(file=seen.file, line=seen.number, code=code, message=message)
