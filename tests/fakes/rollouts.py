"""Runs as they may be asked for, what happens in them, and the laws that hold whatever happens.

A story is told by `simulate`, which plays the servers for `decide` alone, or by the ledgers of a real engine. The laws look
only at the story and at what was asked for, never at the board.
"""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from hypothesis import strategies as st

from controller.jobs.board import Board
from controller.jobs.job import UNREACHABLE
from controller.jobs.reasons import BUDGET_EXHAUSTED, DEPENDENCY_FAILED, HALTED, UNHEALTHY
from controller.jobs.schedule import decide
from controller.jobs.tally import BAD, Fate
from controller.model.ids import Digest, JobId, RunId
from controller.model.job import Job, State
from controller.model.rollout import GroupBudget, Order
from tests.fakes.clocks import START

SERVERS = tuple(f"web-{n}" for n in range(7))
TARGETS = ("api", "db", "shop", "zebra")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is asked for, and what the servers will do: the fate of each job and the seconds it takes."""

    jobs: tuple[Job, ...]
    orders: Mapping[str, Order] = field(default_factory=dict)
    budgets: tuple[GroupBudget, ...] = ()
    parallel: int = 50
    widths: Mapping[str, int] = field(default_factory=dict)
    fates: Mapping[JobId, Fate] = field(default_factory=dict)
    seconds: Mapping[JobId, float] = field(default_factory=dict)

    def of(self, target: str | None) -> list[Job]:
        return [job for job in self.jobs if job.target == target]


class What(StrEnum):
    START = "start"
    END = "end"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One thing that happened; `reason` of a skip."""

    at: datetime
    what: What
    job: Job
    fate: Fate = Fate.LEFT
    reason: str = ""


def job(target: str | None, server: str, *, wave: int = 1, state: State = State.PENDING) -> Job:
    return Job(
        id=JobId(f"{target}-{wave}-{server}"),
        run=RunId("run1"),
        target=target,
        task="deploy",
        server=server,
        state=state,
        wave=wave,
        digest=Digest("d"),
        created_at=START,
    )


def ended(job_: Job, fate: Fate) -> Job:
    """Give a job as it stands after it came to its fate."""
    state, reason = {
        Fate.GOOD: (State.SUCCEEDED, None),
        Fate.FAILED: (State.FAILED, None),
        Fate.UNHEALTHY: (State.FAILED, UNHEALTHY),
        Fate.UNREACHABLE: (State.PENDING, UNREACHABLE),
        Fate.LEFT: (State.CANCELLED, "stopped"),
    }[fate]
    return replace(job_, state=state, reason=reason)


@st.composite
def scenarios(draw: st.DrawFn, *, healthy: bool = False, circles: bool = True) -> Scenario:
    """Draw a run; a healthy one can be carried out entirely."""
    targets = draw(st.lists(st.sampled_from(TARGETS), min_size=1, unique=True))
    jobs: list[Job] = []
    orders: dict[str, Order] = {}
    for name in targets:
        servers = draw(st.lists(st.sampled_from(SERVERS), min_size=1, unique=True))
        jobs += [job(name, server, wave=draw(st.integers(1, 3))) for server in servers]
        if draw(st.integers(0, 4)):
            orders[name] = draw(_orders(name, healthy=healthy, circles=circles))
    budgets = draw(st.lists(_budgets(healthy=healthy), max_size=2))
    fates = st.just(Fate.GOOD) if healthy else st.sampled_from([Fate.GOOD] * 4 + list(Fate))
    return Scenario(
        jobs=tuple(jobs),
        orders=orders,
        budgets=tuple(budgets),
        parallel=draw(st.integers(1, 6)),
        widths={server: draw(st.integers(1, 3)) for server in SERVERS},
        fates={each.id: draw(fates) for each in jobs},
        seconds={each.id: draw(st.sampled_from([1.0, 5.0, 5.0, 20.0])) for each in jobs},
    )


@st.composite
def _orders(draw: st.DrawFn, name: str, *, healthy: bool, circles: bool) -> Order:
    others = [*TARGETS, "elsewhere"] if circles else [each for each in TARGETS if each < name]
    after = draw(st.lists(st.sampled_from(others), max_size=2, unique=True)) if others else []
    return Order(
        after=tuple(after),
        priority=draw(st.integers(-1, 1)),
        pause=draw(st.sampled_from([0.0, 7.0, 60.0])),
        max_failures=draw(st.sampled_from([None, 0, 0, 1, 2])),
        failed=0 if healthy else draw(st.sampled_from([0, 0, 0, 1])),
    )


@st.composite
def _budgets(draw: st.DrawFn, *, healthy: bool) -> GroupBudget:
    servers = frozenset(draw(st.lists(st.sampled_from(SERVERS), min_size=1)))
    down = frozenset(draw(st.lists(st.sampled_from(SERVERS), max_size=2)))
    least = len(down & servers) + 1 if healthy else 0
    limit = draw(st.integers(least, least + 3))
    return GroupBudget(group="web", servers=servers, limit=limit, down=down)


