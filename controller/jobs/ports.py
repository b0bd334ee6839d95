"""What the engine needs from other rooms, and `Equipment`, which holds one of each.

`service` fills `Equipment` with adapters; tests fill it with small twins. Called by every driver of this room.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from controller.clock import Clock
from controller.journal.artifacts import SavedFile
from controller.model.declaration import Repo
from controller.model.ids import AttemptId, IdFactory, JobId, Sha
from controller.model.job import Event, Job, JobBody
from controller.model.masking import Masker
from controller.store.ports import Store
from controller.transport.port import Dialer


class OutputFiles(Protocol):
    """Stored output, one growing file an attempt; bytes that come in are masked already."""

    async def append(self, attempt: AttemptId, offset: int, data: bytes, *, gap: int = 0) -> None:
        """Store bytes durably at `offset`; `gap` bytes before it were dropped. Bytes already stored are passed over."""
        ...

    async def stored(self, attempt: AttemptId) -> int:
        """Say up to which offset output is stored."""
        ...

    def sweep(self, keep: Collection[str]) -> None:
        """Delete the output of every job but these; blocks."""
        ...


class ActivityLog(Protocol):
    """One of the two logs."""

    async def append(self, event: str, actor: str, **fields: object) -> None:
        """Append a line durably."""
        ...

    async def conclude(self, event: str, actor: str, **fields: object) -> None:
        """Append the line after a change durably: now, or else before any other line."""
        ...


class ArtifactFiles(Protocol):
    """Files that jobs left behind, on the controller's disk."""

    async def save(
        self, job: JobId, path: str, chunks: AsyncIterator[bytes], tell: Callable[[int], None]
    ) -> SavedFile:
        """Store one file whole or not at all, telling how many bytes are here; `path` is not trusted."""
        ...

    def sweep(self, keep: Collection[str]) -> None:
        """Delete the files of every job but these; blocks."""
        ...


class Progress(Protocol):
    """Someone who watches; must be quick and must not raise."""

    def changed(self, job: Job, event: Event) -> None:
        """Hear of an event that was recorded, and of the job after it."""
        ...

    def output(self, job: JobId, step: str, data: bytes) -> None:
        """Hear of masked output that was stored."""
        ...

    def fetched(self, job: JobId, path: str, done: int, total: int) -> None:
        """Hear how many bytes of a file have arrived."""
        ...


ReadSecret = Callable[[str], str]
"""Gives the value of a declared secret; raises SecretError."""
Keyed = Callable[[str, str], str]
"""Gives HMAC-SHA256(key, value) as hex; the key is 32 bytes as hex."""
NewKey = Callable[[], str]
"""Gives 32 random bytes as hex."""
Archive = Callable[[Repo, Sha], Awaitable[bytes]]
"""Gives the tree of a repo at a commit as an uncompressed POSIX tar; raises SourceError. Equal calls are answered from memory."""
EvaluateWhen = Callable[[str, Job, JobBody], Awaitable[bool]]
"""Evaluates a step's `when` against the job as it stands; raises DeclarationError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """Everything the engine works with. `controller_name` and `actor` say who holds a lock and who did it."""

    store: Store
    dialer: Dialer
    output: OutputFiles
    artifacts: ArtifactFiles
    activity: ActivityLog
    connectivity: ActivityLog
    masker: Masker
    secrets: ReadSecret
    keyed: Keyed
    new_key: NewKey
    clock: Clock
    ids: IdFactory
    evaluate_when: EvaluateWhen
    archive: Archive
    controller_name: str
    actor: str
    progress: Progress
