from datetime import UTC, datetime

import pytest

from controller.declaration.quantities import amount, instant
from controller.model.amount import Amount


def test_an_amount_is_a_count_or_a_share() -> None:
    assert amount(3) == Amount(number=3)
    assert amount("25%") == Amount(number=25, percent=True)
    assert amount(4.0) == Amount(number=4)  # YAML's 4.0 is a whole number to a schema


@pytest.mark.parametrize("value", ["three", "2.5%", True, None])
def test_what_is_no_amount_raises(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        amount(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01T09:00:00+01:00", datetime(2026, 12, 1, 8, tzinfo=UTC)),
        ("2026-12-01t09:00:00z", datetime(2026, 12, 1, 9, tzinfo=UTC)),
        ("2026-12-01T23:30:00.5-01:00", datetime(2026, 12, 2, 0, 30, 0, 500_000, tzinfo=UTC)),
    ],
)
def test_a_day_or_a_time_is_one_moment_in_utc(text: str, expected: datetime) -> None:
    assert instant(text) == expected
    assert instant(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    ["2026-02-30", "2026-12-01T25:00:00Z", "2026-12-01T09:00:00", "9999-12-31T23:00:00-12:00", "x"],
)
def test_a_moment_that_is_in_no_calendar_raises(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        instant(text)
