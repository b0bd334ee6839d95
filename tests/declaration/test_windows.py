import pytest

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
