"""What people are told of targets and runs, as notices: drift, what waits for a yes, how runs began and ended.

Called by `targets` and `runs`; posts to the noticeboard, which knows who wants to hear of what and never tells the same trouble twice.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from controller.model.job import Job, Run, State
from controller.model.notice import Notice, Occasion
from controller.model.plan import Change, Gate
from controller.reconcile.loop.world import World
from controller.reconcile.walk.deciding import plan_of
from controller.reconcile.walk.seen import Seen

LOG: Final = logging.getLogger(__name__)
DRIFT: Final = "drift"
APPROVAL: Final = "approval"
FAILED: Final = "failed"
BAD: Final = frozenset({State.FAILED, State.TIMED_OUT, State.INTERRUPTED, State.LOST})
LINES: Final = 10
"""Servers that a notice names."""


async def tell_of_plan(world: World, seen: Seen, name: str) -> None:
    """Tell of drift that nothing is done about, and of what waits for a yes; and when that is over."""
    changes = [change for change in plan_of(seen).changes if change.target == name]
    drifted = [change for change in changes if change.drift is not None and not change.runs]
    await _stand(
        world,
        name,
        DRIFT,
        Occasion.DRIFT,
        f"{name} drifted on {_servers(drifted)}",
        {change.server: change.drift or "" for change in drifted},
    )
    waiting = [
        change
        for change in changes
        if change.blocked_by is not None
        and change.blocked_by.gate in {Gate.APPROVAL, Gate.ON_COMMIT}
        and (change.blocked_by.clear or "").startswith("ctl approve")
    ]
    await _stand(
        world,
        name,
        APPROVAL,
        Occasion.APPROVAL,
        f"{name} waits for a yes on {_servers(waiting)}",
        {change.server: change.reason for change in waiting},
    )


async def _stand(  # noqa: PLR0917 - one sentence, in order
    world: World,
    name: str,
    problem: str,
    occasion: Occasion,
    title: str,
    found: Mapping[str, str],
) -> None:
    """Tell of a trouble while there is any, and of its end."""
    subject = f"target/{name}"
    if found:
        lines = tuple(f"{server}: {said}" for server, said in sorted(found.items())[:LINES])
        notice = _notice(world, occasion, subject, title, lines=lines, target=name)
        await world.notices.post(replace(notice, problem=problem))
    else:
        notice = _notice(
            world, Occasion.RECOVERED, subject, f"{name}: {problem} is over", target=name
        )
        await world.notices.over(subject, problem, notice)


async def tell_of_start(world: World, run: Run, jobs: Sequence[Job]) -> None:
    """Tell that a run begins."""
    for target in targets_of(jobs):
        mine = [job for job in jobs if job.target == target]
        notice = _notice(
            world,
            Occasion.STARTED,
            f"target/{target}",
            f"{target}: run {run.id} began on {len(mine)} servers",
            facts=facts_of(run, mine),
            target=target,
        )
        LOG.info("%s", notice.title)
        await world.notices.post(notice)


async def tell_of_end(world: World, run: Run, jobs: Sequence[Job]) -> None:
    """Tell how a run ended, of each of its targets; and that a target is well again that was not."""
    for target in targets_of(jobs):
        mine = [job for job in jobs if job.target == target]
        bad = [job for job in mine if job.state in BAD]
        subject = f"target/{target}"
        facts = facts_of(run, mine)
        if bad or target in run.halted:
            why = run.halted.get(target, f"{len(bad)} of {len(mine)} jobs did not end well")
            lines = tuple(f"{job.server}: {job.state} {job.reason or ''}".strip() for job in bad)
            notice = _notice(
                world,
                Occasion.FAILED,
                subject,
                f"{target}: run {run.id} failed: {why}",
                lines=lines[:LINES],
                facts=facts,
                target=target,
            )
            LOG.warning("%s", notice.title)
            await world.notices.post(replace(notice, problem=FAILED))
        elif any(job.state is State.SUCCEEDED for job in mine):
            title = f"{target}: run {run.id} ended well"
            LOG.info("%s", title)
            notice = _notice(world, Occasion.SUCCEEDED, subject, title, facts=facts, target=target)
            await world.notices.post(notice)
            title = f"{target}: well again with run {run.id}"
            notice = _notice(world, Occasion.RECOVERED, subject, title, facts=facts, target=target)
            await world.notices.over(subject, FAILED, notice)


def targets_of(jobs: Sequence[Job]) -> list[str]:
    """List the targets of some jobs."""
    return sorted({job.target for job in jobs if job.target is not None})


def facts_of(run: Run, jobs: Sequence[Job]) -> Mapping[str, object]:
    """Say of a run of one target what machines want to know."""
    first = jobs[0]
    return {
        "run": run.id,
        "title": run.title,
        "target": first.target,
        "commit": first.commit,
        "branch": first.branch,
        "config_commit": first.config_commit,
        "cause": first.cause,
        "servers": len({job.server for job in jobs}),
        "jobs": {state: sum(job.state is state for job in jobs) for state in State},
    }


def _notice(
    world: World,
    occasion: Occasion,
    subject: str,
    title: str,
    *,
    lines: tuple[str, ...] = (),
    facts: Mapping[str, object] | None = None,
    target: str | None = None,
) -> Notice:
    return Notice(
        id=world.rooms.ids(),
        at=world.rooms.clock.now(),
        occasion=occasion,
        subject=subject,
        title=title,
        lines=lines,
        facts=facts or {},
        target=target,
    )


def _servers(changes: Sequence[Change]) -> str:
    return f"{len(changes)} server{'' if len(changes) == 1 else 's'}"
