"""The door of the room: accept attempts, start them, follow them, stop them, take them up again after a restart.

The agent calls it; it calls `register`, `starter`, `watch` and `steering`. Everything it promises rests on the order of two
writes: `accepted` is on the disk before anybody is told so, and `started` is on the disk before the barrier opens. So an
attempt that is only accepted has never run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from controller.execution.bell import Bell
from controller.execution.cgroup import Group
from controller.execution.digest import attempt_digest
from controller.execution.ending import Ending
from controller.execution.errors import (
    BrokenError,
    DigestError,
    ExecutionError,
    FullError,
    UnknownAttemptError,
)
from controller.execution.following import Following
from controller.execution.groups import Groups
from controller.execution.output import Chunk
from controller.execution.register import Register
from controller.execution.spec import Spec, check, check_name
from controller.execution.starter import Starter
from controller.execution.status import Overview, Status
from controller.execution.steering import Steering
from controller.execution.watch import Watch
from controller.execution.workspace import Workspace

MOST = 1000
KEPT = 5000


class Executor:
    """Runs attempts on this machine; one event loop, one process at a time on a folder.

    Args:
        folder: where everything lies; made when missing.
        groups: where cgroups may be made; None is nowhere.
        most: attempts that may be accepted and not over at one time.
        kept: attempts that may wait to be discarded.
    """

    def __init__(
        self, folder: Path, *, groups: Groups | None = None, most: int = MOST, kept: int = KEPT
    ) -> None:
        self._register = Register(folder)
        self._starter = Starter(self._register, groups)
        self._bell = Bell()
        self._watch = Watch(self._register, self._bell, free=self._starter.pool.give_back)
        self._steering = Steering(self._register, self._watch)
        self._groups = groups
        self._most = most
        self._kept = kept
        self._waiting: dict[str, Spec] = {}
        self._accepting: dict[str, asyncio.Task[None]] = {}
        self._launching: dict[str, asyncio.Task[None]] = {}

    async def recover(self) -> dict[str, Status]:
        """Take the folder and find out what became of every attempt; call it first, once.

        Returns:
            what is known of each attempt that had not ended when the last daemon did.

        Raises:
            BrokenError: the folder cannot be used, or another daemon has it.
        """
        self._register.open()
        await self._starter.open()
        unsettled = self._register.unsettled()
        for name in unsettled:
            await self._watch.settle(name)
        self._register.delete_unknown()
        if self._groups is not None:
            self._groups.sweep(keep=self._watch.names)
        return {name: self.status(name) for name in unsettled}

    async def accept(self, spec: Spec) -> Status:
        """Record an attempt; when this returns it is known for ever. A second accept of an id tells what is known.

        Raises:
            RefusedError: it can never be started as asked, or is not what was planned.
            FullError: too many attempts are open, or the disk is full.
            BrokenError: the ledger cannot be written.
        """
        check(spec)
        if spec.id in self._accepting:
            await asyncio.shield(self._accepting[spec.id])
        if self._register.entry(spec.id):
            return self.status(spec.id)
        digest = attempt_digest(spec)
        if spec.digest is not None and spec.digest != digest:
            raise DigestError(f"cannot accept {spec.id}: planned {spec.digest}, arrived {digest}")
        await self._starter.check(spec)
        if spec.id in self._accepting or self._register.entry(spec.id):
            return await self.accept(spec)  # somebody was faster
        self._check_room(spec.id)
        task = asyncio.ensure_future(self._record(spec, digest))
        self._accepting[spec.id] = task
        task.add_done_callback(lambda _: self._accepting.pop(spec.id, None))
        await asyncio.shield(task)
        return replace(self.status(spec.id), fresh=True)

    async def start(self, name: str) -> Status:
        """Start an accepted attempt; one that is past that only tells its state.

        Raises:
            UnknownAttemptError: it was never accepted here.
            BrokenError: the ledger cannot be written.
        """
        self._check_known(name)
        spec = self._waiting.pop(name, None)
        if spec is not None:
            task = asyncio.ensure_future(self._launch(spec))
            self._launching[name] = task
            task.add_done_callback(lambda _: self._launched(name))
        if name in self._launching:
            await asyncio.shield(self._launching[name])
        return self.status(name)

    def status(self, name: str) -> Status:
        """Say what is known of an attempt now."""
        return self._register.status(name)

    def job(self, name: str) -> str:
        """Say which job an attempt belongs to; empty when it was never accepted."""
        return str(self._register.entry(name).get("job", ""))

    def attempts(self) -> Iterator[Overview]:
        """Give every attempt that is not discarded, in the order in which they were accepted."""
        return self._register.overviews()

    async def wait(self, name: str) -> Status:
        """Wait until an attempt is over. Cancelling this stops the waiting, not the work.

        Raises:
            BrokenError: the ledger cannot be written, so nobody will know.
        """
        while self._register.is_open(name):
            self._register.ledger.check()
            await self._bell.heard(name)
        return self.status(name)

    async def output(
        self, name: str, *, offset: int = 0, follow: bool = False
    ) -> AsyncIterator[Chunk]:
        """Give output from an offset on; with `follow` until the attempt is over and all is given.

        Raises:
            UnknownAttemptError: it was never accepted here, or its output has been discarded.
        """
        following = Following(self._register, self._watch, name)
        async for chunk in following.chunks(offset, follow=follow):
            yield chunk

    async def stop(self, name: str, *, grace: float = 10.0) -> Status:
        """End every process of an attempt: TERM, `grace` seconds, KILL; return when it is over.

        Raises:
            UnknownAttemptError: it was never accepted here.
        """
        self._check_known(name)
        if self._waiting.pop(name, None) is not None:
            await self._register.unstarted(name, Ending.STOP, "stopped before it was started")
            self._bell.ring(name)
        if name in self._launching:
            await asyncio.shield(self._launching[name])
        await self._steering.stop(name, grace=grace)
        return await self.wait(name)

    async def withdraw(self, name: str, message: str) -> Status:
        """End an attempt that is accepted and not started: it never will be. One that is past that only tells its state.

        Raises:
            UnknownAttemptError: it was never accepted here.
            BrokenError: the ledger cannot be written.
        """
        self._check_known(name)
        if self._waiting.pop(name, None) is not None:
            await self._register.unstarted(name, Ending.UNSTARTED, message)
            self._bell.ring(name)
        return self.status(name)

    def supervisor(self, name: str) -> tuple[int, int] | None:
        """Give the number and the start time, in ticks since the boot, of who looks after an attempt; None when nobody does."""
        running = self._watch.find(name)
        return None if running is None else (running.pid, running.started)

    async def pause(self, name: str, *, seconds: float = 0.0) -> Status:
        """Hold every process of a running attempt; it goes on by itself after `seconds`, unless 0.

        The time it is held does not count for its time-out.

        Raises:
            RefusedError: it does not run, or cannot be held here.
        """
        return await self._steering.pause(name, seconds=seconds)

    async def resume(self, name: str) -> Status:
        """Let a held attempt go on.

        Raises:
            RefusedError: it does not run.
        """
        return await self._steering.resume(name)

    async def feed(self, name: str, data: bytes, *, close: bool = False) -> None:
        """Give a running attempt that was accepted with `stream` more input; with `close` the last of it.

        Raises:
            RefusedError: it does not run, or takes no input.
        """
        await self._steering.feed(name, data, close=close)

    async def discard(self, names: Iterable[str], *, job: str | None = None) -> None:
        """Delete the spools of attempts that are over, and the folder of a job; that they were stays known.

        Raises:
            RefusedError: an attempt of that job is not over.
        """
        for name in names:
            entry = self._register.entry(name)
            if entry.get("event") in ("ended", "interrupted"):
                await self._register.discard(name)
                if entry.get("group"):
                    Group(str(entry["group"])).remove()
        if job is not None:
            await self._register.discard_job(job)

    def workspace(self, job: str) -> Workspace:
        """Give the workspace of a job.

        Raises:
            UnknownAttemptError: there is no such job here.
        """
        check_name(job)
        return _existing(self._register.folders.workspace(job))

    def artifacts(self, job: str) -> Workspace:
        """Give the artifacts of a job.

        Raises:
            UnknownAttemptError: there is no such job here.
        """
        check_name(job)
        return _existing(self._register.folders.artifacts(job))

    async def close(self) -> None:
        """Give the folder back; attempts go on."""
        await asyncio.gather(*self._launching.values(), return_exceptions=True)
        await self._watch.close()
        self._starter.close()
        await self._register.close()

    def _check_known(self, name: str) -> None:
        if not self._register.entry(name):
            raise UnknownAttemptError(f"cannot reach {name}: it was never accepted here")

    def _check_room(self, name: str) -> None:
        ledger = self._register.ledger
        if not ledger.room:
            raise FullError(f"cannot accept {name}: no room on the disk of {ledger.path.parent}")
        accepting = len(self._accepting)
        if accepting + len(self._waiting) + len(self._launching) + len(self._watch) >= self._most:
            raise FullError(f"cannot accept {name}: {self._most} attempts are open")
        if ledger.kept + accepting >= self._kept:
            raise FullError(
                f"cannot accept {name}: {self._kept} attempts wait to be discarded",
                hint="fetch their output and discard them",
            )

    async def _record(self, spec: Spec, digest: str) -> None:
        await self._register.accept(spec, digest)
        self._waiting[spec.id] = spec

    async def _launch(self, spec: Spec) -> None:
        """Start an attempt, or write down why it could not be."""
        try:
            running = await self._starter.start(spec)
        except BrokenError:
            raise
        except FullError as error:
            await self._register.unstarted(spec.id, Ending.UNSTARTED, str(error))
        except (ExecutionError, OSError) as error:
            await self._register.unstarted(spec.id, Ending.START, str(error))
        else:
            self._watch.add(running)

    def _launched(self, name: str) -> None:
        self._launching.pop(name, None)
        self._bell.ring(name)


def _existing(folder: Path) -> Workspace:
    if not folder.is_dir():
        raise UnknownAttemptError(f"cannot open {folder}: there is no such job here")
    return Workspace(folder)
