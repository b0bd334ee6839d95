"""What is told of files of jobs, offered scripts, worker pools and backups: records only, light to import.

Made by `fetching`, `workspaces`, `agents`, `pools` and `backups`, shown by the faces.
"""

from dataclasses import dataclass
from pathlib import Path

from controller.errors import ControllerError
from controller.transport.port import Pool, ServerScript


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A file that was fetched or written; `resumed` is from where a fetch went on."""

    name: str
    path: Path
    size: int
    sha256: str
    resumed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPool:
    """The worker pool of one server, or why it is not known."""

    server: str
    pool: Pool | None = None
    trouble: ControllerError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A state that was made from a backup of `made_at` (ISO 8601) by ctl `version`, with so many files.

    So many of its jobs were open then: `cancelled` had not begun, `interrupted` had.
    """

    made_at: str
    version: str
    files: int
    cancelled: int
    interrupted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOffers:
    """The scripts that a server offers; `trouble` says why it could not be asked."""

    server: str
    scripts: tuple[ServerScript, ...] = ()
    trouble: ControllerError | None = None
