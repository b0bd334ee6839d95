"""The lock on the state folder: one command that acts at a time.

Called by the faces before they change anything; readers take none. The system frees the lock the moment its holder dies, however it
dies; what is written in the file only tells people who holds it.
"""

import asyncio
import contextlib
import fcntl
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from controller.clock import Clock
from controller.errors import LockedError, StateError

FILE: Final = "lock"
"""Name of the lock file inside the state folder."""
MOMENTS: Final = 20
MOMENT: Final = 0.05
"""Seconds between two tries to take a lock that is held."""
READ: Final = 4096
"""Bytes of the lock file that are looked at."""


class StateLock:
    """The lock of one state folder, which must exist."""

    def __init__(self, folder: Path, *, clock: Clock) -> None:
        self._path = folder / FILE
        self._clock = clock

    def acquire(self, actor: str, command: str) -> "Held":
        """Take the lock for as long as the answer is open, or for the rest of the process.

        Args:
            actor: who acts, as user@host.
            command: what they do, such as "ctl apply".

        Raises:
            LockedError: somebody else holds it.
            StateError: the lock file cannot be used.
        """
        try:
            descriptor = os.open(
                self._path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise StateError(f"cannot open {self._path}: {error.strerror or error}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._sign(descriptor, actor, command)
        except BlockingIOError as error:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise LockedError(
                f"cannot act on this state: {holder}",
                hint="wait until it has ended, or ask it: --controller URL; reading commands work meanwhile",
            ) from error
        except OSError as error:
            os.close(descriptor)
            raise StateError(f"cannot lock {self._path}: {error.strerror or error}") from error
        return Held(lambda: os.close(descriptor))

    def holder(self) -> str | None:
        """Say who holds the lock, for people; None when it is free."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None  # never locked yet, or not ours to look at
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _holder(descriptor)
        finally:
            os.close(descriptor)
        return None

    def _sign(self, descriptor: int, actor: str, command: str) -> None:
        """Write down who holds the lock."""
        since = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        told = {"actor": actor, "pid": os.getpid(), "command": command, "since": since}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(told).encode()[:READ], 0)


class Held:
    """A lock that is held until `release`, the end of the `with` block, or the end of the process."""

    def __init__(self, close: Callable[[], None]) -> None:
        self._close: Callable[[], None] | None = close

    def release(self) -> None:
        """Free the lock."""
        if self._close is not None:
            self._close()
            self._close = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


class Saver:
    """Keeps what was seen only while nobody else acts on the state."""

    def __init__(self, lock: StateLock, actor: str, *, mine: bool) -> None:
        """Prepare.

        Args:
            lock: the lock of the state.
            actor: who looks, as user@host.
            mine: whether this process holds the lock already.
        """
        self._lock = lock
        self._actor = actor
        self._mine = mine
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def saving(self) -> AsyncIterator[bool]:
        """Hold the lock while something is kept; false when somebody else holds it, who then knows better."""
        async with self._turn:
            held = None if self._mine else self._try()
            try:
                yield self._mine or held is not None
            finally:
                if held is not None:
                    held.release()

    def _try(self) -> Held | None:
        try:
            return self._lock.acquire(self._actor, "ctl, which keeps what it saw,")
        except LockedError:
            return None


async def take(lock: StateLock, actor: str, clock: Clock) -> Held:
    """Take the lock for a command; one that only keeps what it saw is over in a moment and waited for.

    Raises:
        LockedError: somebody else acts on the state.
    """
    for _ in range(MOMENTS):
        with contextlib.suppress(LockedError):
            return lock.acquire(actor, "ctl")
        await clock.sleep(MOMENT)
    return lock.acquire(actor, "ctl")


def _holder(descriptor: int) -> str:
    """Read who signed; the signature may be missing for the moment between locking and signing."""
    try:
        told = json.loads(os.pread(descriptor, READ, 0))
        actor, pid, command, since = (told[key] for key in ("actor", "pid", "command", "since"))
    except (OSError, ValueError, KeyError, TypeError):
        return "somebody else is acting on it"
    return f"{actor} runs {command} (pid {pid}) since {since}"
