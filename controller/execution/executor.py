"""The door of the room: accept attempts, start them, follow them, stop them, take them up again after a restart.

The agent calls it. Everything it promises rests on the order of two writes: `accepted` is on the disk before anybody is
told so, and `started` is on the disk before the barrier opens. So an attempt that is only accepted has never run.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from controller.execution import clock, linux
from controller.execution.cgroup import Group
from controller.execution.digest import attempt_digest
from controller.execution.ending import Ending
from controller.execution.errors import (
    BrokenError,
    DigestError,
    ExecutionError,
    FullError,
    RefusedError,
    UnknownAttemptError,
)
from controller.execution.folders import Folders
from controller.execution.groups import Groups
from controller.execution.launch import Launch
from controller.execution.ledger import Entry, Ledger
from controller.execution.lines import decode
from controller.execution.output import Chunk, Output
from controller.execution.running import Running, read_exit
from controller.execution.spawner import Spawner
from controller.execution.spec import Spec, check, check_name
from controller.execution.status import End, Phase, Status, read_end, whole
from controller.execution.takedown import TICK, Takedown
from controller.execution.workspace import Workspace

MOST = 1000
KEPT = 5000
MAX_OUTPUTS = 64 << 10
FOLLOW = (0.01, 0.25)
"""Seconds between looks at an output that grows: at first, and when nothing comes for a while."""
CONFIRM = 5.0
OPEN = ("accepted", "started")


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
        self._folders = Folders(folder)
        self._groups = groups
        self._most = most
        self._kept = kept
        self._boot = linux.boot_id()
        self._lock = -1
        self._ledger = Ledger(self._folders.ledger)
        self._spawner = Spawner(
            self._folders.trouble, group=None if groups is None else groups.supervisors
        )
        self._waiting: dict[str, Spec] = {}
        self._running: dict[str, Running] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._accepting: dict[str, asyncio.Task[None]] = {}
        self._launching: dict[str, asyncio.Task[None]] = {}

    async def recover(self) -> dict[str, Status]:
        """Take the folder and find out what became of every attempt; call it first, once.

        Returns:
            what is known of each attempt that had not ended when the last daemon did.

        Raises:
            BrokenError: the folder cannot be used, or another daemon has it.
        """
        self._take_folder()
        self._ledger.open()
        self._spawner.open()
        unsettled = [name for name, entry in self._ledger.known.items() if entry["event"] in OPEN]
        for name in unsettled:
            await self._settle(name, self._ledger.known[name])
        self._forget_unknown()
        if self._groups is not None:
            self._groups.sweep(keep=frozenset(self._running))
        return {name: self.status(name) for name in unsettled}

    async def accept(self, spec: Spec) -> Status:
        """Record an attempt; when this returns it is known for ever. A second accept of an id tells what is known.

        Raises:
            RefusedError: it can never be started as asked, or is not what was planned.
            FullError: too many attempts are open, or the disk is full.
            BrokenError: the ledger cannot be written.
        """
        check(spec)
        going = self._accepting.get(spec.id)
        if going is not None:
            await asyncio.shield(going)
        if spec.id in self._ledger.known:
            return self.status(spec.id)
        digest = attempt_digest(spec)
        if spec.digest is not None and spec.digest != digest:
            raise DigestError(f"cannot accept {spec.id}: planned {spec.digest}, arrived {digest}")
        self._check_room(spec.id)
        task = asyncio.ensure_future(self._record(spec, digest))
        self._accepting[spec.id] = task
        try:
            await asyncio.shield(task)
        finally:
            if task.done():
                del self._accepting[spec.id]
            else:
                task.add_done_callback(lambda _: self._accepting.pop(spec.id, None))
        return Status(spec.id, Phase.ACCEPTED, fresh=True)

    async def start(self, name: str) -> Status:
        """Start an accepted attempt; one that is past that only tells its state.

        Raises:
            UnknownAttemptError: it was never accepted here.
            BrokenError: the ledger cannot be written.
        """
        if name not in self._ledger.known:
            raise UnknownAttemptError(f"cannot start {name}: it was never accepted here")
        spec = self._waiting.pop(name, None)
        if spec is not None:
            task = asyncio.ensure_future(self._launch(spec))
            self._launching[name] = task
            task.add_done_callback(lambda _: self._launching.pop(name, None))
        if name in self._launching:
            await asyncio.shield(self._launching[name])
        return self.status(name)

    async def wait(self, name: str) -> Status:
        """Wait until an attempt is over. Cancelling this stops the waiting, not the work."""
        check_name(name)
        while self._ledger.known.get(name, {}).get("event") in OPEN:
            watcher = self._watchers.get(name)
            if watcher is None:
                await asyncio.sleep(FOLLOW[0])  # accepted and not yet started
            else:
                await asyncio.shield(watcher)
        return self.status(name)

    async def output(
        self, name: str, *, offset: int = 0, follow: bool = False
    ) -> AsyncIterator[Chunk]:
        """Give output from an offset on; with `follow` until the attempt is over and all is given.

        Raises:
            UnknownAttemptError: it was never accepted here, or its output has been discarded.
        """
        entry = self._ledger.known.get(name)
        if entry is None or entry["event"] == "discarded":
            raise UnknownAttemptError(f"cannot read output of {name}: there is none here")
        output = self._output(name, entry)
        pause = FOLLOW[0]
        while True:
            phase, end = self._phase(
                name, self._ledger.known.get(name, entry), self._folders.attempt(name)
            )
            over = phase in (Phase.ENDED, Phase.INTERRUPTED)
            chunk = output.read(offset, end=end)
            if chunk is not None:
                yield chunk
                offset, pause = chunk.offset + len(chunk.data), FOLLOW[0]
            elif over or not follow:
                return
            else:
                await self._glance(name, pause)
                pause = min(pause * 2, FOLLOW[1])

    async def stop(self, name: str, *, grace: float = 10.0) -> Status:
        """End every process of an attempt: TERM, `grace` seconds, KILL; return when it is over.

        Raises:
            UnknownAttemptError: it was never accepted here.
        """
        if self._waiting.pop(name, None) is not None:
            await self._end(name, End(Ending.STOP, message="stopped before it was started"))
        if name in self._launching:
            await asyncio.shield(self._launching[name])
        running = self._running.get(name)
        if running is not None:
            self._wish(running, "stop", grace)
        elif self.status(name).phase is Phase.NONE:
            raise UnknownAttemptError(f"cannot stop {name}: it was never accepted here")
        return await self.wait(name)

    async def pause(self, name: str, *, seconds: float = 0.0) -> Status:
        """Hold every process of a running attempt; it goes on by itself after `seconds`, unless 0.

        The time it is held does not count for its time-out.

        Raises:
            RefusedError: it does not run, or cannot be held here.
        """
        return await self._confirm(name, paused=True, seconds=seconds)

    async def resume(self, name: str) -> Status:
        """Let a held attempt go on.

        Raises:
            RefusedError: it does not run.
        """
        return await self._confirm(name, paused=False, seconds=0.0)

    async def feed(self, name: str, data: bytes, *, close: bool = False) -> None:
        """Give a running attempt that was accepted with `stream` more input; with `close` the last of it.

        Raises:
            RefusedError: it does not run, or takes no input.
        """
        running = self._of(name)
        try:
            opened = os.open(
                self._folders.attempt(name) / "input", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC
            )
        except OSError as error:
            raise RefusedError(f"cannot feed {name}: it takes no input") from error
        try:
            left = memoryview(data)
            while left:
                left = left[await self._push(name, opened, left) :]
        finally:
            os.close(opened)
        if close:
            self._wish(running, "shut", 0.0)

    async def discard(self, names: Iterable[str], *, job: str | None = None) -> None:
        """Delete the spools of attempts that are over, and the folder of a job; that they were stays known.

        Raises:
            RefusedError: an attempt of that job is not over.
        """
        for name in names:
            if self.status(name).phase not in (Phase.ENDED, Phase.INTERRUPTED):
                continue
            entry = self._ledger.known[name]
            if entry["event"] == "discarded":
                continue
            await self._ledger.append({"id": name, "event": "discarded"})
            with contextlib.suppress(FileNotFoundError):
                self._folders.outputs(str(entry["job"]), name).unlink()
            if entry.get("group"):
                Group(str(entry["group"])).remove()
            await asyncio.get_running_loop().run_in_executor(
                None, _delete, self._folders.attempt(name)
            )
        if job is not None:
            await self._discard_job(job)

    def workspace(self, job: str) -> Workspace:
        """Give the workspace of a job.

        Raises:
            UnknownAttemptError: there is no such job here.
        """
        check_name(job)
        folder = self._folders.workspace(job)
        if not folder.is_dir():
            raise UnknownAttemptError(
                f"cannot open the workspace of {job}: there is no such job here"
            )
        return Workspace(folder)

    def artifacts(self, job: str) -> Workspace:
        """Give the artifacts of a job.

        Raises:
            UnknownAttemptError: there is no such job here.
        """
        check_name(job)
        folder = self._folders.artifacts(job)
        if not folder.is_dir():
            raise UnknownAttemptError(
                f"cannot open the artifacts of {job}: there is no such job here"
            )
        return Workspace(folder)

    async def close(self) -> None:
        """Give the folder back; attempts go on."""
        await asyncio.gather(*self._launching.values(), return_exceptions=True)
        for watcher in self._watchers.values():
            watcher.cancel()
        await asyncio.gather(*self._watchers.values(), return_exceptions=True)
        for running in self._running.values():
            running.forget()
        self._spawner.close()
        await self._ledger.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    async def _launch(self, spec: Spec) -> None:
        """Start an attempt, or write down why it could not be."""
        try:
            running = await self._supervised(spec)
        except BrokenError:
            raise
        except (ExecutionError, OSError) as error:
            await self._end(spec.id, End(Ending.START, message=str(error)))
        else:
            self._watch(running)

    def _watch(self, running: Running) -> None:
        self._running[running.name] = running
        self._watchers[running.name] = asyncio.ensure_future(self._follow(running))

    async def _follow(self, running: Running) -> None:
        """Wait for a supervisor to go, and write down how its attempt ended."""
        await running.gone()
        end = read_exit(self._folders.attempt(running.name))
        if end is None:
            await self._interrupt(running)
        else:
            await self._end(running.name, end)
        self._running.pop(running.name, None)
        self._watchers.pop(running.name, None)

    async def _settle(self, name: str, entry: Entry) -> None:
        """Find out what became of an attempt while no daemon was there."""
        if entry["event"] == "accepted":
            await self._end(
                name, End(Ending.UNSTARTED, message="the agent ended before it was started")
            )
            return
        end = read_exit(self._folders.attempt(name))
        running = Running(entry)
        if end is None and entry["boot"] == self._boot and running.alive():
            self._watch(running)
            return
        end = end or read_exit(
            self._folders.attempt(name)
        )  # it may have ended between the two looks
        if end is not None:
            await self._end(name, end)
        elif entry["boot"] != self._boot:
            await self._ledger.append(_interrupted(name, "the machine was started anew"))
        else:
            await self._interrupt(running)

    async def _interrupt(self, running: Running) -> None:
        """Nobody looks after an attempt any more: end what is left of it, for nothing may run unseen."""
        orphans = running.orphans()
        takedown = Takedown(orphans, grace=0.0, now=clock.monotonic())
        while not takedown.step(clock.monotonic()):  # noqa: ASYNC110 — the kernel tells nobody when they are gone
            await asyncio.sleep(TICK)
        if orphans.group is not None:
            orphans.group.remove()
        left = f"; {len(takedown.left)} processes of it cannot be ended" if takedown.left else ""
        await self._ledger.append(_interrupted(running.name, f"its supervisor was ended{left}"))

    def _of(self, name: str) -> Running:
        running = self._running.get(name)
        if running is None:
            raise RefusedError(f"cannot reach {name}: it does not run")
        return running

    async def _confirm(self, name: str, *, paused: bool, seconds: float) -> Status:
        running = self._of(name)
        if paused:
            self._wish(running, "pause", seconds)
        else:
            with contextlib.suppress(FileNotFoundError):
                (self._folders.attempt(name) / "pause").unlink()
            linux.tell(running.pid, running.started, signal.SIGUSR1)
        by = clock.monotonic() + CONFIRM
        wished = Phase.PAUSED if paused else Phase.RUNNING
        while self.status(name).phase is not wished:
            if self.status(name).over:
                return self.status(name)
            if clock.monotonic() > by:
                raise RefusedError(
                    f"cannot bring {name} to be {wished.value}: no answer, or no freezer here"
                )
            await asyncio.sleep(FOLLOW[0])
        return self.status(name)

    async def _glance(self, name: str, pause: float) -> None:
        """Wait a moment, less when the attempt ends meanwhile."""
        watcher = self._watchers.get(name)
        if watcher is None:
            await asyncio.sleep(pause)
        else:
            await asyncio.wait({watcher}, timeout=pause)

    async def _discard_job(self, job: str) -> None:
        check_name(job)
        for name, entry in self._ledger.known.items():
            if entry.get("job") == job and not self.status(name).over:
                raise RefusedError(f"cannot discard {job}: {name} is not over")
        await asyncio.get_running_loop().run_in_executor(None, _delete, self._folders.job(job))
