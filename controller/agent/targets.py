"""Markers and locks of targets: taken, given back and judged exactly as the runner over ssh does it, in the same files.

    BASE/PROJECT/targets/TARGET.json     the marker
    BASE/PROJECT/locks/TARGET/           see `locks`

A lock of this agent names the agent's process as its keeper; which session took it is known here alone. When that session
has gone and nothing runs under the lock any more, the lock names nobody, so that others may take it over, also over ssh.

`answering` and `starts` call it; `claims` does the work. All of it runs in one thread of its own, one call after the other: disks may be slow, and nothing may
come between reading a lock and following it.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Callable, TypeVar

from controller.agent.claims import MOST_MARKER, NAME, Claims
from controller.agent.holders import encode_holder
from controller.execution.errors import RefusedError
from controller.execution.threads import Threads
from controller.wire.messages.targets import (
    ClaimTarget,
    ForgetTarget,
    Forgotten,
    LockPage,
    MarkerPage,
    ReadLocks,
    ReadMarkers,
    ReleaseTarget,
    TargetClaim,
)

_Said = TypeVar("_Said")


class Targets:
    """The targets of this machine.

    Args:
        base: the folder that both carriers share.
        own: the folder of this agent.
        boot: id of this boot.
        is_open: says of an attempt whether this agent knows it and it is not over.
    """

    def __init__(self, base: Path, own: Path, boot: str, is_open: Callable[[str], bool]) -> None:
        self._claims = Claims(base, own, boot, is_open)
        self._thread = Threads(1, "targets")

    async def open(self, running: dict[str, tuple[str, str]]) -> None:
        """Make the folder ready, and have the runner over ssh see what runs here.

        Args:
            running: job and keeper of the attempts that run.

        Raises:
            AgentError: the folder cannot be used.
        """
        await self._run(lambda: self._claims.open(running))

    def close(self) -> None:
        """Finish what is being done."""
        self._thread.shutdown(wait=True)

    async def markers(self, asked: ReadMarkers) -> MarkerPage:
        """Read markers of a project, in order of targets."""
        _check(asked.project)
        return await self._run(lambda: self._claims.markers(asked))

    async def locks(self, asked: ReadLocks, session: object) -> LockPage:
        """Say who holds which target; locks that may be taken over are left out."""
        _check(asked.project)
        return await self._run(lambda: self._claims.locks(asked, session))

    async def claim(self, asked: ClaimTarget, session: object) -> TargetClaim:
        """Take a lock, compare the marker, write it: all or nothing."""
        _check(asked.project, asked.target, asked.holder.run)
        _check_marker(asked.marker)
        holder = encode_holder(asked.holder)
        return await self._run(lambda: self._claims.claim(asked, holder, session))

    async def release(self, asked: ReleaseTarget) -> None:
        """Write the last marker and give the lock back; done twice it is done once.

        Raises:
            LockedError: this run does not hold it any more.
        """
        _check(asked.project, asked.target, asked.run)
        _check_marker(asked.marker)
        await self._run(lambda: self._claims.release(asked))

    async def forget(self, asked: ForgetTarget, session: object) -> Forgotten:
        """Delete a marker that is unlocked and still as expected."""
        _check(asked.project, asked.target)
        return await self._run(lambda: self._claims.forget(asked, session))

    async def forget_job(self, job: str) -> None:
        """Delete what is left of a job in the folder that both carriers share."""
        await self._run(lambda: self._claims.forget_job(job))

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
            for place, hold in list(self._claims.held.items())
            if hold.session == session and target in (None, place[1])
        ]
        if not holds:
            return False
        await self._run(lambda: self._claims.starting(holds, name, job))
        return True

    async def started(self, name: str, job: str, keeper: str) -> None:
        """Note whose life shows that an attempt goes on, when this process may end before it."""
        if name in self._claims.shown:
            await self._run(lambda: self._claims.elsewhere.show(name, job, keeper))

    async def ended(self, name: str) -> None:
        """Note that an attempt is over."""
        if self._claims.shown.pop(name, None) is not None:
            await self._run(lambda: self._claims.elsewhere.hide(name))
        await self.abandon()

    def claimed_elsewhere(self, name: str) -> bool:
        """Say whether the runner over ssh has started this attempt."""
        return self._claims.elsewhere.claimed(name)

    def left(self, session: object) -> None:
        """Note that nobody is there any more to hold the locks of a session; `abandon` does the rest."""
        for place, hold in list(self._claims.held.items()):
            if hold.session == session:
                self._claims.held[place] = replace(hold, gone=True)

    def joined(self, session: object) -> None:
        """Note that a session is there."""
        for place, hold in list(self._claims.held.items()):
            if hold.gone and hold.session == session:
                self._claims.held[place] = replace(hold, gone=False)

    async def _run(self, work: Callable[[], _Said]) -> _Said:
        """Do something in the thread, to its end even when whoever asked goes away half-way."""
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._thread, work))

    async def abandon(self) -> None:
        """Free the locks of sessions that have left, as far as nothing runs under them."""
        places = [place for place, hold in list(self._claims.held.items()) if hold.gone]
        if places:
            await self._run(lambda: self._claims.free(places))


def _check(*names: str) -> None:
    for name in names:
        if not NAME.fullmatch(name):
            raise RefusedError(f"cannot use {name[:80]!r} as the name of a project, target or run")


def _check_marker(marker: bytes) -> None:
    if len(marker) > MOST_MARKER:
        raise RefusedError(
            f"cannot write a marker of {len(marker)} bytes, the limit is {MOST_MARKER}"
        )
