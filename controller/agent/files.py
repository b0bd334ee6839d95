"""Files that can be read and written from afar: artifacts, workspaces, and regular files of the machine.

Artifacts and workspaces are folders that strangers fill: `execution.workspace` follows no link in them. Disks may be slow, so
everything is done in threads. `answering` calls it after it has asked `owners`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import Mapping
from typing import Callable

from controller.agent.errors import MissingError
from controller.agent.owners import ARTIFACTS, WORKSPACE
from controller.agent.streams import Stream
from controller.execution.errors import OutsideError, RefusedError, UnknownAttemptError
from controller.execution.executor import Executor
from controller.execution.workspace import MAX_FILE, Workspace
from controller.wire.messages.files import FilePage, RemoveFile, Size
from controller.wire.messages.streams import OpenUpload

PIECE = 256 << 10
PAGE = 40 << 10
"""Bytes of JSON in one page, at most, well below what a frame's header takes."""
OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Files:
    """The files of this machine.

    Args:
        executor: has the folders of jobs.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def artifacts(self, job: str, after: str) -> FilePage:
        """List the artifacts of a job, none where there is no such job."""
        return await asyncio.to_thread(_list, self._executor.artifacts, job, after)

    async def workspace(self, job: str, after: str) -> FilePage:
        """List the workspace of a job, none where there is no such job."""
        return await asyncio.to_thread(_list, self._executor.workspace, job, after)

    async def size(self, path: str) -> Size:
        """Say the size of a file; None where there is no regular one."""
        try:
            opened = await asyncio.to_thread(self._open, path)
        except MissingError:
            return Size(size=None)
        try:
            return Size(size=os.fstat(opened).st_size)
        finally:
            os.close(opened)

    async def send(self, path: str, offset: int, stream: Stream) -> None:
        """Write a file from an offset to its present end into a stream; the digest at its end is of the whole file.

        Raises:
            MissingError: there is no such file, or it was cut meanwhile.
            OutsideError: the name leads out of its folder.
        """
        opened = await asyncio.to_thread(self._open, path)
        try:
            size = os.fstat(opened).st_size
            digest = hashlib.sha256()
            at = 0
            while at < size:
                want = min(PIECE, (offset if at < offset else size) - at, size - at)
                piece = await asyncio.to_thread(_take, opened, want, at, digest.update)
                if not piece:
                    raise MissingError(f"cannot read {path[:200]!r}: it was cut meanwhile")
                if at >= offset:
                    await stream.write(piece)
                at += len(piece)
            await stream.end(length=size, sha256=digest.hexdigest())
        finally:
            os.close(opened)

    async def put(self, asked: OpenUpload, stream: Stream) -> None:
        """Take a file of a workspace, from an offset on; at offset 0 it begins anew.

        It gets its name when all of it is here, and until then lies beside it as `.NAME.part`.

        Raises:
            UnknownAttemptError: there is no such job here.
            OutsideError: the path leads out of the workspace.
            RefusedError: the file would be too large, or other than announced came.
        """
        if asked.offset + asked.size > MAX_FILE:
            raise RefusedError(f"cannot take a file of more than {MAX_FILE} bytes")
        place = self._executor.workspace(asked.job)
        mode = 0o700 if asked.executable else 0o600
        at, end = asked.offset, asked.offset + asked.size
        part = part_of(asked.path)
        await asyncio.to_thread(place.check, asked.path)
        if at == 0:
            await asyncio.to_thread(_begin, place, part, mode)
        while True:
            came = await stream.read()
            if came is None:
                break
            if came.gap or at + len(came.data) > end:
                raise RefusedError(f"cannot take more than the {asked.size} bytes announced")
            if came.data:
                await asyncio.to_thread(place.put, part, came.data, offset=at, mode=mode)
            at += len(came.data)
            stream.kept(len(came.data))
        if at != end:
            raise RefusedError(
                f"cannot take {at - asked.offset} bytes: {asked.size} were announced"
            )
        await asyncio.to_thread(place.rename, part, asked.path)

    async def remove(self, asked: RemoveFile) -> None:
        """Delete a file or folder of a workspace.

        Raises:
            MissingError: there is none.
        """
        place = self._executor.workspace(asked.job)
        if not await asyncio.to_thread(place.remove, asked.path):
            raise MissingError(f"cannot delete {asked.path[:200]!r}: it is not there")

    def _open(self, path: str) -> int:
        """Open a regular file, wherever it lies."""
        for prefix, place in (
            (ARTIFACTS, self._executor.artifacts),
            (WORKSPACE, self._executor.workspace),
        ):
            if path.startswith(prefix):
                job, _, rest = path[len(prefix) :].partition("/")
                _check_parts(path, rest)
                return _inside(place, job, rest)
        if not path.startswith("/") or "\0" in path:
            raise OutsideError(f"cannot use the path {path[:200]!r}: give an absolute one")
        try:
            opened = os.open(path, OPEN)
        except OSError as error:
            raise MissingError(f"cannot read {path[:200]!r}: {error.strerror}") from error
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            os.close(opened)
            raise MissingError(f"cannot read {path[:200]!r}: it is no regular file")
        return opened


def _inside(place: Callable[[str], Workspace], job: str, path: str) -> int:
    try:
        return place(job).open(path)
    except UnknownAttemptError as error:
        raise MissingError(error.message) from error
    except (
        OutsideError
    ) as error:  # its parts are good, so it is a link, no plain file, or not there
        raise MissingError(error.message) from error


def _check_parts(path: str, rest: str) -> None:
    if any(part in ("", ".", "..") for part in rest.split("/")):
        raise OutsideError(f"cannot use {path[:200]!r} as the name of a file of a job")


def _list(place: Callable[[str], Workspace], job: str, after: str) -> FilePage:
    try:
        names: Mapping[str, int] = place(job).names()
    except UnknownAttemptError:
        return FilePage()
    found: dict[str, int] = {}
    room = PAGE
    for name in sorted(name for name in names if name > after and _sayable(name)):
        room -= 40 + (len(name) if name.isascii() and name.isprintable() else 12 * len(name))
        if room < 0 and found:
            return FilePage(files=found, more=True)
        found[name] = names[name]
    return FilePage(files=found)


def _sayable(name: str) -> bool:
    """Say whether a name can be written on the wire: one that is no UTF-8 cannot, nor one of thousands of odd signs."""
    try:
        return len(name.encode()) <= PAGE // 12
    except UnicodeEncodeError:
        return False


def _take(opened: int, size: int, at: int, sum_up: Callable[[bytes], None]) -> bytes:
    piece = os.pread(opened, size, at)
    sum_up(piece)
    return piece


def _begin(place: Workspace, path: str, mode: int) -> None:
    """Make a file new, for its mode is given only to what was not there."""
    try:
        os.close(place.open(path))
    except OutsideError:
        pass  # not there; or what `put` refuses, too
    else:
        place.remove(path)
    place.put(path, b"", mode=mode)


def part_of(path: str) -> str:
    """Say where a file lies that is not whole yet."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}.{name}.part"
