"""What must hold whatever was done to a controller: the one oracle that every test of a fault ends with.

Each promise is a function over plain records, so that a simulated world and a real state folder are judged by the same words.
`books.py` reads the records of a real one. What does not hold raises `BrokenPromiseError`, which names the promise and the values.
"""

import hashlib
import itertools
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controller.journal.line import hash_line
from controller.model.ids import AttemptId
from controller.model.job import Event, Job, State

SHOWN: Final = 5
"""Values that a message names."""
PIECE: Final = 1 << 20
ANSWERS: Final[Mapping[str, tuple[str, ...]]] = {
    "api-asked": ("api-answered",),
    "run-submitting": ("run-submitted", "run-refused"),
    "job-starting": ("job-ended",),
    "job-stopping": ("job-stopped",),
    "job-resolving": ("job-resolved",),
    "pair-forgetting": ("pair-forgotten", "pair-kept"),
    "target-suspending": ("target-suspended",),
    "target-resuming": ("target-resumed",),
    "plan-approving": ("plan-approved",),
    "token-creating": ("token-created",),
}
"""Lines before a change, and those of which one stands after it."""
NAMES: Final = ("job", "run", "route", "subject", "target")
"""Fields that tell one change apart from another."""
PASSING: Final = frozenset({State.PENDING, State.DISPATCHED, State.RUNNING, State.LOST})
"""States in which nothing stays for a minute once everything can be reached."""


class BrokenPromiseError(AssertionError):
    """A promise did not hold."""


def demand(holds: object, promise: str, words: str) -> None:
    """Raise unless something holds."""
    if not holds:
        raise BrokenPromiseError(f"{promise}: {words}")


def some(values: Iterable[object]) -> str:
    """Write the first few of some values, and how many there are."""
    found = sorted(map(str, values))
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"{', '.join(found[:SHOWN])}{more}"


def accepted_exist(accepted: Iterable[str], recorded: Iterable[str]) -> None:
    """I1: whatever was answered with 2xx is recorded."""
    lost = set(accepted) - set(recorded)
    demand(not lost, "I1", f"accepted, and gone: {some(lost)}")


def started_once(starts: Iterable[str]) -> None:
    """I2: no attempt began twice; `starts` are the attempts that said so themselves, one each time."""
    twice = [f"{one} x{count}" for one, count in Counter(starts).items() if count > 1]
    demand(not twice, "I2", f"attempts that began more than once: {some(twice)}")


def as_often_as_allowed(starts: Iterable[str], allowed: Mapping[tuple[str, str], int]) -> None:
    """I3: no step of a job began more often than it may; `allowed` says by job and step how often that is.

    An attempt that nobody ever recorded must not begin at all.
    """
    counted: Counter[tuple[str, str]] = Counter()
    for attempt in starts:
        job, step, _ = attempt.split(".", 2)
        counted[job, step] += 1
    more = [f"{key} x{n}" for key, n in counted.items() if n > allowed.get(key, 0)]
    demand(not more, "I3", f"steps that began more often than allowed: {some(more)}")


def ends_stay(job: str, events: Sequence[Event]) -> None:
    """I4: what has ended stays as it is, for the job, its steps and its attempts; only what is lost may still change."""
    ends: dict[tuple[str | None, int | None], State] = {}
    for event in events:
        key = (event.step, event.attempt)
        before = ends.get(key)
        if before is not None and event.state is not before:
            words = (
                f"{job} {event.step or ''} {event.attempt or ''} was {before}, then {event.state}"
            )
            demand(before is State.LOST, "I4", words)
        if event.state.ended and not (event.step and event.attempt is None):
            ends[key] = event.state  # a step goes on with its next attempt
    numbers = [event.seq for event in events]
    demand(
        numbers == list(range(1, len(numbers) + 1)), "I4", f"ledger of {job} has gaps: {numbers}"
    )


def end_stayed(before: Mapping[str, State], after: Mapping[str, State]) -> None:
    """I4: jobs that were seen as ended are still there, and ended the same way."""
    for job, state in before.items():
        if state.ended and state is not State.LOST:
            now = after.get(job)
            demand(now is state, "I4", f"job {job} was {state}, and is {now}")


def output_whole(
    job: Job, written: Mapping[AttemptId, bytes], stored: Mapping[AttemptId, bytes]
) -> None:
    """I5: what is stored is what was written, and length and SHA-256 say so; `written` holds outputs below the cap."""
    for step in job.steps:
        for attempt in step.attempts:
            if attempt.id not in written or attempt.state in PASSING:
                continue
            data, there = written[attempt.id], stored.get(attempt.id, b"")
            if attempt.state is State.INTERRUPTED:  # nobody wrote down how much there was
                words = f"{attempt.id}: what is stored was never written"
                demand(data.startswith(there), "I5", words)
                continue
            same = f"{attempt.id}: {len(there)} bytes are stored of {len(data)} that were written"
            demand(there == data, "I5", same)
            demand(attempt.length == len(data), "I5", f"{attempt.id}: length {attempt.length}")
            sha256 = hashlib.sha256(data).hexdigest()
            demand(attempt.sha256 == sha256, "I5", f"{attempt.id}: SHA-256 {attempt.sha256}")


