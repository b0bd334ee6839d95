"""Markers and locks of targets: taken, given back and judged exactly as the runner over ssh does it, in the same files.

    BASE/PROJECT/targets/TARGET.json     the marker
    BASE/PROJECT/locks/TARGET/           see `locks`

A lock of this agent names the agent's process as its keeper; which session took it is known here alone. When that session
has gone and nothing runs under the lock any more, the lock names nobody, so that others may take it over, also over ssh.

`answering` calls it. All of it runs in one thread of its own, one call after the other: disks may be slow, and nothing may
come between reading a lock and following it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Callable, TypeVar

from controller.agent.elsewhere import Elsewhere, alive, own_keeper
from controller.agent.errors import AgentError, LockedError
from controller.agent.holders import decode_holder, encode_holder
from controller.agent.locks import NOBODY, Generation, Lock, store
from controller.execution.errors import RefusedError
from controller.wire.messages.targets import (
    ClaimTarget,
    ForgetTarget,
    Forgotten,
    Holder,
    LockPage,
    MarkerPage,
    ReadLocks,
    ReadMarkers,
    ReleaseTarget,
    TargetClaim,
)
from controller.wire.record import record

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
MOST_MARKER = 64 << 10
PAGE = 700 << 10
"""Bytes of markers in one page, and a marker more at most: within what a frame takes."""
PAGE_NAMES = 200
PAGE_LOCKS = 40 << 10
_Place = tuple[str, str]
_Said = TypeVar("_Said")


@record
class Hold:
    """A lock that was taken by a session of this agent; `gone` when that has left."""

    session: object
    number: int
    gone: bool = False


class Targets:
    """The targets of this machine.

    Args:
        base: the folder that both carriers share.
        boot: id of this boot.
        is_open: says of an attempt whether this agent knows it and it is not over.
    """

    def __init__(self, base: Path, boot: str, is_open: Callable[[str], bool]) -> None:
        self._base = base
        self._boot = boot
        self._is_open = is_open
        self._keeper = own_keeper()
        self._held: dict[_Place, Hold] = {}
        self._shown: dict[str, str] = {}
        self._elsewhere = Elsewhere(base, boot)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="targets")

    async def open(self, running: dict[str, tuple[str, str]]) -> None:
        """Make the folder ready, and have the runner over ssh see what runs here.

        Args:
            running: job and keeper of the attempts that run.

        Raises:
            AgentError: the folder cannot be used.
        """
        await self._run(lambda: self._open(running))

    def close(self) -> None:
        """Finish what is being done."""
        self._thread.shutdown(wait=True)

    async def markers(self, asked: ReadMarkers) -> MarkerPage:
        """Read markers of a project, in order of targets."""
        _check(asked.project)
        return await self._run(lambda: self._markers(asked))

    async def locks(self, asked: ReadLocks, session: object) -> LockPage:
        """Say who holds which target; locks that may be taken over are left out."""
        _check(asked.project)
        return await self._run(lambda: self._locks(asked, session))

    async def claim(self, asked: ClaimTarget, session: object) -> TargetClaim:
        """Take a lock, compare the marker, write it: all or nothing."""
        _check(asked.project, asked.target, asked.holder.run)
        _check_marker(asked.marker)
        holder = encode_holder(asked.holder)
        return await self._run(lambda: self._claim(asked, holder, session))

    async def release(self, asked: ReleaseTarget) -> None:
        """Write the last marker and give the lock back; done twice it is done once.

        Raises:
            LockedError: this run does not hold it any more.
        """
        _check(asked.project, asked.target, asked.run)
        _check_marker(asked.marker)
        await self._run(lambda: self._release(asked))

    async def forget(self, asked: ForgetTarget, session: object) -> Forgotten:
        """Delete a marker that is unlocked and still as expected."""
        _check(asked.project, asked.target)
        return await self._run(lambda: self._forget(asked, session))

    async def starting(self, session: object, target: str | None, name: str, job: str) -> bool:
        """Note that an attempt works under the locks of a session; say whether there are any.

        Args:
            session: that starts it.
            target: that it is for; None is all that the session holds.
            name: of the attempt.
            job: it belongs to.

        Raises:
            AgentError: the disk refused.
        """
        holds = [
            (place, hold)
            for place, hold in list(self._held.items())
            if hold.session == session and target in (None, place[1])
        ]
        if not holds:
            return False
        await self._run(lambda: self._starting(holds, name, job))
        return True

    async def started(self, name: str, job: str, keeper: str) -> None:
        """Note whose life shows that an attempt goes on, when this process may end before it."""
        if name in self._shown:
            await self._run(lambda: self._elsewhere.show(name, job, keeper))

    async def ended(self, name: str) -> None:
        """Note that an attempt is over."""
        if self._shown.pop(name, None) is not None:
            await self._run(lambda: self._elsewhere.hide(name))
        await self.abandon()

    def claimed_elsewhere(self, name: str) -> bool:
        """Say whether the runner over ssh has started this attempt."""
        return self._elsewhere.claimed(name)

    def left(self, session: object) -> None:
        """Note that nobody is there any more to hold the locks of a session; `abandon` does the rest."""
        for place, hold in list(self._held.items()):
            if hold.session == session:
                self._held[place] = replace(hold, gone=True)

    def joined(self, session: object) -> None:
        """Note that a session is there."""
        for place, hold in list(self._held.items()):
            if hold.gone and hold.session == session:
                self._held[place] = replace(hold, gone=False)

    async def _run(self, work: Callable[[], _Said]) -> _Said:
        """Do something in the thread, to its end even when whoever asked goes away half-way."""
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._thread, work))

    async def abandon(self) -> None:
        """Free the locks of sessions that have left, as far as nothing runs under them."""
        places = [place for place, hold in list(self._held.items()) if hold.gone]
        if places:
            await self._run(lambda: self._free(places))

    # in the thread

    def _open(self, running: dict[str, tuple[str, str]]) -> None:
        try:
            self._base.mkdir(mode=0o700, parents=True, exist_ok=True)
            about = self._base.lstat()
            if self._base.is_symlink() or about.st_uid != os.geteuid():
                raise AgentError(
                    f"cannot use the folder {self._base}: it is a link, or somebody else's"
                )
            self._base.chmod(about.st_mode & 0o7755)
        except OSError as error:
            raise AgentError(f"cannot use the folder {self._base}: {error.strerror}") from error
        for name in self._elsewhere.shown():
            if name in running:
                job, keeper = running[name]
                self._shown[name] = job
                self._elsewhere.show(name, job, keeper)
            else:
                self._elsewhere.hide(name)

    def _markers(self, asked: ReadMarkers) -> MarkerPage:
        found: dict[str, bytes] = {}
        room = PAGE
        for name in self._names(f"{asked.project}/targets", ".json", asked.after):
            marker = _read(self._marker(asked.project, name))
            if marker is None:
                continue
            if room < 0 or len(found) >= PAGE_NAMES:
                return MarkerPage(markers=found, more=True)
            found[name] = marker
            room -= len(marker)
        return MarkerPage(markers=found)

    def _locks(self, asked: ReadLocks, session: object) -> LockPage:
        found: dict[str, Holder] = {}
        room = PAGE_LOCKS
        for name in self._names(f"{asked.project}/locks", "", asked.after):
            place = (asked.project, name)
            now = self._lock(place).read()
            if not now.held or self._may_take(place, now, session):
                continue
            if room < 0:
                return LockPage(locks=found, more=True)
            found[name] = decode_holder(now.holder)
            room -= 6 * len(now.holder) + 2 * len(name)
        return LockPage(locks=found)

    def _claim(self, asked: ClaimTarget, holder: bytes, session: object) -> TargetClaim:
        place = (asked.project, asked.target)
        before, now = self._take(place, asked.holder.run, holder, session)
        if now is None:
            return TargetClaim(taken=False, holder=decode_holder(before.holder))
        path = self._marker(*place)
        marker = _read(path)
        again = before.run == asked.holder.run
        if not again and _sum(marker) != asked.expect:
            self._give_back(place, now)
            return TargetClaim(taken=False, is_stale=True, stale=marker or b"")
        store(path, asked.marker)
        took_over = decode_holder(before.holder) if before.held and not again else None
        return TargetClaim(taken=True, took_over=took_over)

    def _release(self, asked: ReleaseTarget) -> None:
        place = (asked.project, asked.target)
        path, now = self._marker(*place), self._lock(place).read()
        wanted = None if asked.delete else asked.marker
        if now.run == asked.run:
            if wanted is None:
                path.unlink(missing_ok=True)
            else:
                store(path, wanted)
            self._give_back(place, now)
        elif _read(path) != wanted:
            raise LockedError(
                f"cannot write the marker of {asked.target}: "
                f"run {asked.run} does not hold its lock any more",
                hint="plan again: somebody else has worked on the target since",
            )

    def _forget(self, asked: ForgetTarget, session: object) -> Forgotten:
        place = (asked.project, asked.target)
        _, now = self._take(place, f"forget-{asked.expect[:12]}", b"{}", session)
        if now is None:
            return Forgotten(gone=False)
        path = self._marker(*place)
        marker = _read(path)
        if marker is not None and _sum(marker) == asked.expect:
            path.unlink(missing_ok=True)
            marker = None
        self._give_back(place, now)
        return Forgotten(gone=marker is None)

    def _take(
        self, place: _Place, run: str, holder: bytes, session: object
    ) -> tuple[Generation, Generation | None]:
        """Take a lock; give what was before, and what is now: None where another holds it."""
        lock = self._lock(place)
        try:
            lock.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._marker(*place).parent.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise AgentError(f"cannot make {lock.folder}: {error.strerror}") from error
        before = lock.read()
        if before.held and before.run != run and not self._may_take(place, before, session):
            return before, None
        now = Generation(
            number=before.number + 1, boot=self._boot, keeper=self._keeper, run=run, holder=holder
        )
        if not lock.follow(before, now):
            return lock.read(), None
        if before.run == run:
            names = lock.attempts(before.number)
            if names:
                lock.add(now.number, names)
        self._held[place] = Hold(session=session, number=now.number)
        return before, now

    def _give_back(self, place: _Place, now: Generation) -> None:
        self._held.pop(place, None)
        self._lock(place).follow(now, replace(now, keeper=self._keeper, run="", holder=b""))

    def _may_take(self, place: _Place, now: Generation, session: object) -> bool:
        """Judge a lock in force: of an earlier boot, or nobody there to hold it and nothing running under it."""
        if now.boot != self._boot:
            return True
        names = self._lock(place).attempts(now.number)
        if self._any_runs(names):
            return False
        if now.keeper != self._keeper:
            return not alive(now.keeper)
        hold = self._held.get(place)
        if hold is None or hold.number != now.number or hold.gone:
            return True
        return bool(names) and hold.session == session

    def _any_runs(self, names: Iterable[str]) -> bool:
        return any(self._is_open(name) or self._elsewhere.runs(name) for name in names)

    def _starting(self, holds: list[tuple[_Place, Hold]], name: str, job: str) -> None:
        for place, hold in holds:
            self._lock(place).add(hold.number, [name])
        self._shown[name] = job
        self._elsewhere.show(name, job, self._keeper)

    def _free(self, places: list[_Place]) -> None:
        """Have locks whose session has gone, and under which nothing runs, name nobody as their keeper."""
        for place in places:
            lock, hold = self._lock(place), self._held.get(place)
            now = lock.read()
            if hold is None or not hold.gone:
                continue
            if now.number == hold.number and now.held:
                names = lock.attempts(now.number)
                if self._any_runs(names):
                    continue
                lock.follow(now, replace(now, keeper=NOBODY))
            self._held.pop(place, None)

    def _lock(self, place: _Place) -> Lock:
        project, target = place
        return Lock(self._base / project / "locks" / target)

    def _marker(self, project: str, target: str) -> Path:
        return self._base / project / "targets" / f"{target}.json"

    def _names(self, folder: str, suffix: str, after: str) -> list[str]:
        try:
            names = [one.name for one in (self._base / folder).iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        plain = (name[: len(name) - len(suffix)] for name in names if name.endswith(suffix))
        return sorted(name for name in plain if NAME.fullmatch(name) and name > after)


def _check(*names: str) -> None:
    for name in names:
        if not NAME.fullmatch(name):
            raise RefusedError(f"cannot use {name[:80]!r} as the name of a project, target or run")


def _check_marker(marker: bytes) -> None:
    if len(marker) > MOST_MARKER:
        raise RefusedError(
            f"cannot write a marker of {len(marker)} bytes, the limit is {MOST_MARKER}"
        )


def _sum(marker: bytes | None) -> str | None:
    return None if marker is None else hashlib.sha256(marker).hexdigest()


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MOST_MARKER)
    except OSError:
        return None
