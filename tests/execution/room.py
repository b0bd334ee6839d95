"""A room to run attempts in, and the few things every test does with one."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from controller.execution import linux
from controller.execution.executor import Executor
from controller.execution.groups import Groups
from controller.execution.spec import Spec
from controller.execution.status import Status

A1 = f"a{os.getpid()}.1"
"""An attempt: processes are found by its id, so tests that run beside each other must not share one."""


@dataclass(slots=True, kw_only=True)
class Room:
    """One folder, and the daemons that come and go on it."""

    folder: Path
    groups: Groups | None
    open: list[Executor] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    async def enter(self) -> Executor:
        executor = Executor(self.folder, groups=self.groups)
        await executor.recover()
        self.open.append(executor)
        return executor

    async def leave(self, executor: Executor) -> None:
        self.open.remove(executor)
        await executor.close()

    async def start(self, executor: Executor, spec: Spec) -> Status:
        self.names.append(spec.id)
        await executor.accept(spec)
        return await executor.start(spec.id)

    async def run(self, executor: Executor, spec: Spec) -> Status:
        await self.start(executor, spec)
        return await executor.wait(spec.id)

    async def clear(self) -> None:
        for executor in list(self.open):
            await self.leave(executor)
        for name in self.names:
            for pid in processes_of(name):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def script(name: str, text: str, **more: object) -> Spec:
    """An attempt of the job `job` that runs a shell text at the root of the file system."""
    return Spec(id=name, job="job", text=text.encode(), workdir="/", **more)  # type: ignore[arg-type]


async def collect(executor: Executor, name: str, *, follow: bool = False) -> bytes:
    """Everything an attempt said; a gap fails."""
    said = b""
    async for chunk in executor.output(name, follow=follow):
        assert (chunk.offset, chunk.gap) == (len(said), 0)
        said += chunk.data
    return said


def processes_of(name: str) -> list[int]:
    """Every process of this machine that was started by an attempt and has not cleared its environment."""
    mark = f"CTL_MARK=:{name}:".encode()
    return [pid for pid in linux.processes() if linux.start_time(pid) and linux.bears(pid, mark)]


def running(needle: str) -> Iterator[int]:
    """Every process with this in its command line."""
    for pid in linux.processes():
        with contextlib.suppress(OSError):
            if needle in linux.read(f"/proc/{pid}/cmdline") and linux.start_time(pid):
                yield pid


async def until(true: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Wait until something is so."""
    for _ in range(int(seconds / 0.01)):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it does not come to be")


async def eventually(path: Path, *, seconds: float = 20.0) -> str:
    """Wait for a file with something in it."""
    for _ in range(int(seconds / 0.01)):
        with contextlib.suppress(OSError):
            if said := linux.read(str(path)):
                return said
        await asyncio.sleep(0.01)
    raise AssertionError(f"{path} does not appear")
