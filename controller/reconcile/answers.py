"""What files of jobs and worker pools are told to the faces: records only, light to import.

Made by `fetching`, `workspaces` and `pools`.
"""

from dataclasses import dataclass
from pathlib import Path

from controller.errors import ControllerError
from controller.transport.port import Pool


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
