"""What counts as the result of a job: what its last own step said, by the ledger and not by the clock."""

from datetime import UTC, datetime, timedelta

from controller.jobs.ledger import Ledger, Note
from controller.jobs.machine import Signal
from controller.model.ids import Digest, JobId, RunId
from controller.model.job import Job, StepRun
from controller.reconcile.carrying.results import last_attempt

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def made(*steps: str) -> Ledger:
    return Ledger(
        job=Job(
            id=JobId("job000000001"),
            run=RunId("run000000001"),
            target=None,
            task="report",
            server="here",
            digest=Digest("d" * 64),
            created_at=NOON,
            steps=tuple(StepRun(name=name) for name in steps),
        )
    )


def told(ledger: Ledger, *attempts: tuple[str, datetime]) -> str | None:
    """Let attempts start one after the other, at whatever time the clock says."""
    events = []
    for signal in (Signal.DISPATCH, Signal.START):
        ledger, event = ledger.note(Note(signal=signal), NOON)
        events.append(event)
    for step, at in attempts:
        for signal in (Signal.DISPATCH, Signal.START, Signal.SUCCEED):
            ledger, event = ledger.note(Note(signal=signal, step=step, attempt=1), at)
            events.append(event)
    return last_attempt(ledger.job, events)


def test_the_last_attempt_is_that_of_the_ledger_though_the_clock_went_back() -> None:
    attempts = (("build", NOON), ("report", NOON - timedelta(hours=1)))
    assert told(made("report", "build"), *attempts) == "job000000001.report.1"


def test_steps_that_the_controller_put_in_give_no_result() -> None:
    attempts = [(name, NOON) for name in ("_files", "report", "_health")]
    assert told(made("_files", "report", "_health"), *attempts) == "job000000001.report.1"


def test_a_job_without_attempts_gave_nothing() -> None:
    assert told(made("report")) is None
