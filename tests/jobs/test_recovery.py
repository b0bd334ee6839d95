from hypothesis import given, settings, strategies as st

from controller.jobs.ledger import fold
from controller.jobs.recovery import Move, recover, unsettled
from controller.jobs.verdict import Verdict, judge
from controller.model.ids import AttemptId, RunId
from controller.model.job import Attempt, State
from controller.transport.port import AttemptStatus, Phase
from tests.jobs.rig import Rig
from tests.jobs.test_crashes import STEPS, Weather, behave


def status(phase: Phase) -> AttemptStatus:
    return AttemptStatus(id=AttemptId("j.s.1"), phase=phase)


def attempt(state: State = State.DISPATCHED, *, started: bool = False) -> Attempt:
    at = Rig().clock.now() if started else None
    return Attempt(id=AttemptId("j.s.1"), number=1, state=state, boot_id="b1", started_at=at)


@given(st.integers(0, 10**6), st.data())
@settings(max_examples=40, deadline=None)
async def test_recovery_of_every_prefix_repeats_nothing_that_may_have_started(
    seed: int, data: st.DataObject
) -> None:
    rig = Rig(behave)
    rig.fleet.disturb = Weather(rig, seed, reboots=True)
    recorded, body = rig.job(STEPS)
    engine = await rig.submit((recorded, body))
    await engine.drive(RunId("run1"))
    events = await rig.store.jobs.events(recorded.id)
    job = fold(recorded, events[: data.draw(st.integers(0, len(events)))]).job
    for move in recover([job]):
        if move.move is Move.DROP:
            assert not any(step.attempts for step in job.steps)
        attached = {each.id for each in move.attach}
        for step in job.steps:
            for each in step.attempts:
                open_ = not each.state.ended or each.state is State.LOST
                assert (each.id in attached) == open_
    if job.state.ended and job.state is not State.LOST:
        assert recover([job]) == ()


def test_only_a_missing_claim_under_the_same_boot_proves_that_nothing_started() -> None:
    for boot in ("b1", "b2"):
        for phase in Phase:
            verdict = judge(attempt(), status(phase), boot)
            never = phase is Phase.NONE and boot == "b1"
            assert (verdict is Verdict.NEVER_STARTED) == never


def test_a_missing_claim_after_an_acknowledged_start_proves_nothing() -> None:
    assert judge(attempt(started=True), status(Phase.NONE), "b1") is Verdict.LOST
    assert judge(attempt(started=True), status(Phase.NONE), "b2") is Verdict.INTERRUPTED


async def test_a_job_of_which_nothing_left_is_dropped_and_one_that_claimed_is_resumed() -> None:
    rig = Rig()
    pending, _ = rig.job()
    assert [each.move for each in recover([pending])] == [Move.DROP]
    assert unsettled(pending) == ()
