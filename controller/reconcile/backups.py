"""Backups of a state, and what a restored one may do: nothing, until a person says so.

Called by the faces; calls the store, the journal and the log. A backup is a moment of the past: work it takes for open may long be
over, and its claims on the servers gone. So whatever was open in it is closed here, before anything can drive it: what had not
begun is cancelled, what had begun is interrupted. What became of a pair is told by the marker on its server, which is right.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from controller import __version__
from controller.clock import Clock
from controller.errors import RefusedError, StateError
from controller.jobs.held import HELD
from controller.jobs.ledger import Ledger, Note
from controller.jobs.machine import Signal
from controller.journal.backup import Paper, pack, unpack
from controller.journal.log import Log
from controller.model.job import Event, Job, State
from controller.reconcile.exchange.answers import Restored
from controller.reconcile.identity import become_another
from controller.store.backup import copy_database
from controller.store.folder import sync_folder
from controller.store.ports import Store

PLANNED_ANEW: Final = "restored from a backup: it never began then, and is planned anew"
UNKNOWN: Final = (
    "restored from a backup: it was under way then, and nobody asks its server any more"
)

Opener = Callable[[Path], Store]
"""Opens the store of a state folder."""


async def backup(folder: Path, goal: Path, *, clock: Clock, log: Log, actor: str) -> Paper:
    """Write a backup of a state folder, while others work in it.

    Raises:
        StateError: something cannot be read or written, or the goal is there already.
    """
    await log.append("backup-making", actor, file=str(goal))
    made_at = clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def write() -> Paper:
        if goal.exists():
            raise StateError(f"cannot write {goal}: it is there already", hint="name another file")
        with tempfile.TemporaryDirectory(prefix=".backup-", dir=goal.parent) as place:
            copy = Path(place) / "state.db"
            copy_database(folder, copy)
            return pack(folder, copy, goal, made_at=made_at, version=__version__)

    paper = await asyncio.to_thread(write)
    await log.append("backup-made", actor, file=str(goal), files=len(paper.files))
    return paper


async def restore(
    source: Path, folder: Path, *, clock: Clock, open_store: Opener, actor: str
) -> Restored:
    """Write a backup into a state folder that is not there yet, or empty, and hold it back.

    Raises:
        RefusedError: the folder holds something.
        StateError: it is no backup, is damaged, or is of a newer program.
    """
    part = await asyncio.to_thread(_make_part, folder)
    try:
        done = await _fill(part, source, clock=clock, open_store=open_store, actor=actor)
        await asyncio.to_thread(_put_in_place, part, folder)
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, part, ignore_errors=True)
        raise
    return done


async def _fill(
    part: Path, source: Path, *, clock: Clock, open_store: Opener, actor: str
) -> Restored:
    """Write a backup into a folder that nobody knows yet, and hold it back there."""
    paper = await asyncio.to_thread(unpack, source, part)
    logs = part / "logs"
    await asyncio.to_thread(logs.mkdir, mode=0o700, exist_ok=True)
    log = Log(logs, "activity", clock=clock)
    told = {"file": str(source), "made_at": paper.made_at, "version": paper.version}
    await log.append("restoring", actor, **told)
    store = open_store(part)
    try:
        cancelled, interrupted = await hold_back(
            store, clock, why=f"restored from a backup of {paper.made_at}"
        )
    finally:
        await store.close()
    await log.append("restored", actor, **told, cancelled=cancelled, interrupted=interrupted)
    return Restored(
        made_at=paper.made_at,
        version=paper.version,
        files=len(paper.files),
        cancelled=cancelled,
        interrupted=interrupted,
    )


async def hold_back(store: Store, clock: Clock, *, why: str) -> tuple[int, int]:
    """Mark a state so that it dispatches nothing, and close what it takes for open; say how many were cancelled and interrupted."""
    await store.marks.put(HELD, why)
    await become_another(store)
    found = await store.jobs.open()
    for job in found:
        await _close(store, clock, job)
    cancelled = sum(job.state is State.PENDING for job in found)
    return cancelled, len(found) - cancelled


async def release(store: Store, log: Log, *, actor: str, reason: str) -> str | None:
    """Let a state that is held dispatch again; give why it was held, None where it was not."""
    held = await store.marks.get(HELD)
    if held is not None:
        told = {"held": held, "reason": reason}
        await log.append("dispatch-releasing", actor, **told)
        await store.marks.swap(HELD, held, None)
        await log.append("dispatch-released", actor, **told)
    return held


async def _close(store: Store, clock: Clock, job: Job) -> None:
    """Write down that a job is over."""
    events = await store.jobs.events(job.id)
    ledger, made = Ledger(job=job, seq=events[-1].seq if events else 0), list[Event]()
    for note in endings(job):
        ledger, event = ledger.note(note, clock.now())
        made.append(event)
    await store.jobs.append(ledger.job, made)


def endings(job: Job) -> list[Note]:
    """Say what closes a job, and whatever of it had begun."""
    if job.state is State.PENDING:
        return [Note(signal=Signal.CANCEL, reason=PLANNED_ANEW)]
    notes = []
    for step in job.steps:
        notes += [over(step.name, one.number) for one in step.attempts if may_change(one.state)]
        if may_change(step.state) and step.attempts:
            notes.append(over(step.name))
    return [*notes, over()]


def may_change(state: State) -> bool:
    """Say whether evidence could still move it."""
    return state is State.LOST or not state.ended


def over(step: str | None = None, attempt: int | None = None) -> Note:
    """Say that something ended, nobody knows how."""
    return Note(signal=Signal.INTERRUPT, step=step, attempt=attempt, reason=UNKNOWN)


def _make_part(folder: Path) -> Path:
    """Make a private folder beside the one that is to be, if that may be.

    Raises:
        RefusedError: there is something.
        StateError: it cannot be made.
    """
    try:
        if folder.is_symlink() or (folder.exists() and any(folder.iterdir())):
            raise RefusedError(
                f"cannot restore into {folder}: it is not empty",
                hint="move it away, or name another folder with --state",
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise StateError(f"cannot make {folder}: {error.strerror or error}") from error


def _put_in_place(part: Path, folder: Path) -> None:
    """Give a folder its name, in place of an empty one.

    Raises:
        StateError: it cannot be done.
    """
    try:
        part.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise StateError(f"cannot make {folder}: {error.strerror or error}") from error
