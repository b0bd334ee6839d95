"""Looking at what was delivered: files and trees as they lie on a server now, for the plan.

Called by `reconcile`; calls a session's `probe`. Read only. What a server says is not trusted: answers come by number, never by name,
and every word of them has a form.
"""

import hashlib
import re
import shlex
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Final

from controller.model.files import (
    DIFF_LIMIT,
    LARGEST_FILE,
    CheckoutSeen,
    CheckoutWork,
    DeliverySeen,
    FileKind,
    FileSeen,
    FileWork,
)
from controller.model.ids import Sha
from controller.model.work import Work
from controller.transport.port import ProbeSpec, Session

BATCH: Final = 100
"""Paths that one probe looks at; each may have 4 KiB."""
LINE: Final = 1_024
"""Bytes of an answer."""
SECONDS: Final = 30.0
HASHED: Final = 4 * LARGEST_FILE
"""Bytes of a live file up to which it is hashed: a larger one is not ours."""
CONTENTS: Final = 1 << 20
"""Bytes of live contents that are read from one server for diffs."""
FILE: Final = re.compile(
    r"(\d{1,5}) f ([0-9a-f]{64}|-) ([0-7]{1,4}) (\d{1,10}) (\d{1,10}) (\d{1,15}) (-?\d{1,11}|-)"
    r" (\S{1,64}) (\S{1,64})"
)
ABSENT: Final = re.compile(r"(\d{1,5}) ([-?o])")
TREE: Final = re.compile(r"(\d{1,5}) t ([0-9a-f]{40}|[0-9a-f]{64}|-) (-?\d{1,11}|-)")
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.@+-]*\$?")
KINDS: Final = {"-": FileKind.MISSING, "?": FileKind.UNREADABLE, "o": FileKind.OTHER}

Keyed = Callable[[str, str], str]
"""Gives HMAC-SHA256(key, value) as hex; the key is 32 bytes as hex."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A pair's work on the server, by its target, and the key of its record (empty: it has none)."""

    target: str
    work: Work
    key: str = ""


async def look(
    session: Session, wanted: Sequence[Wanted], *, keyed: Keyed, at: datetime
) -> Mapping[str, DeliverySeen]:
    """Look at the files and checkouts of many pairs of one server.

    What the server did not answer in time, or answered nonsense about, is missing in the result.

    Args:
        session: with the server.
        wanted: the pairs; those that deliver nothing are not in the result.
        keyed: makes the digests of files that hold secrets.
        at: when this is.

    Raises:
        TransportError: the server does not answer any more.
    """
    found = [one for one in wanted if one.work.files or one.work.checkout is not None]
    seen_files = await _files(session, [(one, file) for one in found for file in one.work.files])
    seen_trees = await _trees(session, [one.work.checkout for one in found if one.work.checkout])
    contents = _Contents(session)
    result: dict[str, DeliverySeen] = {}
    for one in found:
        seen: dict[str, FileSeen] = {}
        for file in one.work.files:
            there = seen_files.get((one.target, file.path))
            if there is not None:
                seen[file.path] = await _finish(file, there, one.key, keyed, contents)
        checkout = None if one.work.checkout is None else seen_trees.get(one.work.checkout.path)
        result[one.target] = DeliverySeen(
            digest=one.work.digest, at=at, files=seen, checkout=checkout
        )
    return result


async def _finish(
    file: FileWork, there: FileSeen, key: str, keyed: Keyed, contents: "_Contents"
) -> FileSeen:
    """Hide the digest of what holds secrets behind the key, and read what a diff needs of the rest."""
    if file.secrets:
        digest = keyed(key, there.digest) if key and there.digest else ""
        return replace(there, digest=digest, keyed=True)
    if there.digest and there.digest != hashlib.sha256(file.content).hexdigest():
        return replace(there, content=await contents.read(there))
    return there