def simulate(scenario: Scenario) -> list[Moment]:
    """Play the servers for a schedule, and tell what happened."""
    board = Board(
        scenario.jobs,
        orders=scenario.orders,
        budgets=scenario.budgets,
        parallel=scenario.parallel,
        widths=scenario.widths,
    )
    story: list[Moment] = []
    ends: list[tuple[datetime, JobId]] = []
    now = START
    while board.jobs:
        decision = decide(board, now)
        for id_ in decision.start:
            begun = board.begin(id_)
            story.append(Moment(at=now, what=What.START, job=begun))
            heapq.heappush(ends, (now + timedelta(seconds=scenario.seconds[id_]), id_))
        for id_, reason in decision.skip.items():
            left = replace(board.jobs[id_], state=State.SKIPPED, reason=reason)
            board.skip(left, now)
            story.append(Moment(at=now, what=What.SKIP, job=left, reason=reason))
        if decision.skip:
            continue
        due = [decision.wake_at] if decision.wake_at is not None else []
        assert ends or due, f"nothing moves any more: {board.jobs}"
        assert all(moment > now for moment in due), "it would be woken at once, for ever"
        now = min([*due, *(moment for moment, _ in ends[:1])])
        if ends and ends[0][0] == now:
            done = board.jobs[heapq.heappop(ends)[1]]
            board.end(ended(done, scenario.fates[done.id]), now)
            story.append(Moment(at=now, what=What.END, job=done, fate=scenario.fates[done.id]))
    return story


def check_laws(scenario: Scenario, story: list[Moment]) -> None:
    """Check what holds in every run."""
    for number, moment in enumerate(story):
        past = Past(scenario, story[:number])
        match moment.what:
            case What.START:
                _check_room(scenario, past, moment.job)
                _check_budgets(scenario, past, moment.job)
                _check_order(scenario, past, moment)
            case What.SKIP:
                _check_skip(scenario, past, moment)
            case What.END:
                pass
    begun = Counter(m.job.id for m in story if m.what is not What.END)
    assert set(begun.values()) <= {1}, "nothing is begun twice, or begun and skipped"
    assert {m.job.id for m in story} == {each.id for each in scenario.jobs}, "nothing is forgotten"


class Past:
    """What had happened by some moment."""

    def __init__(self, scenario: Scenario, story: list[Moment]) -> None:
        self._scenario = scenario
        begun = {m.job.id: m.job for m in story if m.what is What.START}
        self.ends = {m.job.id: m for m in story if m.what is What.END}
        self.skips = {m.job.id: m for m in story if m.what is What.SKIP}
        self.running = [each for id_, each in begun.items() if id_ not in self.ends]
        self.bad = {m.job.server for m in self.ends.values() if m.fate in BAD}

    def bad_of(self, target: str | None) -> int:
        return sum(m.fate in BAD and m.job.target == target for m in self.ends.values())

    def succeeded(self, target: str) -> bool:
        return all(
            each.id in self.ends and self.ends[each.id].fate is Fate.GOOD
            for each in self._scenario.of(target)
        )

    def halted(self, target: str | None) -> bool:
        order = self._scenario.orders.get(target or "", Order())
        return (
            order.max_failures is not None
            and self.bad_of(target) + order.failed > order.max_failures
        )

    def out(self, budget: GroupBudget) -> set[str]:
        """The servers of a budget that are down or worked on."""
        busy = {each.server for each in self.running}
        return (set(budget.down) | self.bad | busy) & budget.servers


def _check_room(scenario: Scenario, past: Past, job_: Job) -> None:
    here = [each for each in past.running if each.server == job_.server]
    assert len(past.running) < scenario.parallel
    assert len(here) < scenario.widths.get(job_.server, 1)
    assert job_.target is None or job_.target not in {each.target for each in here}


def _check_budgets(scenario: Scenario, past: Past, job_: Job) -> None:
    for budget in scenario.budgets:
        out = past.out(budget)
        if job_.server in budget.servers and job_.server not in out:
            assert len(out) < budget.limit, f"{job_.server} is one too many"


def _check_order(scenario: Scenario, past: Past, moment: Moment) -> None:
    job_ = moment.job
    order = scenario.orders.get(job_.target or "")
    if order is None:
        return
    assert not past.halted(job_.target), "halt means no further start"
    for name in order.after:
        assert past.succeeded(name), f"{job_.target} comes after {name}"
    before = [each for each in scenario.of(job_.target) if each.wave < job_.wave]
    assert all(each.id in past.ends for each in before), "a wave begins when the one before is over"
    same = [each for each in scenario.of(job_.target) if each.wave == job_.wave]
    begun = {*past.ends, *(each.id for each in past.running)}
    if before and begun.isdisjoint(each.id for each in same):
        last = max(past.ends[each.id].at for each in before)
        assert (moment.at - last).total_seconds() >= order.pause, "the pause is kept"


def _check_skip(scenario: Scenario, past: Past, moment: Moment) -> None:
    order = scenario.orders.get(moment.job.target or "", Order())
    match moment.reason:
        case reason if reason == HALTED:
            assert past.halted(moment.job.target)
        case reason if reason == DEPENDENCY_FAILED:
            named = [name for name in order.after if scenario.of(name)]
            assert any(not past.succeeded(name) for name in named)
        case reason if reason == BUDGET_EXHAUSTED:
            assert not past.running
            full = [b for b in scenario.budgets if len(past.out(b)) >= b.limit]
            left = [each for each in scenario.of(moment.job.target) if each.id not in past.ends]
            assert any(each.server in b.servers for each in left for b in full)
        case reason:
            raise AssertionError(f"nobody knows what {reason} means")


def starts(story: list[Moment]) -> Iterator[str]:
    """Name what was begun, in order."""
    return (f"{m.job.target}@{m.job.server}" for m in story if m.what is What.START)
