from datetime import UTC, datetime

import pytest

from controller.model.declaration import OnCommit
from controller.model.schedule import Overlap, Schedule
from tests.declaration.trees import declared, findings, loaded

BASE = "tasks: {t: {run: x}}\nservers: {s: {}}\n"


def target(keys: str) -> str:
    return BASE + f"targets: {{x: {{servers: all, task: t, {keys}}}}}\n"


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ("{cron: 0 3 * * *}", Schedule(cron="0 3 * * *", timezone="UTC")),
        (
            "{cron: 0 3 * * *, timezone: Europe/Berlin}",
            Schedule(cron="0 3 * * *", timezone="Europe/Berlin"),
        ),
        ("{every: 6h}", Schedule(every=21_600.0)),
        (
            "{every: 1d, anchor: 2026-12-01T03:30:00+01:00}",
            Schedule(every=86_400.0, anchor=datetime(2026, 12, 1, 2, 30, tzinfo=UTC)),
        ),
    ],
)
def test_a_schedule_is_a_cron_line_or_a_length_of_time(keys: str, wanted: Schedule) -> None:
    assert declared(target(f"schedule: {keys}")).targets["x"].schedule == wanted


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ("schedule: {every: 6h}", OnCommit.IGNORE),
        ("schedule: {every: 6h}, on_commit: apply", OnCommit.APPLY),
        ("schedule: {every: 6h}, repo: r", OnCommit.APPLY),
        ("on_drift: report", OnCommit.APPLY),
    ],
)
def test_what_only_the_clock_runs_is_not_run_by_a_commit(keys: str, wanted: OnCommit) -> None:
    text = target(keys) + "repos: {r: {url: /srv/r}}\n"
    assert declared(text).targets["x"].on_commit is wanted


def test_overlap_is_kept_as_it_is_said() -> None:
    both = target("overlap: replace, schedule: {every: 6h}")
    assert declared(both).targets["x"].overlap is Overlap.REPLACE
    assert findings(loaded(both)) == []
    assert declared(target("priority: 1")).targets["x"].overlap is None


def test_overlap_without_a_schedule_is_warned_of() -> None:
    result = loaded(target("overlap: queue"))
    assert result.declaration is not None
    assert findings(result) == ["inventory/all.yaml:3:38 overlap-without-schedule"]


def test_a_schedule_of_its_own_replaces_the_other_kind_of_the_defaults() -> None:
    settings = "settings: {defaults: {targets: {schedule: {cron: 0 3 * * *, timezone: UTC}}}}\n"
    files = {"ctl.yaml": settings, "inventory/all.yaml": target("schedule: {every: 6h}")}
    assert declared(files).targets["x"].schedule == Schedule(every=21_600.0)
    files["inventory/all.yaml"] = target("schedule: {cron: 0 4 * * *}")
    assert declared(files).targets["x"].schedule == Schedule(cron="0 4 * * *")
    files["inventory/all.yaml"] = target("priority: 1")
    assert declared(files).targets["x"].schedule == Schedule(cron="0 3 * * *")


@pytest.mark.parametrize(
    ("keys", "expected", "hint"),
    [
        ("{}", "3:48 wrong-value", None),
        ("{cron: 0 3 * * *, every: 6h}", "3:48 wrong-value", None),
        ("{every: 6h, timezone: UTC}", "3:48 wrong-value", None),
        ("{cron: 0 3 * * *, anchor: 2026-12-01}", "3:48 wrong-value", None),
        ("{crom: 0 3 * * *}", "3:49 unknown-key", "did you mean cron?"),
        ("{cron: 0 3 * *}", "3:55 bad-cron", "0 9 * * 1-5"),
        ("{cron: '@daily'}", "3:55 bad-cron", None),
        ("{cron: 0 3 * * *, timezone: Europe/Berln}", "3:76 unknown-timezone", "Europe/Berlin"),
        ("{every: 59s}", "3:56 wrong-value", None),
        ("{every: 367d}", "3:56 wrong-value", None),
        ("{every: 6 hours}", "3:56 wrong-value", None),
        ("{every: 1d, anchor: 2026-02-30}", "3:68 wrong-value", None),
        ("{every: 1d, anchor: '2026-02-03T04:05:06'}", "3:68 wrong-value", None),
    ],
)
def test_what_is_wrong_with_a_schedule_is_told_at_its_key(
    keys: str, expected: str, hint: str | None
) -> None:
    result = loaded(target(f"schedule: {keys}"))
    assert f"inventory/all.yaml:{expected}" in findings(result)
    assert (hint or "") in " ".join(item.hint or "" for item in result.diagnostics)
