"""Commits: a revision of a watched ref that passed verification, and who wrote a line."""

from dataclasses import dataclass
from datetime import datetime

from controller.model.ids import Sha


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Who gave a line its text: of two lines, the one with the larger `turn` was written later."""

    commit: Sha
    author: str
    turn: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One commit.

    `author` and `subject` are text from outside: shown through `safe_text`, handed to jobs only as environment.
    """

    sha: Sha
    branch: str
    author: str
    email: str
    subject: str
    message: str
    committed_at: datetime
    parents: tuple[Sha, ...] = ()
    signer: str | None = None

    @property
    def short(self) -> str:
        """The first seven digits, as people write them."""
        return self.sha[:7]
