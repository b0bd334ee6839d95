"""Notices to a message: one title over all of them, lines for people, a document for machines.

Pure. Called by `reconcile`. Whatever comes from servers, commits or declarations goes through `safe_text` here.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from controller.model.notice import Notice, Occasion
from controller.model.safe_text import safe_text
from controller.notify.message import Message

FORMAT: Final = "1.0"
"""Version of the document; it only ever grows."""
TITLE: Final = 200
"""Characters of a title."""
LINE: Final = 500
"""Characters of one line, and of one text of the document."""
LINES: Final = 12
"""Lines of one notice among several."""
ALONE: Final = 100
"""Lines of a notice that is told alone."""
NOTICES: Final = 50
"""Notices that a message tells one by one; further ones are counted."""
ITEMS: Final = 100
"""Items of one list or mapping of the document."""
DEPTH: Final = 4
"""Levels of the facts in the document."""
LARGEST: Final = 256 << 10
"""Bytes of a document; a larger one goes without facts and with few lines, and says so."""
FEW: Final = 2
"""Lines of a notice in a document that would be too large."""

Short = Callable[[Iterable[str]], str]
"""Writes many names short, as web-[01:12]."""

WORDS: Final[Mapping[Occasion, str]] = {
    Occasion.STARTED: "started",
    Occasion.SUCCEEDED: "succeeded",
    Occasion.FAILED: "failed",
    Occasion.RECOVERED: "well again",
    Occasion.DRIFT: "drifted",
    Occasion.UNREACHABLE: "unreachable",
    Occasion.EXPIRING: "expiring",
    Occasion.INVALID: "invalid",
    Occasion.APPROVAL: "waiting for approval",
    Occasion.STALLED: "stalled",
    Occasion.BEFORE_JOB: "about to run",
    Occasion.AFTER_JOB: "ended",
    Occasion.BEFORE_STEP: "about to run",
    Occasion.AFTER_STEP: "ended",
}
"""What is said of several subjects at once."""


def message_of(id_: str, notices: Sequence[Notice], *, now: datetime, short: Short) -> Message:
    """Make one message of one or more notices, given in the order in which they happened."""
    shown = notices[:NOTICES]
    title = _line(_title(notices, short), width=TITLE)
    text = "\n".join(_lines(shown[0]) if len(notices) == 1 else _list(notices, shown))
    document: dict[str, object] = {
        "format_version": FORMAT,
        "id": id_,
        "title": title,
        "text": text,
        "count": len(notices),
        "occasions": sorted({notice.occasion.value for notice in notices}),
        "notices": [_document(notice) for notice in shown],
    }
    if len(json.dumps(document)) > LARGEST:
        few = [replace(one, facts={}, lines=one.lines[:FEW]) for one in shown]
        document |= {"text": title, "shortened": True, "notices": [_document(one) for one in few]}
    return Message(id=id_, at=now, title=title, text=text, document=document)


def _title(notices: Sequence[Notice], short: Short) -> str:
    """Say it in one line: of each subject what was last said of it."""
    newest = {notice.subject: notice for notice in notices}
    if len(newest) == 1:
        return notices[-1].title
    alike: dict[tuple[Occasion, str], list[str]] = {}
    for subject, notice in newest.items():
        kind, _, name = subject.partition("/")
        alike.setdefault((notice.occasion, kind), []).append(name or kind)
    parts = [
        f"{len(names)} {_plural(kind, len(names))} {WORDS[occasion]}: {short(names)}"
        for (occasion, kind), names in alike.items()
    ]
    return "; ".join(parts)


def _plural(kind: str, count: int) -> str:
    return kind if count == 1 else f"{kind}s"


def _list(notices: Sequence[Notice], shown: Sequence[Notice]) -> list[str]:
    """List notices one by one, each under its title."""
    lines: list[str] = []
    for notice in shown:
        lines.append(f"- {_clock(notice.at)} {_line(notice.title)}")
        lines += [f"    {line}" for line in _lines(notice, most=LINES)]
    left = len(notices) - len(shown)
    return [*lines, f"… and {left} more"] if left else lines


def _lines(notice: Notice, *, most: int = ALONE) -> list[str]:
    left = len(notice.lines) - most
    lines = [_line(line) for line in notice.lines[:most]]
    return [*lines, f"… and {left} more lines"] if left > 0 else lines


def _line(text: str, *, width: int = LINE) -> str:
    return safe_text(text, width=width)


def _clock(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%H:%M:%S UTC")


def _document(notice: Notice) -> dict[str, object]:
    return {
        "id": notice.id,
        "at": notice.at.astimezone(UTC).isoformat(),
        "occasion": notice.occasion.value,
        "subject": _line(notice.subject),
        "title": _line(notice.title),
        "lines": _lines(notice),
        "problem": None if notice.problem is None else _line(notice.problem),
        "target": notice.target,
        "facts": _plain(notice.facts, DEPTH),
    }


def _plain(value: object, depth: int) -> object:
    """Write facts for machines: only what JSON has, every text made safe, everything bounded."""
    match value:
        case bool() | int() | float() | None:
            return value
        case str():
            return _line(value)
        case datetime():
            return value.astimezone(UTC).isoformat()
        case Mapping() if depth:
            pairs = list(value.items())[:ITEMS]
            return {_line(str(key)): _plain(one, depth - 1) for key, one in pairs}
        case list() | tuple() if depth:
            return [_plain(one, depth - 1) for one in value[:ITEMS]]
        case _:
            return _line(str(value))
