"""The guard between plan and apply: how much one run may touch without a named override.

Called by `planner`; asks `removal` what goes besides. An empty file, a truncated repository or a pattern with a slip of the pen never means "everything".
"""

from collections.abc import Iterable, Iterator
from typing import Final

from controller.model.amount import Amount
from controller.model.declaration import Declaration
from controller.model.plan import Action, Change, Excess, Limit
from controller.planning.inputs import Observed, Policy
from controller.planning.removal import going

FEW: Final = 10
"""Below so many removals a share of them is no alarm."""
LEAVING: Final = frozenset({Action.REMOVE, Action.FORGET})


def excess(
    changes: Iterable[Change], declaration: Declaration, observed: Observed, policy: Policy
) -> tuple[Excess, ...]:
    """List the limits that carrying out `changes` would break, but for those that a person passes over."""
    applied = tuple(changes)
    found = (
        *_zero(applied, declaration, policy),
        *_removals(applied, declaration, observed, policy),
        *_servers(applied, declaration),
    )
    return tuple(one for one in found if one.limit not in policy.overrides)


def known_pairs(observed: Observed) -> int:
    """Count the pairs that have a record or a marker."""
    keys = set(observed.records)
    for server, seen in observed.servers.items():
        keys.update((target, server) for target in seen.markers)
    return len(keys)


def _zero(
    changes: tuple[Change, ...], declaration: Declaration, policy: Policy
) -> Iterator[Excess]:
    leaving = sum(change.action in LEAVING for change in changes)
    if not leaving or (declaration.targets and declaration.inventory.servers):
        return
    targets = {change.target for change in changes if change.action in LEAVING}
    if policy.by_hand and declaration.inventory.servers and len(targets) == 1:
        return  # a person takes away the only target there is, and sees it in the plan
    what = "servers" if declaration.targets else "targets"
    yield _excess(
        Limit.ZERO, f"cannot take it that no {what} are declared: {leaving} known pairs would go"
    )


def _removals(
    changes: tuple[Change, ...], declaration: Declaration, observed: Observed, policy: Policy
) -> Iterator[Excess]:
    leaving = sum(change.action in LEAVING for change in changes)
    if leaving and not policy.by_hand:
        # The loop decides about one target after the other: what one commit takes away counts together.
        leaving = max(leaving, going(declaration, observed))
    amount = declaration.settings.budget.removals
    if not leaving or (amount.percent and leaving < FEW):
        return
    known = known_pairs(observed)
    if leaving > amount.of(known):
        yield _excess(
            Limit.REMOVALS,
            f"cannot remove {leaving} of {known} known pairs at once: {_limit(amount)} may go",
        )


def _servers(changes: tuple[Change, ...], declaration: Declaration) -> Iterator[Excess]:
    amount = declaration.settings.budget.servers
    if amount is None:
        return
    touched = len({change.server for change in changes if change.action is not Action.FORGET})
    total = len(declaration.inventory.servers)
    if touched > amount.of(total):
        yield _excess(
            Limit.SERVERS,
            f"cannot touch {touched} of {total} servers at once: {_limit(amount)} may be touched",
        )


def _limit(amount: Amount) -> str:
    return f"at most {amount}"


def _excess(limit: Limit, message: str) -> Excess:
    return Excess(limit=limit, message=message, clear=f"ctl apply --override {limit} --reason TEXT")
