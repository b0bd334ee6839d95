"""Asking the gates of one pair, with all that they need to know: what comes before its target, too.

Called by the facade for `ctl why`, and by `retrying`.
"""

from dataclasses import replace

from controller.model.declaration import Declaration
from controller.planning import planner
from controller.planning.gates import GateResult
from controller.planning.inputs import PairKey
from controller.reconcile.exchange.requests import PlanRequest
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.deciding import inputs_of, policy_of
from controller.reconcile.walk.known import known_seen
from controller.reconcile.walk.seen import Seen
from controller.reconcile.walk.steps import DECIDE, LOOK, walk


async def ask(rooms: Rooms, pair: PairKey, *, retry: bool = False) -> tuple[GateResult, ...]:
    """Ask every gate of a pair, in order; `retry`: as if a person ran it again.

    Raises:
        NotFoundError: there is no such target, or it does not pick the server.
    """
    seen = await walk(rooms, Seen(request=PlanRequest(targets=(pair[0],))), LOOK)
    if pair[0] in seen.declaration.targets:
        names = frozenset(before(seen.declaration, pair[0]))
        seen = replace(seen, scope=replace(seen.scope, targets=names))
    seen = replace(seen, retry=frozenset({pair} if retry else ()))
    seen = await walk(rooms, seen, DECIDE)
    # That only some targets were looked at names none of them, as a retry does.
    named = frozenset({pair[0]} if retry else ())
    return planner.why(
        seen.declaration,
        inputs_of(seen),
        known_seen(seen),
        replace(policy_of(seen), named=named, proved=rooms.proved),
        pair,
        rooms.clock.now(),
    )


def before(declaration: Declaration, name: str) -> set[str]:
    """Give a target and all that come before it, however far."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one not in found and one in declaration.targets:
            found.add(one)
            waiting += declaration.targets[one].after
    return found
