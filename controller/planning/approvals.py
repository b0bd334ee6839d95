"""Approvals: whether enough people said yes to exactly what a plan does to a target.

Called by `circumstances`. A yes is bound to the digest of the target's changes, so that it counts for nothing else.
"""

from collections.abc import Collection, Iterable, Sequence

from controller.model.declaration import Target
from controller.model.digest import digest_of
from controller.model.ids import Digest
from controller.model.plan import Action, Blocker, Change, Gate
from controller.model.standing import Approval
from controller.planning.inputs import Policy


def approvable(changes: Iterable[Change]) -> Digest | None:
    """Hash what would happen to one target if no gate held it back; None when nothing would."""
    rows = sorted(
        [change.target, change.server, change.action, change.after or ""]
        for change in changes
        if change.action is not Action.NONE and not change.unknown
    )
    return digest_of(rows) if rows else None


def unapproved(
    target: Target,
    digest: Digest,
    policy: Policy,
    *,
    approvers: Collection[str] = (),
    authors: Iterable[str] = (),
) -> Blocker | None:
    """Say how many approvals are missing.

    Args:
        target: what is to be approved; without a rule nothing is missing.
        digest: what `approvable` gave for its changes.
        policy: what stands, and whether names are proved.
        approvers: the names that count; empty: all.
        authors: names and addresses of those who wrote the commits.
    """
    rule = target.approval
    if rule is None:
        return None
    clear = f"ctl approve {target.name}"
    if rule.required > 1 and not policy.proved:
        return Blocker(
            gate=Gate.APPROVAL,
            message=f"{rule.required} approvals can only be counted by a controller",
            clear=f"{clear} --controller URL",
        )
    mine = [one for one in policy.standing.approvals if one.target == target.name]
    said = [one for one in mine if one.digest == digest]
    wrote = _calls(authors) if rule.not_author else set()
    counted = {
        one.by
        for one in said
        if (one.proved or not policy.proved)
        and (not approvers or one.by in approvers)
        and not wrote & _calls([one.by])
    }
    if len(counted) >= rule.required:
        return None
    return Blocker(
        gate=Gate.APPROVAL,
        message=f"{len(counted)} of {rule.required} approvals for plan {digest[:8]}"
        + _remark(mine, said, counted),
        clear=clear,
    )


def _remark(mine: Sequence[Approval], said: Sequence[Approval], counted: Collection[str]) -> str:
    """Say what became of an approval that does not count."""
    refused = sorted({one.by for one in said} - set(counted))
    if refused:
        return f" (that of {', '.join(refused)} does not count: author, no approver, or not proved)"
    return " (what was approved is another plan)" if mine and not said else ""


def _calls(names: Iterable[str]) -> set[str]:
    """Spread names to what a person may be called: as written, and what is before an @."""
    folded = {name.casefold() for name in names if name}
    return folded | {name.partition("@")[0] for name in folded if "@" in name}
