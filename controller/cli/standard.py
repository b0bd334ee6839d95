"""The standard streams of this process: closed, full, in a hurry, or with a reader who has gone.

Called by `process`, and by the commands that follow something and may be silent for long. Results that cannot be written are an error; what
is told beside them is not worth ending any work for.
"""

import asyncio
import errno
import io
import os
import select
import stat
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Final, TextIO, TypeVar

from controller.errors import ControllerError

STDIN: Final = 0
STDOUT: Final = 1
STDERR: Final = 2

T = TypeVar("T")


class OutputError(ControllerError):
    """Results cannot be written to where they should go."""

    reference = "output-lost"


class Outlet(io.FileIO):
    """One of the streams that are written to; after a failure it takes everything and keeps nothing.

    Args:
        descriptor: 1 or 2.
        needed: whether a failure is an error.
    """

    def __init__(self, descriptor: int, *, needed: bool) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._needed = needed
        self._lost = False

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]  # what buffers give
        """Write bytes, and wait for room where the other end of a pipe does not block.

        Raises:
            BrokenPipeError: nobody reads any more.
            OutputError: they cannot be written.
        """
        length = memoryview(data).nbytes
        if self._lost:
            return length
        try:
            while (written := super().write(data)) is None:
                select.select((), (self.fileno(),), ())
        except OSError as error:
            self._lost = True
            if not self._needed:
                return length
            if isinstance(error, BrokenPipeError):
                raise
            raise OutputError(
                f"cannot write to stdout: {error.strerror}",
                hint="what was done stays done; what was written is not the whole",
            ) from error
        return written


def take() -> tuple[TextIO, TextIO, TextIO]:
    """Take the three streams; what was closed is nowhere, so that no file that is opened later takes its number.

    Raises:
        OutputError: stdout is closed.
    """
    closed = [number for number in (STDIN, STDOUT, STDERR) if not _is_open(number)]
    for _ in closed:  # each takes the least number that is free
        os.open(os.devnull, os.O_RDWR)
    if STDIN in closed:
        sys.stdin = io.TextIOWrapper(io.FileIO(STDIN, closefd=False))
    sys.stderr = _writer(sys.stderr, STDERR)
    if STDOUT in closed:
        raise OutputError("cannot write to stdout: it is closed", hint="> /dev/null discards it")
    sys.stdout = _writer(sys.stdout, STDOUT)
    return sys.stdin, sys.stdout, sys.stderr


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _writer(before: TextIO | None, descriptor: int) -> TextIO:
    return io.TextIOWrapper(
        io.BufferedWriter(Outlet(descriptor, needed=descriptor == STDOUT)),  # type: ignore[type-var]  # as above
        encoding=None if before is None else before.encoding,
        errors="backslashreplace",
        line_buffering=descriptor == STDERR or os.isatty(descriptor),
    )


async def while_read(stream: TextIO, work: Coroutine[object, object, T]) -> T:
    """Do something that may be silent for long, for as long as somebody reads what it writes.

    Raises:
        BrokenPipeError: the stream is a pipe, and nobody reads it any more.
    """
    pipe = _pipe_of(stream)
    if pipe is None:
        return await work
    loop, task, gone = asyncio.get_running_loop(), asyncio.ensure_future(work), asyncio.Event()

    def leave() -> None:
        loop.remove_reader(pipe)
        gone.set()
        task.cancel()

    loop.add_reader(pipe, leave)  # nothing is ever read there: what it tells is the end
    try:
        return await task
    except asyncio.CancelledError:
        if gone.is_set():
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from None
        raise
    finally:
        loop.remove_reader(pipe)


def _pipe_of(stream: TextIO) -> int | None:
    try:
        number = stream.fileno()
        return number if stat.S_ISFIFO(os.fstat(number).st_mode) else None
    except (OSError, ValueError):  # a stream in memory
        return None


@asynccontextmanager
async def ending(source: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Give a source that is let go of at once when its reader leaves it."""
    try:
        yield source
    finally:
        if isinstance(source, AsyncGenerator):
            await source.aclose()
