"""The oracle itself: every promise can be broken, and says which."""

import hashlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.clock import SystemClock
from controller.journal.log import Log
from controller.model.ids import AttemptId, Digest, JobId, RunId
from controller.model.job import Attempt, Event, Job, State, StepRun
from tests.faults import left, oracle
from tests.faults.oracle import BrokenPromiseError, Told

NOW = datetime(2026, 12, 1, tzinfo=UTC)
ONE = AttemptId("job1.run.1")
DATA = b"written\n"
JOB = Job(
    id=JobId("job1"),
    run=RunId("run1"),
    target=None,
    task="a",
    server="here",
    state=State.SUCCEEDED,
    digest=Digest("0" * 64),
    created_at=NOW,
    steps=(
        StepRun(
            name="run",
            state=State.SUCCEEDED,
            attempts=(
                Attempt(
                    id=ONE,
                    number=1,
                    state=State.SUCCEEDED,
                    length=len(DATA),
                    sha256=hashlib.sha256(DATA).hexdigest(),
                ),
            ),
        ),
    ),
)


def ledger(*states: State, step: str | None = None, attempt: int | None = None) -> list[Event]:
    return [
        Event(job=JOB.id, seq=seq, at=NOW, state=state, step=step, attempt=attempt)
        for seq, state in enumerate(states, start=1)
    ]


def broken(promise: str, check: Callable[[], object]) -> None:
    with pytest.raises(BrokenPromiseError, match=rf"^{promise}: \S"):
        check()


def test_a_job_that_was_accepted_and_is_gone_breaks_a_promise() -> None:
    oracle.accepted_exist(["a"], ["a", "b"])
    broken("I1", lambda: oracle.accepted_exist(["a", "c"], ["a", "b"]))


def test_an_attempt_that_began_twice_breaks_a_promise() -> None:
    oracle.started_once(["a.run.1", "a.run.2", "b.run.1"])
    broken("I2", lambda: oracle.started_once(["a.run.1", "b.run.1", "a.run.1"]))


def test_a_step_that_began_too_often_or_was_never_recorded_breaks_a_promise() -> None:
    oracle.as_often_as_allowed(["a.run.1", "a.run.2"], {("a", "run"): 2})
    broken("I3", lambda: oracle.as_often_as_allowed(["a.run.1", "a.run.2"], {("a", "run"): 1}))
    broken("I3", lambda: oracle.as_often_as_allowed(["b.run.1"], {("a", "run"): 1}))


def test_an_end_that_changes_breaks_a_promise_but_for_what_was_lost() -> None:
    oracle.ends_stay("a", ledger(State.RUNNING, State.LOST, State.RUNNING, State.SUCCEEDED))
    oracle.ends_stay("a", ledger(State.FAILED, State.RUNNING, step="run"))
    broken("I4", lambda: oracle.ends_stay("a", ledger(State.CANCELLED, State.SUCCEEDED)))
    attempts = ledger(State.FAILED, State.RUNNING, step="run", attempt=1)
    broken("I4", lambda: oracle.ends_stay("a", attempts))
    gap = [replace(one, seq=one.seq * 2) for one in ledger(State.RUNNING, State.SUCCEEDED)]
    broken("I4", lambda: oracle.ends_stay("a", gap))
    oracle.end_stayed({"a": State.RUNNING, "b": State.LOST}, {"a": State.FAILED})
    broken("I4", lambda: oracle.end_stayed({"a": State.FAILED}, {"a": State.SUCCEEDED}))
    broken("I4", lambda: oracle.end_stayed({"a": State.FAILED}, {}))


@pytest.mark.parametrize("stored", [b"", DATA[1:], DATA + b"x", DATA.upper()])
def test_output_that_is_not_what_was_written_breaks_a_promise(stored: bytes) -> None:
    oracle.output_whole(JOB, {ONE: DATA}, {ONE: DATA})
    broken("I5", lambda: oracle.output_whole(JOB, {ONE: DATA}, {ONE: stored}))


def test_what_was_stored_of_an_interrupted_attempt_is_a_beginning_of_what_it_wrote() -> None:
    step = JOB.steps[0]
    attempt = replace(step.attempts[0], state=State.INTERRUPTED, length=None, sha256=None)
    job = replace(JOB, steps=(replace(step, attempts=(attempt,)),))
    oracle.output_whole(job, {ONE: DATA}, {ONE: DATA[:3]})
    broken("I5", lambda: oracle.output_whole(job, {ONE: DATA}, {ONE: DATA[1:]}))


