"""What is known of every attempt: the ledger and the folders of one room, and what is read from both.

`executor` and `watch` call it; it calls `ledger`, `exitfile`, `output` and `workspace`. Only the daemon that holds the lock
may have one open.
"""

# pathlib takes several times as long to look at a file; this is asked of each attempt many times.
# ruff: noqa: PTH110
from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from controller.execution import clock, linux
from controller.execution.ending import Ending
from controller.execution.errors import BrokenError, ExecutionError, RefusedError
from controller.execution.exitfile import ExitFile
from controller.execution.folders import Folders
from controller.execution.ledger import Entry, Ledger
from controller.execution.output import Output
from controller.execution.spec import Spec, check_name
from controller.execution.status import End, Overview, Phase, Status, read_end, seconds, whole
from controller.execution.workspace import Workspace

MAX_OUTPUTS = 64 << 10
OPEN = ("accepted", "started")


class Register:
    """The records of one room.

    Args:
        folder: of the room.
    """

    def __init__(self, folder: Path) -> None:
        self.folders = Folders(folder)
        self.ledger = Ledger(self.folders.ledger)
        self.boot = linux.boot_id()
        self._lock = -1

    def open(self) -> None:
        """Take the folder and read the ledger.

        Raises:
            BrokenError: the folder cannot be used, or another daemon has it.
        """
        try:
            self.folders.make()
            self._lock = os.open(
                self.folders.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BrokenError(
                f"cannot use {self.folders.base}: another agent has it", hint="stop the other agent"
            ) from error
        except OSError as error:
            raise BrokenError(f"cannot use {self.folders.base}: {error.strerror}") from error
        self.ledger.open()

    async def close(self) -> None:
        """Give the folder back."""
        await self.ledger.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def entry(self, name: str) -> Entry:
        """Give what the ledger says of an attempt; empty when it was never accepted."""
        check_name(name)
        return self.ledger.known.get(name, {})

    def is_open(self, name: str) -> bool:
        """Say whether something may still happen to an attempt."""
        return self.entry(name).get("event") in OPEN

    def unsettled(self) -> list[str]:
        """Name every attempt that has not ended as far as the ledger knows."""
        return [name for name, entry in self.ledger.known.items() if entry["event"] in OPEN]

    async def accept(self, spec: Spec, digest: str) -> None:
        """Record an attempt for ever.

        Raises:
            RefusedError: there are traces of it, and the ledger is damaged.
            BrokenError: the ledger cannot be written.
        """
        if self.ledger.damaged and self.folders.attempt(spec.id).exists():
            raise RefusedError(
                f"cannot accept {spec.id}: its folder is there, and the damaged ledger does not know it"
            )
        record = {
            "id": spec.id,
            "event": "accepted",
            "job": spec.job,
            "owner": spec.owner,
            "digest": digest,
            "head": spec.head,
            "at": clock.wall(),
            "boot": self.boot,
        }
        await self.ledger.append(record)

    async def end(self, name: str, end: End) -> None:
        """Record how an attempt ended."""
        await self.ledger.append({"id": name, "event": "ended", "end": end.record()})

    async def unstarted(self, name: str, ending: Ending, message: str) -> None:
        """Record that an attempt ended without its command having run."""
        await self.end(name, End(ending, message=message, at=clock.wall()))

    async def interrupted(self, name: str, message: str) -> None:
        """Record that nobody knows how an attempt ended, only that it did."""
        await self.ledger.append(
            {"id": name, "event": "interrupted", "message": message, "ended_at": clock.wall()}
        )

    def status(self, name: str) -> Status:
        """Say what is known of an attempt now."""
        entry = self.entry(name)
        if not entry:
            return Status(name, Phase.NONE)
        end = self.end_of(name)
        means = entry.get("means")
        return Status(
            name,
            self._phase(entry),
            end=end,
            length=self._length(entry) if end is None else end.length,
            outputs=self._outputs(entry) if end is not None else b"",
            means={str(key): str(word) for key, word in means.items()}
            if isinstance(means, dict)
            else {},
            message=str(entry.get("message", "")),
            job=str(entry.get("job", "")),
            owner=str(entry.get("owner", "")),
            started_at=seconds(entry.get("started_at")),
            ended_at=end.at if end is not None else seconds(entry.get("ended_at")),
        )

    def overviews(self) -> Iterator[Overview]:
        """Give every attempt that is not discarded, in the order in which they were accepted."""
        for name, entry in self.ledger.known.items():
            if entry["event"] == "discarded":
                continue
            end = entry.get("end")
            ended = end.get("at") if isinstance(end, dict) else entry.get("ended_at")
            yield Overview(
                id=name,
                job=str(entry.get("job", "")),
                owner=str(entry.get("owner", "")),
                phase=self._phase(entry),
                accepted_at=seconds(entry.get("at")),
                started_at=seconds(entry.get("started_at")),
                ended_at=seconds(ended),
            )

    def end_of(self, name: str) -> End | None:
        """Give the recorded end of an attempt; None when there is none."""
        end = self.entry(name).get("end")
        return read_end(end) if isinstance(end, dict) else None

    def exit_of(self, name: str) -> End | None:
        """Read the exit file of an attempt; None when there is none that is whole.

        Raises:
            OSError: nobody can look now.
        """
        record = ExitFile(str(self.folders.attempt(name))).read()
        try:
            return None if record is None else read_end(record)
        except (KeyError, TypeError, ValueError):
            return None

    def session_of(self, name: str) -> tuple[int, int]:
        """Give the command of an attempt that has not ended, and when that started; zeros when nobody noted it."""
        noted = ExitFile(str(self.folders.attempt(name))).noted() or {}
        try:
            return whole(noted["leader"]), whole(noted["leader_start"])
        except (KeyError, TypeError):
            return 0, 0

    def output(self, name: str) -> Output:
        """Give the output of an attempt."""
        return Output(self.folders.attempt(name), head=whole(self.entry(name).get("head", 0)))

    async def discard(self, name: str) -> None:
        """Delete what an attempt left, but for the knowledge that it was."""
        job = str(self.entry(name)["job"])
        await self.ledger.append({"id": name, "event": "discarded"})
        self.folders.outputs(job, name).unlink(missing_ok=True)
        delete(self.folders.attempt(name))

    async def discard_job(self, job: str) -> None:
        """Delete the folder of a job.

        Raises:
            RefusedError: an attempt of it is not over.
        """
        check_name(job)
        for name in self.unsettled():
            if self.entry(name).get("job") == job:
                raise RefusedError(f"cannot discard {job}: {name} is not over")
        folder = self.folders.job(job)
        await asyncio.get_running_loop().run_in_executor(None, delete, folder)

    def delete_unknown(self) -> None:
        """Delete folders of attempts that were never recorded: nobody was told of them, nothing of them ran."""
        if self.ledger.damaged:
            return  # the record may have been there
        for folder in list(self.folders.attempts.iterdir()):
            if folder.name not in self.ledger.known:
                delete(folder)

    def _phase(self, entry: Entry) -> Phase:
        event = entry["event"]
        if event == "started":
            paused = f"{self.folders.attempt(str(entry['id']))}/paused"
            return Phase.PAUSED if os.path.exists(paused) else Phase.RUNNING
        if event in ("accepted", "interrupted"):
            return Phase(str(event))
        return Phase.ENDED if "end" in entry else Phase.INTERRUPTED  # or discarded since

    def _length(self, entry: Entry) -> int:
        return 0 if entry["event"] == "accepted" else self.output(str(entry["id"])).length()

    def _outputs(self, entry: Entry) -> bytes:
        """Read what the attempt left as its outputs; a stranger wrote it, and may have put anything there."""
        job = str(entry["job"])
        try:
            if os.lstat(self.folders.outputs(job, str(entry["id"]))).st_size == 0:
                return b""  # as most do
            folder = Workspace(self.folders.job(job))
            return folder.get(f"{entry['id']}.output", limit=MAX_OUTPUTS)
        except (ExecutionError, OSError):
            return b""


def delete(folder: Path) -> None:
    """Delete a folder and everything below it, if it is there; no link is followed, whoever puts one there meanwhile.

    `shutil` would do the same, and costs half a megabyte for the compression that it can do, too.

    Raises:
        OSError: something could not be deleted.
    """
    if not folder.exists():
        return
    for _, folders, files, here in os.fwalk(folder, topdown=False, onerror=_give_up):
        for name in files:
            os.unlink(name, dir_fd=here)
        for name in folders:
            try:
                os.rmdir(name, dir_fd=here)
            except NotADirectoryError:  # a link to one
                os.unlink(name, dir_fd=here)
    folder.rmdir()


def _give_up(error: OSError) -> None:
    raise error
