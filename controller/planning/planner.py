"""The planner: wishes and knowledge in, a plan with reasons out. Pure; it never waits and asks nobody.

Called by `reconcile`. Two passes: `drafts` says what should happen to every pair, `gating` what of it may; then `waves`
says in which order, `guard` whether it is too much, and `summary` counts.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from controller.errors import NotFoundError
from controller.model.declaration import Declaration
from controller.model.digest import digest_of
from controller.model.ids import Digest
from controller.model.job import Trigger
from controller.model.plan import Action, Change, Plan
from controller.model.rollout import Order
from controller.planning import guard, waves
from controller.planning.applying import applies
from controller.planning.drafts import Look
from controller.planning.gates import GateResult, gates
from controller.planning.gating import Gating
from controller.planning.inputs import (
    Inputs,
    Observed,
    PairKey,
    Policy,
)
from controller.planning.order import natural
from controller.planning.question import Question
from controller.planning.rights import needs_root, no_limits
from controller.planning.summary import summarize


def plan(
    declaration: Declaration, inputs: Inputs, observed: Observed, policy: Policy, now: datetime
) -> Plan:
    """Say what would happen to every pair in scope, and why.

    Args:
        declaration: what the revision asks for.
        inputs: its pairs, resolved, and how secrets compare.
        observed: applied records and what was last seen of the servers.
        policy: scope and wishes of the person, or of the loop.
        now: the time of the plan, in UTC.
    """
    look = Look(declaration, inputs, observed, policy, now)
    observed = look.observed
    pairs = look.pairs()
    gating = Gating(look, look.drafts(pairs))
    orders = waves.orders(declaration, observed, policy, gating.changes)
    changes = waves.numbered(declaration, orders, gating.changes)
    changes.sort(key=lambda change: (change.wave, change.target, natural(change.server)))
    servers = {pair.server for pair in pairs} | {change.server for change in changes}
    looks = (observed.servers[name].at for name in servers if name in observed.servers)
    taken = [change for change in changes if applies(change, orders)]
    working = frozenset(change.server for change in taken if waves.works(change, orders))
    return Plan(
        commit=inputs.commit,
        dirty=inputs.dirty,
        author=inputs.author,
        subject=inputs.subject,
        digest=plan_digest(changes, orders),
        created_at=now,
        expires_at=now + policy.expires,
        observed_at=min(looks, default=None),
        changes=tuple(changes),
        diagnostics=(
            *inputs.diagnostics,
            *needs_root(pairs, changes, observed.servers),
            *no_limits(pairs, changes, observed.servers, declaration.tasks),
        ),
        summary=summarize(changes),
        in_sync=len(pairs) - sum(_is_news(change) for change in changes),
        servers=len(servers),
        scope=policy.filters,
        approvable=gating.approvable,
        excess=guard.excess(taken, declaration, observed, policy),
        orders=orders,
        budgets=waves.budgets(declaration.inventory, observed, policy, working),
        serial=policy.serial,
    )


def why(  # noqa: PLR0917 - as `plan`, of one pair
    declaration: Declaration,
    inputs: Inputs,
    observed: Observed,
    policy: Policy,
    pair: PairKey,
    now: datetime,
) -> tuple[GateResult, ...]:
    """List the gates of one pair in order, as they answer now; a pair in sync is asked about as if it would run.

    Raises:
        NotFoundError: the declaration has no such target, or the target does not pick the server.
    """
    target = declaration.targets.get(pair[0])
    if target is None:
        raise NotFoundError(f"no target is named {pair[0]}", hint="ctl get targets lists them")
    if pair[1] not in target.members:
        raise NotFoundError(
            f"target {pair[0]} does not pick server {pair[1]}",
            hint=f"ctl get targets {pair[0]} lists its servers",
        )
    look = Look(declaration, inputs, observed, policy, now)
    gating = Gating(look, look.drafts(look.pairs()), asked=(pair[0],))
    work = next((p.work for p in inputs.pairs if (p.target, p.server) == pair), None)
    subject = look.subject(pair, target, work)
    verdict = None if work is None else look.verdict(subject, work)
    trigger, action = Trigger.INPUTS, Action.CHANGE
    if verdict is not None and verdict.action is not Action.NONE:
        trigger, action = verdict.trigger, verdict.action
    return gates(
        Question(
            subject=subject,
            trigger=trigger,
            policy=policy,
            action=action,
            circumstances=gating.circumstances,
        )
    )


def plan_digest(changes: Iterable[Change], orders: Mapping[str, Order]) -> Digest:
    """Hash what `apply` would do and in which order, and nothing else: not reasons, not what is only shown."""
    rows: list[list[object]] = sorted(
        [c.target, c.server, c.action, c.after or "", c.wave] for c in changes if applies(c, orders)
    )
    rows += [
        [name, *one.after, one.priority, one.pause, one.max_failures, one.when_offline, one.failed]
        for name, one in sorted(orders.items())
    ]
    return digest_of(rows)


def _is_news(change: Change) -> bool:
    """Say whether a declared pair is not in sync; others are only shown because somebody asked, or for a note."""
    if change.after is None or change.action in guard.LEAVING:
        return False
    silent = change.drift is None and change.blocked_by is None and not change.unknown
    return change.action is not Action.NONE or not silent
