"""The walk, as a list: `ctl plan` goes to its first end, `ctl apply` to the second, the loop by its own way. There is no second copy.

Each step takes what was seen and gives more of it. The order matters: declarations are loaded before repos are asked, because
they name them; servers are observed before secrets are compared, because the key of a pair that this state never
saw lies in its marker.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from controller.planning.guard import LEAVING
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.as_of import take_as_of
from controller.reconcile.walk.comparing import compare_secrets
from controller.reconcile.walk.decided import see_standing
from controller.reconcile.walk.deciding import make_plan, plan_of, resolve_pairs, take_before
from controller.reconcile.walk.loading import load, see_config
from controller.reconcile.walk.observe import observe
from controller.reconcile.walk.recalling import recall_repos, recall_servers
from controller.reconcile.walk.repos import see_repos
from controller.reconcile.walk.seen import Seen

Step = Callable[[Rooms, Seen], Awaitable[Seen]]

LOOK: Final[tuple[Step, ...]] = (take_as_of, see_config, load)
DECIDE: Final[tuple[Step, ...]] = (
    see_standing,
    see_repos,
    resolve_pairs,
    observe,
    take_before,
    compare_secrets,
    make_plan,
)
PLAN: Final[tuple[Step, ...]] = (*LOOK, *DECIDE)
LOOP: Final[tuple[Step, ...]] = (
    see_standing,
    recall_repos,
    resolve_pairs,
    recall_servers,
    compare_secrets,
    make_plan,
)
"""What the loop does instead of `DECIDE`: it decides from what its other reconcilers saw, and contacts nobody."""


async def walk(rooms: Rooms, seen: Seen, steps: tuple[Step, ...] = PLAN) -> Seen:
    """Go through steps in order; the first that cannot be taken raises."""
    for step in steps:
        seen = await step(rooms, seen)
    return seen


async def walk_narrow(rooms: Rooms, seen: Seen, steps: tuple[Step, ...]) -> Seen:
    """Go through steps that end in a plan, reading only what is known of the targets in scope.

    Where a pair is to go, everything is read after all: how many may go at once is a share of all that is known.
    """
    found = await walk(rooms, replace(seen, narrow=True), steps)
    if any(change.action in LEAVING for change in plan_of(found).changes):
        return await walk(rooms, seen, steps)
    return found
