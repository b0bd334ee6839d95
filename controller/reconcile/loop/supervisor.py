"""The parts of a serving process: each runs by itself, shows a heartbeat, and is started again alone when it fails.

Made and run by `service`. An exception of one part never ends another; only a state that cannot be used for good ends everything.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from controller.clock import Clock
from controller.errors import ControllerError, StateAwayError, StateError
from controller.model.serving import Part
from controller.reconcile.loop.spread import backoff
from controller.store.ports_serving import Parts

LOG: Final = logging.getLogger(__name__)
BEAT_SECONDS: Final = 10.0
FIRST_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 60.0
WELL_SECONDS: Final = 60.0
"""A part that ran so long counts as well; its next failure is the first again."""
LAG_SECONDS: Final = 1.0
"""Between two looks at how late the loop of the process is."""

Run = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What tells this process apart in the heartbeats."""

    instance: str
    host: str
    pid: int
    version: str


@dataclass(slots=True)
class _State:
    """How a part does."""

    started_at: datetime
    failures: int = 0
    error: str | None = None
    up: bool = False


class Supervisor:
    """Runs parts until it is stopped.

    Args:
        parts: by name what runs for ever; it may be called again after it failed.
        shelf: where heartbeats are kept.
        clock: time.
        process: who we are.
        beat: called with every heartbeat, such as to follow what other processes did.
        late: told each second how late the loop of the process is, in seconds.
    """

    def __init__(
        self,
        parts: Mapping[str, Run],
        *,
        shelf: Parts,
        clock: Clock,
        process: Process,
        beat: Run | None = None,
        late: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._parts = parts
        self._shelf = shelf
        self._clock = clock
        self._process = process
        self._beat = beat
        self._late = late
        self._states = {name: _State(started_at=clock.now()) for name in parts}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()
        self._fatal: StateError | None = None

    @property
    def parts(self) -> Mapping[str, bool]:
        """Say of each part whether it runs now."""
        return {name: state.up for name, state in self._states.items()}

    async def run(self) -> None:
        """Run all parts until `stop`, or until the state cannot be used any more; parts end in the reverse of their order.

        Raises:
            StateError: the state cannot be used for good.
        """
        helpers: list[asyncio.Task[None]] = []
        try:
            for name in self._parts:
                self._tasks[name] = asyncio.create_task(self._keep(name), name=name)
            # After the parts, so that the first heartbeat finds them up.
            helpers += [asyncio.create_task(self._beats()), asyncio.create_task(self._watch_lag())]
            await self._stopping.wait()
        finally:
            for name in reversed(tuple(self._parts)):
                await self.end(name)
            for each in helpers:
                each.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
        if self._fatal is not None:
            raise self._fatal

    def stop(self) -> None:
        """Have everything ended."""
        self._stopping.set()

    async def end(self, name: str) -> None:
        """End one part for good; what it is doing is cancelled."""
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _keep(self, name: str) -> None:
        """Run a part, again and again, with pauses that grow while it fails."""
        state = self._states[name]
        while True:
            state.started_at, state.up = self._clock.now(), True
            try:
                await self._parts[name]()
                error: Exception = ControllerError(f"part {name} ended by itself")
            except Exception as failure:  # noqa: BLE001  # whatever ends a part, the others go on and this one begins anew
                error = failure
            finally:
                state.up = False
            if isinstance(error, StateError) and not isinstance(error, StateAwayError):
                self._fatal = error
                self._stopping.set()
                return
            ran = (self._clock.now() - state.started_at).total_seconds()
            state.failures = 1 if ran >= WELL_SECONDS else state.failures + 1
            state.error = str(error)[:500]
            LOG.error("part %s failed and is started again", name, exc_info=error)
            pause = backoff(
                state.failures - 1,
                f"{name} {self._process.instance}",
                first=FIRST_SECONDS,
                longest=LONGEST_SECONDS,
            )
            await self._clock.sleep(max(FIRST_SECONDS, pause))

    async def _beats(self) -> None:
        """Show heartbeats; one that cannot be written is not worth ending for."""
        while True:
            try:
                for name, state in self._states.items():
                    if state.up:
                        await self._shelf.beat(self._part(name, state))
                if self._beat is not None:
                    await self._beat()
            except StateError as error:
                LOG.warning("cannot write a heartbeat: %s", error)
            except Exception:
                LOG.exception("cannot follow the state")
            await self._clock.sleep(BEAT_SECONDS)

    def _part(self, name: str, state: _State) -> Part:
        now, process = self._clock.now(), self._process
        ran = (now - state.started_at).total_seconds()
        return Part(
            name=name,
            instance=process.instance,
            host=process.host,
            pid=process.pid,
            version=process.version,
            started_at=state.started_at,
            seen_at=now,
            failures=0 if ran >= WELL_SECONDS else state.failures,
            error=state.error,
        )

    async def _watch_lag(self) -> None:
        """Measure how late the loop is."""
        while True:
            before = self._clock.now()
            await self._clock.sleep(LAG_SECONDS)
            late = (self._clock.now() - before).total_seconds() - LAG_SECONDS
            self._late(max(0.0, late))
