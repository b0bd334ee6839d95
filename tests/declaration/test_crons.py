import pytest

from controller.declaration.crons import known_zone, wrong_cron
from tests.declaration.trees import findings, loaded

BASE = "tasks: {t: {run: x}}\nservers: {s: {}}\n"


@pytest.mark.parametrize(
    "line",
    ["* * * * *", "0 9 * * 1-5", "*/15 8-18 * * MON-FRI", "0 0 L * *", "0 0 29 2 *", "0 0 * * 5L"],
)
def test_lines_that_fall_due_are_accepted(line: str) -> None:
    assert wrong_cron(line) is None


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("0 9 * *", "5 fields, got 4"),
        ("0 0 9 * * 1-5", "5 fields, got 6"),
        ("@daily", "5 fields, got 1"),
        ("", "5 fields, got 0"),
        ("60 9 * * *", "minute"),
        ("0 24 * * *", "hour"),
        ("0 9 32 * *", "day-of-month"),
        ("0 9 * 13 *", "month"),
        ("0 9 * * 9", "day-of-week"),
        ("0 9 * * 5-1", "day-of-week"),
        ("0 9 30 2 *", "day-of-month"),
        ("0 0 */31 2 1#5", "never falls due"),
        ("0/0 9 * * *", "minute"),
        ("\u0663 9 * * *", "minute"),
    ],
)
def test_lines_that_never_fall_due_are_not(line: str, why: str) -> None:
    wrong = wrong_cron(line)
    assert wrong is not None
    assert why in wrong


def test_a_zone_is_known_when_this_machine_has_it() -> None:
    assert known_zone("UTC")
    assert known_zone("Europe/Berlin")
    for name in (
        "Europe",
        "Europe/Berln",
        "../../etc/passwd",
        "/etc/localtime",
        "a" * 5_000,
        "a\0b",
    ):
        assert not known_zone(name)


def test_cron_lines_cost_time_so_their_number_has_a_bound() -> None:
    lines = [f"{number % 60} {number // 60} * * *" for number in range(1_100)]
    many = "".join(
        f"  x{at:02}: {{servers: all, task: t, windows: ["
        + ", ".join(f"{{allow: {line}, for: 1h}}" for line in lines[at * 100 : at * 100 + 100])
        + "]}\n"
        for at in range(11)
    )
    assert findings(loaded(f"{BASE}targets:\n{many}")) == [
        "inventory/all.yaml:13:32 too-many-windows"
    ]
    same = "".join(
        f"  x{at:04}: {{servers: all, task: t, windows: [{{allow: 0 9 * * *, for: 1h}}]}}\n"
        for at in range(1_100)
    )
    assert findings(loaded(f"{BASE}targets:\n{same}")) == []


def test_windows_and_schedules_share_the_bound() -> None:
    lines = [f"{number % 60} {number // 60} * * *" for number in range(1_100)]
    many = "".join(
        f"  x{at:04}: {{servers: all, task: t, schedule: {{cron: {line}}}}}\n"
        for at, line in enumerate(lines)
    )
    assert [line.split()[1] for line in findings(loaded(f"{BASE}targets:\n{many}"))] == [
        "too-many-windows"
    ]
