"""Reports after runs of scripts, kept as long as their attempts, and the files that scripts leave as results.

What was offered is written down before the attempt starts, so a report is made even if the daemon ended meanwhile. The
file of a `file` result is copied among the job's artifacts, from where it is fetched; it was made by whoever the script ran
as, so it is taken only when it is theirs.

`starts` and `answering` call it; it calls `report` and the executor.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from pathlib import Path

from controller.agent.errors import AgentError, MissingError
from controller.agent.locks import store
from controller.agent.report import (
    MOST_KEPT,
    MOST_RESULT,
    Run,
    make_report,
    name_artifact,
    read_report,
    write_report,
)
from controller.agent.script import Offered
from controller.execution.errors import ExecutionError
from controller.execution.executor import Executor
from controller.execution.status import Status
from controller.execution.workspace import MAX_FILE, Workspace
from controller.wire.messages.server import Report

EXPECTED, MADE = ".script", ".report"
PIECE = 1 << 20


class Reports:
    """The reports of one agent.

    Args:
        executor: knows the attempts.
        folder: holds the reports; made when missing.
    """

    def __init__(self, executor: Executor, folder: Path) -> None:
        self._executor = executor
        self._folder = folder
        self._expected: set[str] = set()

    def open(self, known: frozenset[str]) -> None:
        """Make the folder, and delete what is of attempts that are no more.

        Raises:
            AgentError: the disk refused.
        """
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            for file in list(self._folder.iterdir()):
                name, dot, kind = file.name.rpartition(".")
                if name not in known:
                    file.unlink()
                elif dot + kind == EXPECTED:
                    self._expected.add(name)
        except OSError as error:
            raise AgentError(f"cannot use {self._folder}: {error.strerror}") from error

    def forget(self, name: str) -> None:
        """Delete the report of an attempt."""
        if name not in self._expected:
            return
        self._expected.discard(name)
        for suffix in (EXPECTED, MADE):
            self._path(name, suffix).unlink(missing_ok=True)

    async def expect(self, name: str, offered: Offered) -> None:
        """Write down which script an attempt runs, before it does.

        Raises:
            AgentError: the disk refused.
        """
        run = Run(attempt=name, job="", offered=offered, end=None)
        kept = write_report(make_report(run))
        await asyncio.to_thread(store, self._path(name, EXPECTED), kept)
        self._expected.add(name)

    async def finish(self, status: Status) -> bool:
        """Make the report of an attempt that has ended; say whether it has one.

        Raises:
            AgentError, ExecutionError: it can't be made.
        """
        if status.id not in self._expected:
            return False
        known = await asyncio.to_thread(_read, self._path(status.id, EXPECTED))
        if known is None:
            return False
        if self._path(status.id, MADE).exists():
            return True
        before = read_report(known)
        run = Run(
            attempt=status.id,
            job=status.job,
            offered=Offered(script=before.script, headers=before.headers, text=b""),
            end=status.end,
            started_at=status.started_at,
            ended_at=status.ended_at,
        )
        artifact = ""
        if run.succeeded and before.script.result == "file":
            with contextlib.suppress(ExecutionError, OSError):  # the report says that there is none
                artifact = await asyncio.to_thread(self._take_file, status.job, before.script.file)
        report = make_report(run, output=await self._output(status.id), artifact=artifact)
        await asyncio.to_thread(store, self._path(status.id, MADE), write_report(report))
        return True

    async def get(self, name: str) -> Report:
        """Give a report.

        Raises:
            MissingError: there is none.
            AgentError: it is damaged.
        """
        self._executor.status(name)  # a name that is none is refused
        kept = await asyncio.to_thread(_read, self._path(name, MADE))
        if kept is None:
            raise MissingError(
                f"cannot show a report of {name}: there is none",
                hint="runs of scripts have one, until they are discarded",
            )
        return read_report(kept)

    def _path(self, name: str, suffix: str) -> Path:
        return self._folder / f"{name}{suffix}"

    async def _output(self, name: str) -> bytes:
        said = b""
        async for chunk in self._executor.output(name):
            said += chunk.data
            if len(said) > MOST_RESULT or chunk.gap:
                break
        return said

    def _take_file(self, job: str, file: str) -> str:
        """Copy a result among the artifacts; empty when there is none that may be taken."""
        artifacts, workspace = self._executor.artifacts(job), self._executor.workspace(job)
        inside = file[len(str(artifacts.folder)) + 1 :]
        if file == f"{artifacts.folder}/{inside}" and _has(artifacts, inside):
            return inside
        if not file.startswith("/"):
            for place in (artifacts, workspace):
                if _has(place, file):
                    return file if place is artifacts else _copy(place, file, artifacts)
            return ""
        return _copy_outside(file, artifacts)


def _has(place: Workspace, path: str) -> bool:
    try:
        place.get(path, limit=1)
    except (ExecutionError, OSError):
        return False
    return True


def _copy(place: Workspace, path: str, artifacts: Workspace) -> str:
    name, offset = name_artifact(path), 0
    while True:
        piece = place.get(path, offset=offset, limit=PIECE)
        artifacts.put(name, piece, offset=offset)
        offset += len(piece)
        if not piece:
            return name


def _copy_outside(path: str, artifacts: Workspace) -> str:
    """Copy a file of the machine, if it belongs to whom the artifacts belong to: links lead nowhere else."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        about, owner = os.fstat(opened), artifacts.folder.stat().st_uid
        mine = about.st_uid == owner and (owner == 0 or about.st_nlink == 1)
        if not stat.S_ISREG(about.st_mode) or not mine or about.st_size > MAX_FILE:
            return ""
        name, offset = name_artifact(path), 0
        while True:
            piece = os.pread(opened, PIECE, offset)
            artifacts.put(name, piece, offset=offset)
            offset += len(piece)
            if not piece:
                return name
    finally:
        os.close(opened)


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MOST_KEPT)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AgentError(f"cannot read {path}: {error.strerror}") from error
