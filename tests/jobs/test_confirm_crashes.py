"""A controller killed at every write of a job that must be confirmed: what the server decided is what is recorded."""

from dataclasses import replace
from functools import partial

import pytest

from controller.jobs.reasons import REVERTED
from controller.model.ids import AttemptId, RunId
from controller.model.job import Job, JobBody, State
from controller.model.work import StepKind, StepWork
from controller.transport.port import AttemptSpec, Probed, ProbeSpec
from tests.fakes.fleet import Program
from tests.jobs.crashing import Crash, CrashingStore, Fuse, cause_of
from tests.jobs.rig import Rig, chain

PATIENCE = 60.0
"""Seconds after which the server undoes the change by itself."""
GUARD = StepWork(name="_confirm", text="", kind=StepKind.CONFIRM, timeout=PATIENCE)


class Server:
    """A server whose guard waits, hears, and decides once."""

    def __init__(self, rig: Rig, *, fails: bool) -> None:
        self._rig = rig
        self._fails = fails
        self.decisions: list[str] = []
        rig.fleet.behaviour, rig.fleet.probes = self._behave, self._hear

    def _behave(self, _server: str, spec: AttemptSpec) -> Program:
        name = spec.id.split(".")[1]
        if name == GUARD.name:
            told = b"decision=reverted\nrevert=0\n"
            return Program(seconds=PATIENCE, exit_code=1, outputs=told)
        return Program(seconds=5, exit_code=int(self._fails and name == "two"))

    def _hear(self, server: str, spec: ProbeSpec) -> Probed:
        """Confirm or undo, if the guard still waits."""
        machine = self._rig.fleet.machine(server)
        run = machine.runs[AttemptId(f"{spec.text.split(b'/jobs/')[1][:12].decode()}._confirm.1")]
        if run.ends > self._rig.clock.now():
            run.ends = self._rig.clock.now()
            if b"/decision" in spec.text:
                told = b"decision=confirmed\n"
                run.program = replace(run.program, exit_code=0, outputs=told)
                self.decisions.append("confirmed")
            else:
                self.decisions.append("undone")
        return Probed(exit_code=0, output=b"")


async def live(rig: Rig, store: CrashingStore, made: tuple[Job, JobBody], fuse: Fuse) -> bool:
    """Let a controller die at a fuse, then let the next take up what it left; say whether it died."""
    store.fuse = fuse

    async def begin() -> None:
        engine = await rig.submit(made)
        await engine.drive(RunId("run1"))

    try:
        await begin()
    except BaseException as error:
        if not isinstance(cause_of(error), Crash):
            raise
    burnt, store.fuse = fuse.burnt, Fuse()
    return burnt


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("away", [0.0, 2 * PATIENCE])
async def test_whenever_a_controller_is_killed_the_server_s_decision_is_what_is_recorded(
    fails: bool, away: float
) -> None:
    at, burnt, seen = 0, True, set[tuple[State, str | None]]()
    while burnt:
        at += 1
        for after in (False, True):
            store = CrashingStore()
            rig = Rig(store=store)
            server = Server(rig, fails=fails)
            made = rig.job((GUARD, *chain("one", "two")))
            fuse = Fuse(at, after=after, bang=partial(rig.fleet.cut, "web-1"))
            burnt = await live(rig, store, made, fuse)
            await rig.clock.sleep(away)
            await rig.engine().settle()
            assert set(rig.fleet.starts.values()) <= {1}
            assert len(server.decisions) <= 1
            for job in await store.jobs.list():
                assert job.state.ended, (at, after, job)
                seen.add((job.state, job.reason))
                if any(run.attempts for run in job.steps):
                    confirmed = server.decisions == ["confirmed"]
                    assert (job.state is State.SUCCEEDED) is confirmed, (at, after, job)
    told = {reason for state, reason in seen if state is State.FAILED}
    assert (REVERTED in told) is (away > 0)
    undone = "step two is failed; the change was undone"
    assert (undone in told) is fails
