"""Whose each job is: attempts of one job share a workspace, so a job is of one owner.

`starts`, `attempts` and `files` ask it before they touch a job; it is filled from the ledger at the start. It calls the
executor.
"""

from __future__ import annotations

from pathlib import Path

from controller.agent.asker import Asker
from controller.agent.errors import DeniedError
from controller.agent.owners import check_own, is_user
from controller.execution.errors import FullError
from controller.execution.executor import Executor
from controller.execution.spec import check_name

MOST_OPEN = 100
"""Attempts of one user that may run or wait at once."""


class Jobs:
    """The owners of the jobs of which anything is here.

    Args:
        executor: knows the attempts.
        folder: holds the folders of jobs.
    """

    def __init__(self, executor: Executor, folder: Path) -> None:
        self._executor = executor
        self._folder = folder
        self._owners: dict[str, set[str]] = {}
        self._open: dict[str, set[str]] = {}

    def open(self) -> None:
        """Learn from the ledger what is there."""
        for one in self._executor.attempts():
            self._owners.setdefault(one.job, set()).add(one.owner)

    def add(self, job: str, owner: str, attempt: str) -> None:
        """Note that an attempt of a job is an owner's."""
        self._owners.setdefault(job, set()).add(owner)
        self._open.setdefault(owner, set()).add(attempt)

    def over(self, owner: str, attempt: str) -> None:
        """Note that an attempt is over."""
        mine = self._open.get(owner, set())
        mine.discard(attempt)
        if not mine:
            self._open.pop(owner, None)

    def forget(self, job: str) -> None:
        """Note that nothing of a job is here any more."""
        self._owners.pop(job, None)

    def workspace(self, job: str) -> str:
        """Say where the files of a job lie."""
        return str(self._folder / job / "workspace")

    def names(self) -> list[str]:
        """Name the jobs that are known."""
        return list(self._owners)

    def check(self, asker: Asker, job: str, owner: str) -> None:
        """Refuse to start work in the job of another owner.

        Raises:
            RefusedError: it is no name of a job.
            DeniedError: it is another's.
        """
        check_name(job)
        owners = self._owners.get(job)
        left_over = owners is None and is_user(asker) and (self._folder / job).exists()
        if left_over or (owners and owners != {owner}):
            raise DeniedError(f"cannot start work in {job}: it is the job of another owner")

    def check_room(self, asker: Asker, owner: str) -> None:
        """Refuse a user who has too much under way, so that the others find room.

        Raises:
            FullError: so many attempts run or wait.
        """
        if is_user(asker) and len(self._open.get(owner, ())) >= MOST_OPEN:
            raise FullError(f"cannot accept more: {MOST_OPEN} attempts of {owner} run or wait")

    def check_own(self, asker: Asker, job: str) -> None:
        """Refuse a user the job of another.

        Raises:
            RefusedError: it is no name of a job.
            DeniedError: it is not theirs alone.
        """
        check_name(job)
        check_own(asker, frozenset(self._owners.get(job, ())), job)
