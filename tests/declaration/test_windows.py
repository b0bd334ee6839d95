import pytest

from controller.declaration.windows import known_zone, wrong_cron
from controller.model.rollout import Window
from tests.declaration.trees import declared, findings, loaded

BASE = "tasks: {t: {run: x}}\nservers: {s: {}}\n"


def target(windows: str) -> str:
    return BASE + f"targets: {{x: {{servers: all, task: t, windows: {windows}}}}}\n"


def test_windows_are_kept_in_order_with_utc_as_the_zone_that_goes_without_saying() -> None:
    text = target(
        "[{allow: 0 9 * * 1-5, for: 8h, timezone: Europe/Berlin}, {allow: 0 3 * * 0, for: 90m}]"
    )
    assert declared(text).targets["x"].windows == (
        Window(allow="0 9 * * 1-5", seconds=28_800.0, timezone="Europe/Berlin"),
        Window(allow="0 3 * * 0", seconds=5_400.0, timezone="UTC"),
    )


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


@pytest.mark.parametrize(
    ("windows", "expected", "hint"),
    [
        ("[]", "3:47 wrong-value", None),
        ("[{allow: 0 9 * * *}]", "3:48 missing-key", None),
        ("[{allow: 0 9 * * *, for: 8h, zone: UTC}]", "3:76 unknown-key", "did you mean timezone?"),
        ("[{allow: 0 9 * *, for: 8h}]", "3:56 bad-cron", "0 9 * * 1-5"),
        ("[{allow: 0 9 * * *, for: 1s}]", "3:72 wrong-value", None),
        ("[{allow: 0 9 * * *, for: 9999d}]", "3:72 wrong-value", None),
        (
            "[{allow: 0 9 * * *, for: 8h, timezone: Europe/Berln}]",
            "3:86 unknown-timezone",
            "did you mean Europe/Berlin?",
        ),
        ("[{allow: 0 9 * * *, for: 8h, timezone: ../x}]", "3:86 wrong-value", None),
        ("[{allow: 0 9 * * *, for: 8h, timezone: Qqqqq}]", "3:86 unknown-timezone", "as in Europe"),
    ],
)
def test_what_is_wrong_with_a_window_is_told_at_its_key(
    windows: str, expected: str, hint: str | None
) -> None:
    result = loaded(target(windows))
    assert findings(result) == [f"inventory/all.yaml:{expected}"]
    assert (hint or "") in (result.diagnostics[0].hint or "")


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
