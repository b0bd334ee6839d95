"""The work on locks and markers itself: what `targets` has done in its one thread, one call after the other.

It holds which lock was taken by which session of this agent, for the file of a lock names only the process. It calls
`locks`, `holders` and `elsewhere`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Callable

from controller.agent.elsewhere import Elsewhere, alive, own_keeper
from controller.agent.errors import AgentError, LockedError
from controller.agent.holders import decode_holder
from controller.agent.locks import NOBODY, Generation, Lock, store
from controller.execution.register import delete
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
Place = tuple[str, str]
"""A project and a target."""


@record
class Hold:
    """A lock that was taken by a session of this agent; `gone` when that has left."""

    session: object
    number: int
    gone: bool = False


class Claims:
    """The locks and markers below one folder.

    Args:
        base: the folder that both carriers share.
        own: the folder of this agent.
        boot: id of this boot.
        is_open: says of an attempt whether this agent knows it and it is not over.
    """

    def __init__(self, base: Path, own: Path, boot: str, is_open: Callable[[str], bool]) -> None:
        self.held: dict[Place, Hold] = {}
        self.shown: dict[str, str] = {}
        """The job of each attempt that is shown to the runner over ssh."""
        self.elsewhere = Elsewhere(base, boot)
        self._base = base
        self._own = own
        self._boot = boot
        self._is_open = is_open
        self._keeper = own_keeper()

    def open(self, running: dict[str, tuple[str, str]]) -> None:
        """Make the folder ready, and show the runner over ssh which attempts of ours run, by job and keeper.

        Raises:
            AgentError: the folder cannot be used.
        """
        try:
            self._base.mkdir(mode=0o700, parents=True, exist_ok=True)
            about = self._base.lstat()
            if self._base.is_symlink() or about.st_uid != os.geteuid():
                raise AgentError(
                    f"cannot use the folder {self._base}: it is a link, or somebody else's"
                )
            self._base.chmod(about.st_mode & 0o7755)
            self._point_to_base()
        except OSError as error:
            raise AgentError(f"cannot use the folder {self._base}: {error.strerror}") from error
        for name in self.elsewhere.shown():
            if name in running:
                self.shown[name] = running[name][0]
                self.elsewhere.show(name, *running[name])
            else:
                self.elsewhere.hide(name)

    def forget_job(self, job: str) -> None:
        """Delete what the guard of a change has left in the folder where both carriers meet."""
        with contextlib.suppress(OSError):  # it only costs room
            delete(self._base / "jobs" / job)

    def _point_to_base(self) -> None:
        """Say in our own folder where both carriers meet: the guard of a change looks there, whoever started it."""
        fresh = self._own / ".base.new"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(self._base.resolve())
        fresh.replace(self._own / "base")

    def markers(self, asked: ReadMarkers) -> MarkerPage:
        """Read markers of a project, in order of targets."""
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

    def locks(self, asked: ReadLocks, session: object) -> LockPage:
        """Say who holds which target; locks that may be taken over are left out."""
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

    def claim(self, asked: ClaimTarget, holder: bytes, session: object) -> TargetClaim:
        """Take a lock, compare the marker, write it: all or nothing."""
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
        try:
            store(path, asked.marker)
        except AgentError:
            if not again:
                with contextlib.suppress(AgentError):  # a full disk: then its session has to leave
                    self._give_back(place, now)
            raise
        took_over = decode_holder(before.holder) if before.held and not again else None
        return TargetClaim(taken=True, took_over=took_over)

    def release(self, asked: ReleaseTarget) -> None:
        """Write the last marker and give the lock back; done twice it is done once.

        Raises:
            LockedError: this run does not hold it any more.
        """
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

    def forget(self, asked: ForgetTarget, session: object) -> Forgotten:
        """Delete a marker that is unlocked and still as expected."""
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
        self, place: Place, run: str, holder: bytes, session: object
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
        self.held[place] = Hold(session=session, number=now.number)
        return before, now

    def _give_back(self, place: Place, now: Generation) -> None:
        self.held.pop(place, None)
        self._lock(place).follow(now, replace(now, keeper=self._keeper, run="", holder=b""))

    def _may_take(self, place: Place, now: Generation, session: object) -> bool:
        """Judge a lock in force: of an earlier boot, or nobody there to hold it and nothing running under it."""
        if now.boot != self._boot:
            return True
        names = self._lock(place).attempts(now.number)
        if self._any_runs(names):
            return False
        if now.keeper != self._keeper:
            return not alive(now.keeper)
        hold = self.held.get(place)
        if hold is None or hold.number != now.number or hold.gone:
            return True
        return bool(names) and hold.session == session

    def _any_runs(self, names: Iterable[str]) -> bool:
        return any(self._is_open(name) or self.elsewhere.runs(name) for name in names)

    def starting(self, holds: list[tuple[Place, Hold]], name: str, job: str) -> None:
        """Note that an attempt works under locks, for both carriers to see."""
        for place, hold in holds:
            self._lock(place).add(hold.number, [name])
        self.shown[name] = job
        self.elsewhere.show(name, job, self._keeper)

    def free(self, places: list[Place]) -> None:
        """Have locks whose session has gone, and under which nothing runs, name nobody as their keeper."""
        for place in places:
            lock, hold = self._lock(place), self.held.get(place)
            now = lock.read()
            if hold is None or not hold.gone:
                continue
            if now.number == hold.number and now.held:
                names = lock.attempts(now.number)
                if self._any_runs(names):
                    continue
                lock.follow(now, replace(now, keeper=NOBODY))
            self.held.pop(place, None)

    def _lock(self, place: Place) -> Lock:
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


def _sum(marker: bytes | None) -> str | None:
    return None if marker is None else hashlib.sha256(marker).hexdigest()


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MOST_MARKER)
    except OSError:
        return None