def database_sound(path: Path) -> None:
    """I6: the database is whole, and everything that points somewhere points at something."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as shelf:
        try:
            said = [str(row[0]) for row in shelf.execute("PRAGMA integrity_check")]
        except sqlite3.DatabaseError as error:
            said = [str(error)]
        demand(said == ["ok"], "I6", f"{path.name} is damaged: {some(said)}")
        dangling = [str(row) for row in shelf.execute("PRAGMA foreign_key_check")]
        demand(not dangling, "I6", f"{path.name} has rows that point nowhere: {some(dangling)}")


def epochs_apart(writes: Sequence[int]) -> None:
    """I7: once a later epoch wrote, no earlier one did; `writes` are the epochs in the order of their writes."""
    for at, (one, other) in enumerate(itertools.pairwise(writes)):
        demand(one <= other, "I7", f"epoch {other} wrote after epoch {one} (write {at + 2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One line of the activity log: what happened, and what tells its change apart from others."""

    event: str
    subject: str = ""


def read_chain(path: Path) -> list[Told]:
    """I8: read a log file; each line holds the hash of the line before, and none is missing.

    This is another reader than the one of the controller: whoever writes both makes the same mistake in both.
    """
    lines = path.read_bytes().splitlines()
    told: list[Told] = []
    before = "0" * 64
    for number, line in enumerate(lines, start=1):
        found = json.loads(line)
        demand(found["prev"] == before, "I8", f"{path.name} line {number} does not chain")
        demand(found["seq"] == number, "I8", f"{path.name} line {number} says {found['seq']}")
        before = hash_line(line)
        names = ("name",) if found["event"].startswith("token-") else NAMES
        parts = [str(found.get(name, "")) for name in names]
        told.append(Told(event=found["event"], subject=" ".join(filter(None, parts))))
    return told


def told_before_and_after(told: Sequence[Told], *, broken_off: int = 0) -> None:
    """I8: each change has a line before and one after it.

    Args:
        told: the lines, oldest first.
        broken_off: how many changes a kill may have cut off before their second line.
    """
    owed: dict[tuple[str, str], int] = defaultdict(int)
    for line in told:
        for before, afters in ANSWERS.items():
            key = (before, line.subject)
            if line.event == before:
                owed[key] += 1
            elif line.event in afters:
                words = f"{line.event} {line.subject} without {before}"
                demand(owed[key] > 0 or broken_off, "I8", words)
                again = before == "job-starting"  # whoever takes a job up says so once more
                owed[key] = 0 if again else max(0, owed[key] - 1)
    open_ = [f"{event} {subject}" for (event, subject), count in owed.items() if count]
    demand(
        len(open_) <= broken_off, "I8", f"changes that were begun and not told of: {some(open_)}"
    )


def nothing_passing(jobs: Iterable[Job], waiting: Iterable[str] = ()) -> None:
    """I9: a minute after everything can be reached again nothing is on its way.

    Args:
        jobs: all jobs.
        waiting: keys of the queue that are worked on, or are due and not taken.
    """
    open_ = [f"{job.id} is {job.state} ({job.reason})" for job in jobs if job.state in PASSING]
    demand(not open_, "I9", f"still on their way: {some(open_)}")
    demand(not list(waiting), "I9", f"keys that wait for nothing: {some(waiting)}")


def no_canary(canaries: Iterable[bytes], places: Iterable[Path], *texts: bytes) -> None:
    """No secret stands in any file below some places, nor in any text."""
    wanted = list(canaries)
    for canary in wanted:
        demand(all(canary not in text for text in texts), "secrets", "a canary was said")
    for place in places:
        for file in [place] if place.is_file() else sorted(place.rglob("*")):
            if file.is_file() and not file.is_symlink():
                found = _found(file, wanted)
                demand(found is None, "secrets", f"a canary stands in {file}")


def _found(file: Path, canaries: Sequence[bytes]) -> bytes | None:
    """Look for canaries in a file, piece by piece, also across the borders of pieces."""
    longest = max(map(len, canaries), default=1)
    rest = b""
    try:
        with file.open("rb") as stream:
            while piece := stream.read(PIECE):
                text = rest + piece
                for canary in canaries:
                    if canary in text:
                        return canary
                rest = text[-longest:]
    except FileNotFoundError:
        return None
    return None