async def _files(
    session: Session, asked: Sequence[tuple[Wanted, FileWork]]
) -> dict[tuple[str, str], FileSeen]:
    """Look at files; give them by target and path."""
    lines = [_call("look_at_file", at, file.path, HASHED) for at, (_, file) in enumerate(asked)]
    seen: dict[tuple[str, str], FileSeen] = {}
    async for answer in _answers(session, lines):
        found = FILE.fullmatch(answer) or ABSENT.fullmatch(answer)
        if found is not None and int(found[1]) < len(asked):
            one, file = asked[int(found[1])]
            seen.setdefault((one.target, file.path), _file_seen(file, found))
    return seen


def _file_seen(file: FileWork, found: re.Match[str]) -> FileSeen:
    """Read an answer about a file; owner and group come as they are declared, by name or by number."""
    if found.re is ABSENT:
        return FileSeen(path=file.path, kind=KINDS[found[2]])
    _, sha, mode, uid, gid, size, moment, owner, group = found.groups()
    return FileSeen(
        path=file.path,
        kind=FileKind.FILE,
        digest="" if sha == "-" else sha,
        mode=mode.zfill(4),
        owner=_named(owner, uid, file.owner),
        group=_named(group, gid, file.group),
        size=int(size),
        modified=_moment(moment),
    )


def _named(name: str, number: str, declared: str | None) -> str:
    by_number = declared is not None and declared.isdigit()
    known = NAME.fullmatch(name) is not None and name != "UNKNOWN"
    return name if known and not by_number else number


def _moment(seconds: str) -> datetime | None:
    return None if seconds == "-" else datetime.fromtimestamp(int(seconds), UTC)


async def _trees(session: Session, asked: Sequence[CheckoutWork]) -> dict[str, CheckoutSeen]:
    """Look at checkouts; give them by path."""
    lines = [_call("look_at_tree", at, *_places(one)) for at, one in enumerate(asked)]
    seen: dict[str, CheckoutSeen] = {}
    async for answer in _answers(session, lines):
        found = TREE.fullmatch(answer)
        if found is not None and int(found[1]) < len(asked):
            path = asked[int(found[1])].path
            commit = None if found[2] == "-" else Sha(found[2])
            modified = None if commit is None else _moment(found[3])
            seen[path] = CheckoutSeen(path=path, commit=commit, modified=modified)
    return seen


def _places(checkout: CheckoutWork) -> tuple[str, str]:
    """Give the link of a checkout, and the folder that its trees lie in."""
    path = checkout.path.rstrip("/")
    above, _, name = path.rpartition("/")
    if checkout.releases == 1:
        return path, f"{above}/.{name}.ctl"
    return f"{path}/current", f"{path}/releases"


async def _answers(session: Session, lines: Sequence[bytes]) -> AsyncIterator[str]:
    """Run lines behind the script, many in one probe, and give what each says."""
    for begin in range(0, len(lines), BATCH):
        batch = lines[begin : begin + BATCH]
        answer = await session.probe(
            ProbeSpec(text=_script() + b"".join(batch), timeout=SECONDS, limit=LINE * len(batch))
        )
        for line in answer.output.split(b"\n")[: len(batch)]:
            yield line.decode("ascii", "replace")


class _Contents:
    """Reads live files for diffs, as long as there is room."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._left = CONTENTS

    async def read(self, file: FileSeen) -> bytes | None:
        """Read a file; None when it is too large, or is not what was seen before any more."""
        if file.size > min(DIFF_LIMIT, self._left):
            return None
        self._left -= file.size
        path = shlex.quote(file.path)
        text = f"[ ! -L {path} ] && [ -f {path} ] && exec dd bs={DIFF_LIMIT} count=1 <{path} 2>/dev/null"
        answer = await self._session.probe(
            ProbeSpec(text=_encoded(text), timeout=SECONDS, limit=DIFF_LIMIT)
        )
        same = hashlib.sha256(answer.output).hexdigest() == file.digest
        return answer.output if same else None


def _call(function: str, *words: str | int) -> bytes:
    return _encoded(" ".join([function, *(shlex.quote(str(word)) for word in words)]) + "\n")


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@cache
def _script() -> bytes:
    return files("controller.transport").joinpath("looking.sh").read_bytes()
