"""Commits as records.

Called by `mirrors` and `config`; calls `git`.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from controller.errors import NotFoundError
from controller.model.ids import Sha
from controller.model.revision import Revision
from controller.source.git import run_git

FORMAT: Final = "%H%x00%P%x00%an%x00%ae%x00%ct%x00%s%x00%B"
FIELDS: Final = 6
LONGEST_LINE: Final = 1_000
LONGEST_MESSAGE: Final = 16_000
YEAR_9999: Final = 253_402_214_400


def read_revision(
    sha: Sha, *, branch: str, folder: Path, bare: Path | None = None, signer: str | None = None
) -> Revision:
    """Read one commit; over-long texts are cut, bytes that are not UTF-8 replaced; blocks.

    Raises:
        NotFoundError: the repository has no such commit.
    """
    answer = run_git(
        ["log", "-1", "--no-color", f"--format={FORMAT}", "--end-of-options", sha, "--"],
        folder=folder,
        bare=bare,
    )
    fields = answer.output.decode(errors="replace").split("\0", FIELDS)
    if answer.code != 0 or len(fields) != FIELDS + 1:
        raise NotFoundError(f"cannot find commit {sha}")
    found, parents, author, email, when, subject, message = fields
    return Revision(
        sha=Sha(found),
        branch=branch,
        author=author[:LONGEST_LINE],
        email=email[:LONGEST_LINE],
        subject=subject[:LONGEST_LINE],
        message=message.rstrip("\n")[:LONGEST_MESSAGE],
        committed_at=_moment(when),
        parents=tuple(Sha(parent) for parent in parents.split()),
        signer=signer,
    )


def _moment(seconds: str) -> datetime:
    """Read a committer's time; authors may claim any year, ours end at 9999."""
    claimed = int(seconds) if seconds.isdigit() else 0
    return datetime.fromtimestamp(min(claimed, YEAR_9999), UTC)
