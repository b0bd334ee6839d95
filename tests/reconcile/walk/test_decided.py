"""What people decided, in words for the status, and as it was at a moment."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from controller.model.ids import Digest, Sha
from controller.model.standing import Approval, Ignore, Pin, Standing, Suspension
from controller.reconcile.walk.decided import decided_words, standing_at

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BY = "ops@example.com"
SUSPENSION = Suspension(target="shop", reason="audit", by=BY, at=NOW)
PIN = Pin(
    target="shop",
    repo="shop",
    commit=Sha("1" * 40),
    bad=Sha("2" * 40),
    files=(),
    reason="500s",
    by=BY,
    at=NOW,
    until=NOW + timedelta(hours=2),
)
EVERYTHING = Standing(
    suspensions={"shop": SUSPENSION},
    approvals=(Approval(target="shop", digest=Digest("ab"), by=BY, at=NOW),),
    pins={"shop": PIN},
    ignores=(Ignore(target="shop", server="a", reason="x", by=BY, at=NOW, until=NOW),),
)


def test_status_says_who_decided_what_until_when_and_why() -> None:
    assert decided_words(EVERYTHING, "shop", NOW) == (
        "suspended by ops@example.com: audit; "
        "pinned by ops@example.com at 1111111 until 2026-03-01 14:00 UTC: 500s"
    )
    assert decided_words(EVERYTHING, "blog", NOW) is None


def test_what_is_over_is_not_told() -> None:
    over = replace(EVERYTHING, suspensions={})
    assert decided_words(over, "shop", NOW + timedelta(hours=2)) is None


def test_what_was_decided_later_was_not_there() -> None:
    assert standing_at(EVERYTHING, NOW) == EVERYTHING
    assert standing_at(EVERYTHING, NOW - timedelta(microseconds=1)) == Standing()
