"""What a due time would run: the target planned as `ctl run --target NAME` does, from what is known, every gate asked.

Called by `schedules`. Contacts nobody.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from controller.errors import RefusedError
from controller.model.declaration import Target
from controller.model.job import Trigger
from controller.model.plan import Action, Change, Plan
from controller.model.scope import Scope
from controller.planning.applying import apply_set
from controller.planning.schedules import due_words, schedule_words
from controller.reconcile.carrying.applying import guard_budget, guard_whole
from controller.reconcile.carrying.submission import Order, orders_of
from controller.reconcile.exchange.checks import InvalidDeclarationError
from controller.reconcile.exchange.requests import PlanRequest
from controller.reconcile.loop.generation import Generation
from controller.reconcile.loop.world import World
from controller.reconcile.walk.comparing import compare_secrets
from controller.reconcile.walk.decided import see_standing
from controller.reconcile.walk.deciding import make_plan, plan_of, resolve_pairs
from controller.reconcile.walk.recalling import recall_repos, recall_servers
from controller.reconcile.walk.seen import Seen
from controller.reconcile.walk.steps import walk, walk_narrow

RUNS: Final = frozenset({Action.ADD, Action.CHANGE, Action.RUN, Action.REPAIR})
"""What a schedule brings about; removals are the target's own business."""
SHOWN: Final = 3
"""Reasons that are told of what is held back."""
LONGEST: Final = 500
"""Characters of what is told of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """What is to run at a due time, and in words what is held back and why."""

    seen: Seen
    plan: Plan
    orders: tuple[Order, ...] = ()
    held: str = ""


async def prepare(
    world: World, generation: Generation, target: Target, due: datetime
) -> Firing | str:
    """Plan what a due time runs; where nothing of it can be done give the reason."""
    asked = PlanRequest(targets=(target.name,), refresh=False)
    scope = Scope(targets=frozenset({target.name}))
    seen = replace(generation.seen, request=asked, scope=scope)
    try:
        seen = await _planned(world, seen)
        plan = plan_of(seen)
        guard_whole(world.rooms, seen, plan)
        guard_budget(plan)
    except (InvalidDeclarationError, RefusedError) as error:
        return error.message[:LONGEST]
    running = [change for change in apply_set(plan) if change.action in RUNS]
    held = _held(plan.changes, running)
    orders = [
        replace(order, trigger=Trigger.SCHEDULE, cause=cause_of(target, due))
        for order in orders_of(seen, running)
    ]
    if not orders:
        return held or f"target {target.name} picks no server"
    return Firing(seen=seen, plan=plan, orders=tuple(orders), held=held)


def cause_of(target: Target, due: datetime) -> str:
    """Say why a job of a schedule runs: `schedule 0 3 * * * (Europe/Berlin), due 2026-12-01 03:00`."""
    if target.schedule is None:
        return f"schedule, due {due:%Y-%m-%d %H:%M} UTC"
    return f"schedule {schedule_words(target.schedule)}, due {due_words(target.schedule, due)}"


async def _planned(world: World, seen: Seen) -> Seen:
    """Plan it so that what is in sync runs, too, and what failed again."""
    rooms = world.rooms
    seen = await walk(rooms, seen, (see_standing, recall_repos, resolve_pairs))
    wanted = frozenset((pair.target, pair.server) for pair in seen.pairs)
    seen = replace(seen, retry=wanted)
    return await walk_narrow(rooms, seen, (recall_servers, compare_secrets, make_plan))


def _held(changes: Iterable[Change], running: Iterable[Change]) -> str:
    """Say what of a plan does not run, and why: each reason once, with its servers counted."""
    runs = {(change.target, change.server) for change in running}
    reasons: dict[str, list[str]] = {}
    for change in changes:
        if (change.target, change.server) not in runs:
            reason = "never seen" if change.blocked_by is None else change.blocked_by.message
            reasons.setdefault(reason, []).append(change.server)
    told = [f"{_servers(servers)}: {reason}" for reason, servers in sorted(reasons.items())]
    more = f" (and {len(told) - SHOWN} more reasons)" if len(told) > SHOWN else ""
    return f"{'; '.join(told[:SHOWN])}{more}"[:LONGEST]


def _servers(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
