"""Times to come, as people type them; and how the runs of a target are shown."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, strategies as st

from controller.cli.deciding import needed_reason, read_until
from controller.errors import UsageError
from controller.model.ids import RunId, Sha
from controller.model.job import Run, State, Trigger
from controller.model.past import TargetRun
from controller.reconcile.documents import result_of, seconds_of
from controller.reconcile.exchange.decisions import PastRun
from tests.cli.stage import NOW, Stage


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", NOW + timedelta(hours=2)),
        ("3d", NOW + timedelta(days=3)),
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01T09:30:00Z", datetime(2026, 12, 1, 9, 30, tzinfo=UTC)),
        ("2026-12-01T09:30:00+02:00", datetime(2026, 12, 1, 7, 30, tzinfo=UTC)),
        ("2026-03-01T12:00:01", NOW + timedelta(seconds=1)),
    ],
)
def test_a_time_to_come_is_a_duration_a_date_or_a_moment(text: str, moment: datetime) -> None:
    found = read_until(text, NOW)
    assert found == moment
    assert found is not None
    assert found.tzinfo is UTC


def test_without_a_time_there_is_no_end() -> None:
    assert read_until(None, NOW) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2h3m",
        "-2h",
        "2026-13-01",
        "2026-03-01",
        "0s",
        "999999999d",
        "9999-12-31T23:59-14:00",
    ],
)
def test_what_is_no_time_to_come_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        read_until(text, NOW)
    assert "2h" in (refusal.value.hint or "")


@given(st.text(max_size=20))
def test_whatever_is_typed_is_a_time_to_come_or_refused(text: str) -> None:
    try:
        found = read_until(text, NOW)
    except UsageError:
        return
    assert found is not None
    assert found > NOW


@pytest.mark.parametrize("text", [None, "", "  \n"])
def test_a_reason_is_not_nothing(text: str | None) -> None:
    with pytest.raises(UsageError):
        needed_reason(text)


def past(*states: State, **changes: object) -> PastRun:
    counts = {state: states.count(state) for state in states}
    values: dict[str, object] = {
        "run": RunId("run1"),
        "target": "shop",
        "created_at": NOW - timedelta(hours=1),
        "trigger": Trigger.ROLLBACK,
        "cause": "pinned\x1b[2J at 1111111",
        "commits": (Sha("1" * 40),),
        "states": counts,
        "servers": ("web-1", "web-2"),
        "started_at": NOW - timedelta(minutes=59),
        "finished_at": NOW - timedelta(minutes=58),
    }
    run = Run(id=RunId("run1"), actor="ops@example.com", created_at=NOW, halted={"shop": "why"})
    return PastRun(sums=TargetRun(**(values | changes)), run=run)  # type: ignore[arg-type]


def test_the_result_is_one_word_or_how_many_ended_how() -> None:
    good = past(State.SUCCEEDED, State.SUCCEEDED)
    assert result_of(PastRun(sums=good.sums)) == "succeeded"
    mixed = past(State.SUCCEEDED, State.FAILED, State.SUCCEEDED)
    assert result_of(mixed) == "halted, 1 failed, 2 succeeded"
    assert seconds_of(good.sums) == 60
    assert seconds_of(past(State.PENDING, started_at=None, finished_at=None).sums) is None


class Historian:
    def __init__(self, *runs: PastRun) -> None:
        self._runs = runs

    async def history(self, target: str, *, limit: int) -> tuple[PastRun, ...]:
        assert target == "shop"
        return self._runs[:limit]


def test_history_shows_one_safe_line_for_each_run() -> None:
    stage = Stage(controller=Historian(past(State.SUCCEEDED), past(State.FAILED)))
    seen = stage("history", "shop", "-o", "wide")
    assert seen.code == 0
    rows = seen.out.splitlines()
    assert len(rows) == 3
    for word in ("run1", "1 h ago", "1111111", "60 s", "ops@example.com", "rollback: pinned"):
        assert word.replace("60 s", "1 min") in rows[1]
    assert "\x1b" not in seen.out
    assert "next: ctl jobs list --run run1" in seen.err


def test_history_as_a_document_has_everything() -> None:
    stage = Stage(controller=Historian(past(State.SUCCEEDED)))
    (found,) = json.loads(stage("history", "shop", "-o", "json").out)
    assert found["result"] == "halted, succeeded"
    assert found["halted"] == "why"
    assert found["commits"] == ["1" * 40]
    assert found["states"] == {"succeeded": 1}
    assert found["trigger"] == "rollback"
    assert found["started_at"] == "2026-03-01T11:01:00Z"
    assert found["seconds"] == 60
    lines = stage("history", "shop", "-o", "jsonl").out.splitlines()
    assert json.loads(lines[0]) == found
    assert stage("history", "shop", "-o", "name").out == "run1\n"


def test_zones_of_people_do_not_matter() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=9)))
    assert read_until("2h", elsewhere) == NOW + timedelta(hours=2)
