"""Waves: in which order the changes of a target reach its servers, and what a run must keep to meanwhile.

Called by `planner`. The scheduler of `jobs` reads the results; it knows nothing of targets.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from controller.model.declaration import Declaration, Target
from controller.model.ids import Digest
from controller.model.inventory import Inventory
from controller.model.plan import Action, Change, Gate
from controller.model.rollout import GroupBudget, Order, Rollout
from controller.planning.applying import applies
from controller.planning.inputs import Observed, Policy
from controller.planning.order import natural
from controller.planning.outages import down, failures, limited


def sizes(total: int, rollout: Rollout | None) -> Iterator[int]:
    """Give the sizes of the waves of `total` servers: the canaries, then the batches, the last of them repeated."""
    left = total
    for wanted in _wanted(total, rollout):
        if left <= 0:
            return
        size = min(wanted, left)
        left -= size
        yield size


def orders(
    declaration: Declaration,
    observed: Observed,
    policy: Policy,
    changes: Mapping[str, Sequence[Change]],
) -> dict[str, Order]:
    """Say for every declared target that gets jobs what the scheduler must know of it."""
    found = {
        name: _order(declaration.targets[name], observed, policy, changes[name])
        for name in sorted(changes)
        if name in declaration.targets
    }
    return {
        name: order
        for name, order in found.items()
        if any(works(change, found) for change in changes[name])
    }


def numbered(
    declaration: Declaration, made: Mapping[str, Order], changes: Mapping[str, Sequence[Change]]
) -> list[Change]:
    """Give every change of the targets its wave; what does not get a job has none, and says 1."""
    found: list[Change] = []
    for name, group in changes.items():
        target = declaration.targets.get(name)
        rollout = None if target is None else target.rollout
        if rollout is None:
            found += group
            continue
        waves = _waves((one.server for one in group if works(one, made)), rollout)
        for one in group:
            wave = waves.get(one.server, 1) if works(one, made) else 1
            found.append(one if wave == one.wave else replace(one, wave=wave))
    return found


def works(change: Change, made: Mapping[str, Order]) -> bool:
    """Say whether a change gets a job: it is applied, and is more than forgetting."""
    return change.action is not Action.FORGET and applies(change, made)


def budgets(
    inventory: Inventory, observed: Observed, policy: Policy, servers: frozenset[str]
) -> tuple[GroupBudget, ...]:
    """List the limits of groups that a run on `servers` must keep; one passed over does not count who is down."""
    waived = Gate.BUDGET in policy.overrides
    return tuple(
        GroupBudget(
            group=name,
            servers=members,
            limit=limit,
            down=frozenset() if waived else down(members, observed),
        )
        for name, members, limit in limited(inventory)
        if members & servers
    )


def _order(target: Target, observed: Observed, policy: Policy, changes: Iterable[Change]) -> Order:
    made = Order(after=target.after, priority=target.priority, when_offline=target.when_offline)
    rollout = target.rollout
    if rollout is None:
        return made
    # Whether a server that is not reached gets a job hangs on there being a limit, not on its number.
    made = replace(made, pause=rollout.pause, max_failures=0)
    working = [one for one in changes if works(one, {target.name: made})]
    servers = {one.server for one in working}
    gone_on = target.name in policy.resuming or Gate.BUDGET in policy.overrides
    failed = frozenset() if gone_on else _failed(target, observed, changes) - servers
    # What goes on with an earlier run is measured as a whole, as the gate does.
    limit = rollout.max_failures.of(len(target.members if failed else servers))
    return replace(made, max_failures=limit, failed=len(failed))


def _failed(target: Target, observed: Observed, changes: Iterable[Change]) -> frozenset[str]:
    wanted: frozenset[Digest] = frozenset(one.after for one in changes if one.after is not None)
    return frozenset(failures(target, wanted, observed))


def _wanted(total: int, rollout: Rollout | None) -> Iterator[int]:
    if rollout is None:
        yield total
        return
    if rollout.canary:
        yield rollout.canary
    for batch in rollout.batches:
        yield batch.of(total, least=1)
    last = rollout.batches[-1].of(total, least=1) if rollout.batches else total
    while True:
        yield last


def _waves(servers: Iterable[str], rollout: Rollout) -> dict[str, int]:
    ordered = sorted(servers, key=natural)
    waves: dict[str, int] = {}
    begin = 0
    for number, size in enumerate(sizes(len(ordered), rollout), start=1):
        waves.update(dict.fromkeys(ordered[begin : begin + size], number))
        begin += size
    return waves
