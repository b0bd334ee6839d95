"""Asking a server who may have changed some paths: times of files, logins, commands of sudo.

Called by `reconcile`; calls a session's `probe`, once. Read only and bounded. What a server says is not trusted: parts begin
with a word that nobody there knows, every line has a form, and what has none is passed over. Formats are those of util-linux
`last -F`, coreutils `who`, `journalctl -o short-unix`, and of auth.log in its two kinds (RFC 3164 and RFC 3339 times).
"""

import contextlib
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from importlib.resources import files
from typing import Final

from controller.model.evidence import Command, Evidence, Login, PathTimes
from controller.transport.port import ProbeSpec, Session

MOST_PATHS: Final = 50
MOST_BYTES: Final = 512 << 10
MOST_LINES: Final = 2_000
"""Lines of one part that are looked at."""
LINE: Final = 2_000
"""Characters of a line that are looked at."""
SECONDS: Final = 30.0

_TIMES: Final = re.compile(r"(\d{1,3}) (\d{1,11}) (\d{1,11}) (\S{1,64})")
_NOW: Final = re.compile(r"(\d{1,11}) ([+-])(\d\d)(\d\d) (\d{1,10})")
_MOMENT: Final = r"[A-Z][a-z]{2} ([A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d \d{4})"
_LAST: Final = re.compile(
    rf"(\S{{1,64}}) +(\S+(?: boot)?) +(?:(\S+) +)?{_MOMENT}(?: +- +(?:{_MOMENT}|\w+))?(.*)"
)
_TOOK: Final = re.compile(r"\((?:(\d{1,4})\+)?(\d\d):(\d\d)\)")
_WHO: Final = re.compile(r"(\S{1,64}) +(\S+) +(\d{4}-\d\d-\d\d \d\d:\d\d)(?: +\((\S+)\))?.*")
_JOURNAL: Final = re.compile(r"(\d{1,11})(?:\.\d+)? \S+ (.*)")
_NEW_LOG: Final = re.compile(r"(\d{4}-\d\d-\d\dT\S{8,30}) \S+ (.*)")
_OLD_LOG: Final = re.compile(r"([A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d) \S+ (.*)")
_SUDO: Final = re.compile(
    r"sudo(?:\[\d+\])?: +(\S{1,64}) : (?:TTY=\S+ ; )?(?:CWD|PWD)=.{0,500}? ; USER=(\S{1,64}) ; "
    r"(?:[A-Z]+=\S{0,200} ; )*COMMAND=(.*)"
)
_NO_PEOPLE: Final = frozenset({"reboot", "shutdown", "runlevel"})


async def gather(session: Session, paths: Sequence[str], word: str) -> Evidence:
    """Ask a server about some paths; what it has no tool or no right for is said, and never fails.

    Args:
        session: an open session.
        paths: absolute paths; of very many only the first are asked about.
        word: a fresh word of letters and digits.

    Raises:
        SessionLostError: the session broke.
    """
    asked = tuple(paths[:MOST_PATHS])
    text = files("controller.transport").joinpath("evidence.sh").read_text()
    call = shlex.join(["evidence", word, *asked])
    probed = await session.probe(
        ProbeSpec(text=f"{text}\n{call}\n".encode(), timeout=SECONDS, limit=MOST_BYTES)
    )
    found = parse(probed.output, word, asked)
    lacks = list(found.lacks)
    if probed.timed_out:
        lacks.append(f"all of it: no answer within {SECONDS:.0f} s")
    if not session.facts.root:
        lacks.append(f"what only root may read: asked as {session.facts.login}")
    if len(paths) > len(asked):
        lacks.append(f"{len(paths) - len(asked)} further paths: too many for one look")
    return Evidence(
        paths=found.paths, logins=found.logins, commands=found.commands, lacks=tuple(lacks)
    )


def parse(output: bytes, word: str, paths: Sequence[str]) -> Evidence:
    """Read what the server said."""
    parts = list(_parts(output.decode(errors="replace"), word))
    now = next((found for name, facts, _ in parts if name == "now" for found in _now(facts)), None)
    times: dict[str, PathTimes] = {}
    logins: list[Login] = []
    commands: list[Command] = []
    lacks: dict[str, None] = {}
    for name, facts, lines in parts:
        if name in {"path", "gone"}:
            times |= _times(facts, paths, gone=name == "gone")
        elif name == "lacks":
            lacks[facts] = None
        elif name in {"last", "who"}:
            read = _last if name == "last" else _who
            logins += [one for line in lines for one in read(line)]
        elif name in {"journal", "auth"} and now is not None:
            commands += [one for line in lines for one in _command(line, now)]
    return Evidence(
        paths=times,
        logins=tuple(dict.fromkeys(logins)),
        commands=tuple(dict.fromkeys(commands)),
        lacks=tuple(lacks),
    )