@pytest.mark.parametrize("change", [{"length": 1}, {"sha256": "0" * 64}, {"length": None}])
def test_a_wrong_length_or_hash_breaks_a_promise(change: dict[str, object]) -> None:
    step = JOB.steps[0]
    attempt = replace(step.attempts[0], **change)  # type: ignore[arg-type]
    job = replace(JOB, steps=(replace(step, attempts=(attempt,)),))
    broken("I5", lambda: oracle.output_whole(job, {ONE: DATA}, {ONE: DATA}))


def test_a_database_with_rows_that_point_nowhere_or_torn_pages_breaks_a_promise(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as shelf:
        shelf.execute("CREATE TABLE a (id INTEGER PRIMARY KEY, text TEXT)")
        shelf.execute("CREATE TABLE b (a INTEGER REFERENCES a (id))")
        shelf.executemany("INSERT INTO a (text) VALUES (?)", [("x" * 900,)] * 200)
        shelf.execute("INSERT INTO b VALUES (1)")
        shelf.commit()
        oracle.database_sound(path)
        shelf.execute("INSERT INTO b VALUES (9999)")
        shelf.commit()
    broken("I6", lambda: oracle.database_sound(path))
    data = bytearray(path.read_bytes())
    data[40 * 4096 : 40 * 4096 + 64] = b"\xff" * 64
    path.write_bytes(data)
    broken("I6", lambda: oracle.database_sound(path))


def test_epochs_that_write_by_turns_break_a_promise() -> None:
    oracle.epochs_apart([1, 1, 2, 2, 4])
    broken("I7", lambda: oracle.epochs_apart([1, 2, 1, 2]))


async def test_a_log_that_was_changed_or_shortened_breaks_a_promise(tmp_path: Path) -> None:
    log = Log(tmp_path, "activity", clock=SystemClock())
    await log.append("run-submitting", "ops", run="r")
    await log.append("run-submitted", "ops", run="r")
    (path,) = tmp_path.rglob("activity-*.log")  # noqa: ASYNC240 - nothing else waits
    told = oracle.read_chain(path)
    assert [(one.event, one.subject) for one in told] == [
        ("run-submitting", "r"),
        ("run-submitted", "r"),
    ]
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"ops"', b'"eve"', 1))
    broken("I8", lambda: oracle.read_chain(path))
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[1:]))
    broken("I8", lambda: oracle.read_chain(path))


def test_a_change_that_is_told_of_only_once_breaks_a_promise() -> None:
    before, after = Told(event="job-starting", subject="a"), Told(event="job-ended", subject="a")
    oracle.told_before_and_after([before, after])
    oracle.told_before_and_after([before], broken_off=1)
    broken("I8", lambda: oracle.told_before_and_after([before]))
    broken("I8", lambda: oracle.told_before_and_after([after]))
    other = replace(after, subject="b")
    broken("I8", lambda: oracle.told_before_and_after([before, other]))


@pytest.mark.parametrize("state", sorted(oracle.PASSING))
def test_what_is_still_on_its_way_breaks_a_promise(state: State) -> None:
    oracle.nothing_passing([JOB])
    broken("I9", lambda: oracle.nothing_passing([replace(JOB, state=state)]))
    broken("I9", lambda: oracle.nothing_passing([JOB], ["target/t"]))


def test_a_canary_in_a_file_or_a_text_breaks_a_promise(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "file"
    file.parent.mkdir()
    file.write_bytes(b"harmless")
    oracle.no_canary([b"canary"], [tmp_path], b"text")
    broken("secrets", lambda: oracle.no_canary([b"canary"], [tmp_path], b"a canary"))
    file.write_bytes(b"x" * (oracle.PIECE - 3) + b"canary")
    broken("secrets", lambda: oracle.no_canary([b"canary"], [tmp_path]))


def test_a_process_or_file_that_was_left_breaks_a_promise(tmp_path: Path) -> None:
    before = left.Left.of(tmp_path, tmp_path)
    left.nothing_left(before, left.Left.of(tmp_path, tmp_path))
    words = "import sys; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", words, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        broken("left", lambda: left.nothing_left(before, left.Left.of(tmp_path)))
    left.nothing_left(before, left.Left.of(tmp_path))
    (tmp_path / "temporary").touch()
    broken("left", lambda: left.nothing_left(before, left.Left.of(tmp_path, tmp_path)))


def test_descriptors_that_are_kept_break_a_promise() -> None:
    before = left.held(os.getpid())
    held = [os.memfd_create(f"kept-{number}") for number in range(20)]
    try:
        broken("left", lambda: left.nothing_grew(before, left.held(os.getpid())))
    finally:
        for one in held:
            os.close(one)
    left.nothing_grew(before, left.held(os.getpid()))
