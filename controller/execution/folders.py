"""Where everything of this room lies on the disk.

    FOLDER/               0711 for root: users pass through to their job's folders, and see nothing
      lock                held by the one daemon
      ledger              see `ledger`
      trouble             why a supervisor failed, if one ever did
      attempts/ID/        0700: o.OFFSET (output), exit, stop, pause, paused, shut, input
      jobs/JOB/           0711: workspace/, artifacts/, ID.output; these belong to the step's user

`launch` and `executor` call it. Pure.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

RECENT = 64
"""Paths of each kind that are remembered: an attempt asks for the same few dozens of times, and each takes a while to make."""


class Folders:
    """The paths below one folder.

    Args:
        base: the folder of the room, absolute.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self.lock = base / "lock"
        self.ledger = base / "ledger"
        self.trouble = base / "trouble"
        self.attempts = base / "attempts"
        self.jobs = base / "jobs"

    def make(self) -> None:
        """Make what is missing.

        Raises:
            OSError: the disk refused.
        """
        for folder, mode in ((self.base, 0o711), (self.attempts, 0o700), (self.jobs, 0o711)):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(mode)  # whatever our umask is

    @lru_cache(maxsize=RECENT)  # noqa: B019 — a room is there as long as its program
    def attempt(self, name: str) -> Path:
        """Say where the spool of an attempt lies."""
        return self.attempts / name

    @lru_cache(maxsize=RECENT)  # noqa: B019 — a room is there as long as its program
    def job(self, job: str) -> Path:
        """Say where what attempts of a job share lies."""
        return self.jobs / job

    @lru_cache(maxsize=RECENT)  # noqa: B019 — a room is there as long as its program
    def workspace(self, job: str) -> Path:
        """Say where the files of a job lie."""
        return self.jobs / job / "workspace"

    @lru_cache(maxsize=RECENT)  # noqa: B019 — a room is there as long as its program
    def artifacts(self, job: str) -> Path:
        """Say where a job leaves what others shall fetch."""
        return self.jobs / job / "artifacts"

    @lru_cache(maxsize=RECENT)  # noqa: B019 — a room is there as long as its program
    def outputs(self, job: str, attempt: str) -> Path:
        """Say where an attempt leaves its CTL_OUTPUT."""
        return self.jobs / job / f"{attempt}.output"