def _parts(text: str, word: str) -> Iterator[tuple[str, str, list[str]]]:
    name, facts, lines = "", "", list[str]()
    for line in text.split("\n"):
        if line.startswith(f"{word} "):
            yield name, facts, lines
            name, _, facts = line.removeprefix(f"{word} ")[:LINE].strip().partition(" ")
            lines = []
        elif len(lines) < MOST_LINES:
            lines.append(line[:LINE])
    yield name, facts, lines


def _now(facts: str) -> Iterator[datetime]:
    """Give the time of the server, in its own zone."""
    found = _NOW.fullmatch(facts)
    if found:
        offset = timedelta(hours=int(found[3]), minutes=int(found[4]))
        with contextlib.suppress(ValueError, OverflowError, OSError):
            yield datetime.fromtimestamp(
                int(found[1]), timezone(-offset if found[2] == "-" else offset)
            )


def _times(facts: str, paths: Sequence[str], *, gone: bool) -> Mapping[str, PathTimes]:
    found = _TIMES.fullmatch(facts)
    if not found or int(found[1]) >= len(paths):
        return {}
    try:
        modified, changed = (datetime.fromtimestamp(int(found[n]), UTC) for n in (2, 3))
    except (ValueError, OverflowError, OSError):
        return {}
    return {
        paths[int(found[1])]: PathTimes(
            modified=modified, changed=changed, owner=found[4], gone=gone
        )
    }


def _last(line: str) -> Iterator[Login]:
    found = _LAST.fullmatch(line.rstrip())
    if not found or found[1] in _NO_PEOPLE:
        return
    with contextlib.suppress(ValueError):
        start, took = _moment(found[4]), _TOOK.search(found[6])
        end = None
        if found[5] is not None:
            end = _moment(found[5])
        elif took:
            end = start + timedelta(
                days=int(took[1] or 0), hours=int(took[2]), minutes=int(took[3]) + 1
            )
        elif "still logged in" not in found[6]:
            return  # nobody knows until when
        yield Login(who=found[1], line=found[2], origin=found[3] or "", start=start, end=end)


def _moment(text: str) -> datetime:
    return datetime.strptime(" ".join(text.split()), "%b %d %H:%M:%S %Y").replace(tzinfo=UTC)


def _who(line: str) -> Iterator[Login]:
    found = _WHO.fullmatch(line.rstrip())
    if found:
        with contextlib.suppress(ValueError):
            start = datetime.strptime(found[3], "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
            yield Login(who=found[1], line=found[2], origin=found[4] or "", start=start)


def _command(line: str, now: datetime) -> Iterator[Command]:
    """Read one line of a log; commands that sudo refused were never run and say something else in between."""
    for at, rest in _logged(line, now):
        found = _SUDO.fullmatch(rest)
        if found:
            yield Command(who=found[1], at=at, user=found[2], command=found[3])


def _logged(line: str, now: datetime) -> Iterator[tuple[datetime, str]]:
    """Give the time of a line and what follows the name of the server; old logs know neither year nor zone."""
    with contextlib.suppress(ValueError, OverflowError, OSError):
        if found := _JOURNAL.fullmatch(line):
            yield datetime.fromtimestamp(int(found[1]), UTC), found[2]
        elif found := _NEW_LOG.fullmatch(line):
            at = datetime.fromisoformat(found[1])
            yield (at if at.tzinfo else at.replace(tzinfo=now.tzinfo)).astimezone(UTC), found[2]
        elif found := _OLD_LOG.fullmatch(line):
            yield _of_this_year(found[1], now).astimezone(UTC), found[2]


def _of_this_year(text: str, now: datetime) -> datetime:
    words = " ".join(text.split())
    for year in (now.year, now.year - 1):
        with contextlib.suppress(ValueError):
            at = datetime.strptime(f"{words} {year}", "%b %d %H:%M:%S %Y").replace(
                tzinfo=now.tzinfo
            )
            if at <= now + timedelta(days=1):
                return at
    raise ValueError(text)
