"""What plans and rollouts of a fleet game are held to; everything is counted here, not on the board."""

from collections.abc import Iterable
from typing import Final

from controller.jobs.board import Board
from controller.jobs.tally import BAD, fate_of
from controller.model.job import Job, State
from controller.model.plan import Change
from controller.planning.inputs import PairKey
from tests.faults.oracle import demand, some
from tests.simulation.cores.town import SPARE, Town

PARALLEL: Final = 3
"""Jobs at once."""


def hold_pair(town: Town, key: PairKey, change: Change | None) -> None:
    """What a gate holds does not run, nor does what is in force."""
    runs = change is not None and change.runs
    seen = town.seen.get(key[1])
    if runs:
        demand(key[0] not in town.suspended, "gates", f"{key} runs though suspended")
        up = seen is None or seen.reached
        demand(up, "gates", f"{key} runs though its server does not answer")
    known = town.known(key)
    if known is None:
        return
    digest = town.wanted(key[0]).digest
    if known.tried is None:
        again = runs and known.applied == digest
        demand(not again, "not again", f"{key} is in force, and would run")
    elif known.tried.state is State.FAILED:
        again = runs and known.tried.digest == digest
        demand(not again, "gates", f"{key} runs again with what failed")


def hold_start(board: Board, job: Job, jobs: Iterable[Job]) -> None:
    """Nothing begins beyond a limit; the limits are counted here, not on the board."""
    busy = {one.server for one in board.running.values()}
    demand(len(board.running) < PARALLEL, "rollout", f"{job.id} is one too many")
    demand(job.server not in busy, "rollout", f"{job.server} works already")
    if job.state is not State.PENDING:
        return  # it had begun before its controller died
    mine = [one for one in jobs if one.run == job.run]
    bad = [one for one in mine if fate_of(one) in BAD]
    begun = {one.server for one in mine if one.state is State.RUNNING}
    out = {one.server for one in bad} | busy | begun | set(board.budgets[0].down)
    spared = job.server in out or len(out) < SPARE
    demand(spared, "rollout", f"{job.server} begins while {some(out)} are missing")
    order = board.lanes[job.target].order
    if order.max_failures is not None:
        failed = sum(one.target == job.target for one in bad) + order.failed
        demand(failed <= order.max_failures, "rollout", f"{job.id} begins after a halt")
        early = [
            one.id
            for one in mine
            if one.target == job.target and one.wave < job.wave and not one.state.ended
        ]
        demand(not early, "rollout", f"{job.id} begins before {some(early)}")
    for name in order.after:
        before = [one for one in mine if one.target == name]
        good = all(one.state is State.SUCCEEDED for one in before)
        demand(good, "rollout", f"{job.id} begins before {name} is done")
