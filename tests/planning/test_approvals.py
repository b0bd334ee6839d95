"""Whose yes counts, and how many there must be."""

from datetime import UTC, datetime

import pytest

from controller.model.declaration import Target
from controller.model.ids import Digest
from controller.model.plan import Action, Change
from controller.model.rollout import ApprovalRule
from controller.model.standing import Approval, Standing
from controller.planning.approvals import approvable, unapproved
from controller.planning.inputs import Policy

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WANTED, OTHER = Digest("1a2b3c4d" * 8), Digest("f" * 64)


def yes(by: str, digest: Digest = WANTED, *, proved: bool = True, target: str = "web") -> Approval:
    return Approval(target=target, digest=digest, by=by, at=NOW, proved=proved)


def said(
    rule: ApprovalRule | None,
    *given: Approval,
    proved: bool = True,
    approvers: tuple[str, ...] = (),
    authors: tuple[str, ...] = (),
) -> str | None:
    target = Target(name="web", task="t", servers="", approval=rule)
    policy = Policy(standing=Standing(approvals=given), proved=proved)
    found = unapproved(target, WANTED, policy, approvers=approvers, authors=authors)
    return None if found is None else found.message


TWO = ApprovalRule(required=2)
NOT_COUNTED = "does not count: author, no approver, or not proved)"


def test_without_a_rule_nobody_has_to_say_yes() -> None:
    assert said(None) is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((), "0 of 2 approvals for plan 1a2b3c4d"),
        ((yes("a"),), "1 of 2 approvals for plan 1a2b3c4d"),
        ((yes("a"), yes("a")), "1 of 2 approvals for plan 1a2b3c4d"),
        ((yes("a"), yes("b")), None),
        ((yes("a"), yes("b", target="db")), "1 of 2 approvals for plan 1a2b3c4d"),
        (
            (yes("a"), yes("b", proved=False)),
            f"1 of 2 approvals for plan 1a2b3c4d (that of b {NOT_COUNTED}",
        ),
        (
            (yes("a", OTHER), yes("b", OTHER)),
            "0 of 2 approvals for plan 1a2b3c4d (what was approved is another plan)",
        ),
    ],
)
def test_different_people_must_approve_exactly_this(
    given: tuple[Approval, ...], message: str | None
) -> None:
    assert said(TWO, *given) == message


def test_by_hand_one_yes_is_enough_and_several_cannot_be_told_apart() -> None:
    assert said(ApprovalRule(), yes("a@desk", proved=False), proved=False) is None
    many = (yes("a@desk", proved=False), yes("b@desk", proved=False))
    assert said(TWO, *many, proved=False) == "2 approvals can only be counted by a controller"


def test_authors_and_strangers_do_not_count() -> None:
    rule = ApprovalRule(required=1, not_author=True)
    assert said(rule, yes("Ann"), authors=("ann@example.com",)) is not None
    assert said(rule, yes("bea"), authors=("ann@example.com",)) is None
    assert said(ApprovalRule(), yes("ann"), authors=("ann@example.com",)) is None
    assert said(ApprovalRule(), yes("ann"), approvers=("bea",)) is not None
    assert said(ApprovalRule(), yes("bea"), approvers=("bea",)) is None


def change(server: str, action: Action = Action.CHANGE, after: Digest = WANTED) -> Change:
    return Change(target="web", server=server, task="t", action=action, after=after)


def test_what_is_approved_is_what_would_happen_in_any_order() -> None:
    one, two = change("web-1"), change("web-2")
    assert approvable([one, two]) == approvable([two, one])
    assert approvable([one]) != approvable([one, two])
    assert approvable([one]) != approvable([change("web-1", after=OTHER)])
    assert approvable([one]) != approvable([change("web-1", Action.REPAIR)])
    assert approvable([]) is None
    assert approvable([change("web-1", Action.NONE)]) is None
