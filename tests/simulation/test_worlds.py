"""The same worlds, drawn by Hypothesis, which finds the shortest story that breaks a promise."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path

from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.simulation.places import Weather
from tests.simulation.quiet import QuietClock, settle
from tests.simulation.simworld import SERVERS, SimWorld

names = st.sampled_from(SERVERS)
chances = st.sampled_from((0.0, 0.02, 0.2))


class Worlds(RuleBasedStateMachine):
    """One world and everything that may happen in it."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path(tempfile.mkdtemp())
        self._runner = asyncio.Runner()
        self._world = SimWorld(self._folder, 0)
        self._do(self._world.begin())

    def _do(self, work: Coroutine[object, object, None]) -> None:
        self._runner.run(work)

    @rule(seconds=st.sampled_from((0.1, 1.0, 5.0, 30.0, 90.0)))
    def wait(self, seconds: float) -> None:
        self._do(self._world.wait(seconds))

    @rule(told=st.booleans())
    def commit(self, told: bool) -> None:
        self._do(self._world.commit(told=told))

    @rule(valid=st.booleans())
    def declare(self, valid: bool) -> None:
        self._do(self._world.declare(valid=valid))

    @rule(server=names)
    def ask(self, server: str) -> None:
        self._do(self._world.ask(server))

    @rule()
    def stop(self) -> None:
        self._do(self._world.stop_job())

    @rule(more=st.integers(1, 40), after=st.booleans())
    def crash_at(self, more: int, after: bool) -> None:
        self._do(self._world.crash_at(more, after=after))

    @rule()
    def crash(self) -> None:
        self._do(self._world.crash())

    @rule()
    def start(self) -> None:
        self._do(self._world.start())

    @rule(server=names)
    def lay_down(self, server: str) -> None:
        self._do(self._world.lay_down(server))

    @rule(server=names)
    def stand_up(self, server: str) -> None:
        self._do(self._world.stand_up(server))

    @rule(server=names)
    def reboot(self, server: str) -> None:
        self._do(self._world.reboot(server))

    @rule(seconds=st.sampled_from((-3600.0, -1.0, 1.0, 3600.0)))
    def set_clock(self, seconds: float) -> None:
        self._do(self._world.set_clock(seconds))

    @rule(there=chances, back=chances, slow=st.sampled_from((0.0, 0.5, 8.0)), twice=chances)
    def blow(self, there: float, back: float, slow: float, twice: float) -> None:
        weather = Weather(there=there, back=back, slow=slow, twice=twice)
        self._do(self._world.blow(weather))

    @rule(away=st.booleans())
    def go_away(self, away: bool) -> None:
        self._do(self._world.go_away(away=away))

    @invariant()
    def holds(self) -> None:
        self._do(self._world.check())

    def teardown(self) -> None:
        try:
            self._do(self._world.heal())
            self._do(self._world.check_ledgers())
        finally:
            self._do(self._world.end())
            self._runner.close()
            shutil.rmtree(self._folder, ignore_errors=True)


TestWorlds = Worlds.TestCase
TestWorlds.settings = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


async def test_time_passes_only_when_told_and_sleepers_wake_in_their_order() -> None:
    clock, woken = QuietClock(), list[float]()

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    tasks = [asyncio.ensure_future(sleep(seconds)) for seconds in (3.0, 1.0, 2.0)]
    await settle()
    assert not woken
    await clock.advance(2.5)
    assert woken == [1.0, 2.0]
    before = clock.now()
    clock.set_by(-3600.0)
    await clock.advance(0.6)
    assert woken == [1.0, 2.0, 3.0]
    assert clock.now() < before
    await asyncio.gather(*tasks)
