from hypothesis import given, strategies as st

from controller.jobs.dag import WHEN_FALSE, WORST_FIRST, frontier, job_state
from controller.model.job import State, StepRun
from controller.model.work import StepWork
from tests.jobs.rig import chain, step

ENDED = [state for state in State if state.ended and state is not State.LOST]


@st.composite
def graphs(draw: st.DrawFn, *, cyclic: bool = False) -> tuple[StepWork, ...]:
    names = [f"s{n}" for n in range(draw(st.integers(1, 8)))]
    steps = []
    for position, name in enumerate(names):
        choice = names if cyclic else names[:position]
        needs = draw(st.lists(st.sampled_from(choice), unique=True)) if choice else []
        steps.append(step(name, *needs, continue_on_error=draw(st.booleans())))
    return tuple(steps)


def play(steps: tuple[StepWork, ...], ends: list[State]) -> dict[str, StepRun]:
    """Let every ready step end as the list says; give how all stand when nothing moves any more."""
    runs = {each.name: StepRun(name=each.name) for each in steps}
    endings = iter(ends)
    for _ in range(2 * len(steps)):
        front = frontier(steps, runs)
        if not front.ready and not front.doomed:
            break
        for name, reason in front.doomed.items():
            runs[name] = StepRun(name=name, state=State.SKIPPED, reason=reason)
        for name in front.ready:
            runs[name] = StepRun(name=name, state=next(endings))
    return runs


@given(graphs(), st.lists(st.sampled_from(ENDED), min_size=8, max_size=8))
def test_every_step_of_a_dag_ends(steps: tuple[StepWork, ...], ends: list[State]) -> None:
    assert all(run.state.ended for run in play(steps, ends).values())


@given(graphs(), st.lists(st.sampled_from(ENDED), min_size=8, max_size=8))
def test_a_step_runs_only_when_all_it_needs_went_well_or_is_forgiven(
    steps: tuple[StepWork, ...], ends: list[State]
) -> None:
    runs = play(steps, ends)
    forgiving = {each.name for each in steps if each.continue_on_error}
    for each in steps:
        if runs[each.name].reason is not None:  # it was skipped by the rule
            assert any(runs[need].state is not State.SUCCEEDED for need in each.needs), each
        else:
            for need in each.needs:
                fine = runs[need].state is State.SUCCEEDED or (
                    need in forgiving and runs[need].state is not State.SKIPPED
                )
                assert fine, (each, runs[need])


@given(graphs(cyclic=True), st.lists(st.sampled_from(ENDED), min_size=8, max_size=8))
def test_a_cycle_starts_nothing_and_does_not_hang(
    steps: tuple[StepWork, ...], ends: list[State]
) -> None:
    play(steps, ends)


def test_nothing_begins_behind_a_lost_step() -> None:
    steps = chain("a", "b")
    runs = {"a": StepRun(name="a", state=State.LOST), "b": StepRun(name="b")}
    front = frontier(steps, runs)
    assert front.ready == ()
    assert front.doomed == {}


def test_a_step_that_chose_not_to_run_holds_nothing_back() -> None:
    runs = {
        "a": StepRun(name="a", state=State.SKIPPED, reason=WHEN_FALSE),
        "b": StepRun(name="b"),
    }
    assert frontier(chain("a", "b"), runs).ready == ("b",)


@given(st.lists(st.sampled_from([s for s in State if s.ended]), min_size=1, max_size=8))
def test_a_job_has_the_worst_state_of_its_steps(states: list[State]) -> None:
    steps = tuple(step(f"s{n}") for n in range(len(states)))
    runs = {s.name: StepRun(name=s.name, state=e) for s, e in zip(steps, states, strict=True)}
    expected = next((w for w in WORST_FIRST if w in states), State.SUCCEEDED)
    assert job_state(steps, runs) is expected


def test_the_order_of_bad_is_lost_interrupted_timed_out_failed_cancelled() -> None:
    assert [*WORST_FIRST] == [
        State.LOST,
        State.INTERRUPTED,
        State.TIMED_OUT,
        State.FAILED,
        State.CANCELLED,
    ]


def test_a_forgiven_step_does_not_count_but_for_losing_it() -> None:
    steps = (step("a", continue_on_error=True),)
    failed = {"a": StepRun(name="a", state=State.FAILED)}
    lost = {"a": StepRun(name="a", state=State.LOST)}
    assert job_state(steps, failed) is State.SUCCEEDED
    assert job_state(steps, lost) is State.LOST
