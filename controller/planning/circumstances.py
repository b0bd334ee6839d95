"""What the gates know beside the pair itself, worked out once for a whole plan.

Made by `gating`, read by `gates`. Most gates answer alike for every pair of a target: their answers are kept by gate and
target. Calls `suspensions`, `windows`, `approvals` and `outages`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from controller.model.declaration import Declaration, OnCommit, Target
from controller.model.ids import Digest
from controller.model.plan import Blocker, Gate
from controller.model.rollout import ApprovalRule
from controller.planning.approvals import unapproved
from controller.planning.inputs import Inputs, Observed, Policy
from controller.planning.outages import Halt, Outage, failures, halt, outages
from controller.planning.suspensions import suspended
from controller.planning.windows import closed_words, is_open


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What would happen to one target if no gate held it: the digest to approve, and its desired digests."""

    approvable: Digest | None = None
    digests: frozenset[Digest] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Answers by (gate, target); halted rollouts by target; groups with a limit by server."""

    targets: Mapping[tuple[Gate, str], Blocker] = field(default_factory=dict)
    halts: Mapping[str, Halt] = field(default_factory=dict)
    groups: Mapping[str, tuple[Outage, ...]] = field(default_factory=dict)


def gather(  # noqa: PLR0917 - all that a plan is made of
    declaration: Declaration,
    inputs: Inputs,
    observed: Observed,
    policy: Policy,
    now: datetime,
    wanted: Mapping[str, Wanted],
) -> Circumstances:
    """Look around for the targets that want something; all but what they wait for of each other."""
    targets: dict[tuple[Gate, str], Blocker] = {}
    halts: dict[str, Halt] = {}
    for name, one in wanted.items():
        target = declaration.targets.get(name)
        for blocker in _blockers(name, target, one, declaration, inputs, policy, now):
            targets[blocker.gate, name] = blocker
        if target is not None and name not in policy.resuming:
            found = halt(target, failures(target, one.digests, observed))
            if found is not None:
                halts[name] = found
    groups: dict[str, tuple[Outage, ...]] = {}
    for outage in outages(declaration.inventory, observed) if wanted else ():
        for server in outage.servers:
            groups[server] = (*groups.get(server, ()), outage)
    return Circumstances(targets=targets, halts=halts, groups=groups)


def authors_of(name: str, inputs: Inputs) -> Iterator[str]:
    """Name who wrote what would run: the commit of the repo, and that of the declarations."""
    revision = inputs.sources.get(name)
    if revision is not None:
        yield from (revision.author, revision.email)
    if inputs.author is not None:
        yield inputs.author


def _blockers(  # noqa: PLR0917 - one line of the plan for each
    name: str,
    target: Target | None,
    wanted: Wanted,
    declaration: Declaration,
    inputs: Inputs,
    policy: Policy,
    now: datetime,
) -> Iterable[Blocker]:
    found = [suspended(name, target, policy.standing, now)]
    if target is not None:
        found.append(_closed(target, policy.timezone, now))
        # What was approved when a run began stays approved when it is gone on with.
        if wanted.approvable is not None and name not in policy.resuming:
            approvers: Collection[str] = declaration.settings.approvers
            authors = tuple(authors_of(name, inputs))
            found.append(
                unapproved(target, wanted.approvable, policy, approvers=approvers, authors=authors)
            )
            found.append(_waits_for_yes(target, wanted.approvable, policy, approvers))
    found.append(_quarantined(name, inputs, policy, now))
    return [blocker for blocker in found if blocker is not None]


def _waits_for_yes(
    target: Target, digest: Digest, policy: Policy, approvers: Collection[str]
) -> Blocker | None:
    """Hold under `serve` what `on_commit: plan` only shows, until somebody approves it; by hand an apply is the yes."""
    if policy.by_hand or target.on_commit is not OnCommit.PLAN or target.approval is not None:
        return None
    asked = replace(target, approval=ApprovalRule())
    blocker = unapproved(asked, digest, policy, approvers=approvers)
    if blocker is None:
        return None
    return replace(
        blocker, gate=Gate.ON_COMMIT, message=f"on_commit: plan waits for a yes: {blocker.message}"
    )


def _closed(target: Target, timezone: str, now: datetime) -> Blocker | None:
    if is_open(target.windows, now):
        return None
    return Blocker(
        gate=Gate.WINDOW,
        message=closed_words(target.windows, now, timezone),
        clear="wait, or: ctl apply --override window --reason TEXT",
    )


def _quarantined(name: str, inputs: Inputs, policy: Policy, now: datetime) -> Blocker | None:
    """Guard a commit that was rolled back; while its pin stands nothing should ask for it."""
    pin, revision = policy.standing.pins.get(name), inputs.sources.get(name)
    if pin is None or revision is None or revision.sha != pin.bad:
        return None
    if pin.until is not None and now >= pin.until:
        return None
    return Blocker(
        gate=Gate.QUARANTINE,
        message=f"commit {pin.bad[:7]} was rolled back by {pin.by}: {pin.reason}",
        clear=f"ctl rollback {name} --lift",
    )
