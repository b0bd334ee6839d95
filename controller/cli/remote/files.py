"""Files of jobs over there, read as streams: what was begun goes on where it ended, and nothing has to fit into memory.

Called by `jobs` and `results`; calls the client.
"""

from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Final

from controller.cli.remote.client import Client, word
from controller.cli.remote.refusals import UnreachedError
from controller.clock import SystemClock
from controller.errors import (
    NotFoundError,
    RefusedError,
    SessionLostError,
    StateError,
    Unreachable,
    UsageError,
)
from controller.model.ids import JobId
from controller.reconcile.desk.fetching import fetch
from controller.reconcile.exchange.answers import Moved
from controller.reconcile.exchange.progress import Listener, Progress, Stage

OCTETS: Final = "application/octet-stream"
MOST_SENT: Final = 25 << 20
"""Bytes of a file that is sent, as many as the API takes in one body."""


class FileThere:
    """One file of the API; `size` None: it is not there."""

    def __init__(self, client: Client, path: str, size: int | None) -> None:
        self._client = client
        self._path = path
        self._size = size

    async def size(self) -> int | None:
        """Say its size."""
        return self._size

    async def read(self, offset: int) -> AsyncIterator[bytes]:
        """Read it from an offset to its end.

        Raises:
            SessionLostError: the connection broke; the same call goes on later.
        """
        if self._size is None or offset >= self._size:
            return
        try:
            async with self._client.stream(
                self._path, accept=OCTETS, headers={"range": f"bytes={offset}-"}
            ) as response:
                left = 0 if response.status_code == HTTPStatus.PARTIAL_CONTENT else offset
                async for data in response.aiter_bytes():
                    rest = data[left:]
                    left -= len(data) - len(rest)
                    if rest:
                        yield rest
        except UnreachedError as error:
            raise SessionLostError(error.message, cause=Unreachable.TCP) from error


def content_of(source: Path) -> bytes:
    """Read a file that is to be sent; it goes in one request, so it has to fit into one.

    Raises:
        NotFoundError: it is not there.
        StateError: it cannot be read.
        UsageError: it is larger than a controller takes.
    """
    try:
        with source.open("rb") as file:
            data = file.read(MOST_SENT + 1)
    except FileNotFoundError:
        raise NotFoundError(f"cannot find {source}") from None
    except OSError as error:
        raise StateError(f"cannot read {source}: {error.strerror or error}") from error
    if len(data) > MOST_SENT:
        raise UsageError(
            f"cannot send {source}: a controller takes at most {MOST_SENT} bytes",
            hint="have the job fetch it, or send it from where the state is",
        )
    return data


def below(path: str, name: str) -> str:
    """Give the path of a file whose name has parts of its own.

    Raises:
        RefusedError: they lead out of the folder of the job.
    """
    if not {"", ".", ".."}.isdisjoint(name.split("/")):
        raise RefusedError(f"cannot take {name!r}: it leads out of the folder of the job")
    return f"{path}/{'/'.join(map(word, name.split('/')))}"


async def fetched(
    source: FileThere, name: str, outdir: Path, *, job: JobId, listener: Listener
) -> Moved:
    """Fetch a file into a folder, whole or not at all; what is there under its name is not overwritten."""
    return await fetch(source, name, outdir, tell=teller(listener, job, name), clock=SystemClock())


def teller(listener: Listener, job: JobId, name: str) -> Callable[[int, int], None]:
    """Give what tells whoever watches how much of a file is here."""

    def tell(done: int, total: int) -> None:
        listener(Progress(stage=Stage.FILE, subject=job, message=name, done=done, total=total))

    return tell
