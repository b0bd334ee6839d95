"""What a person at the keyboard brings along to every login; a daemon has nothing of it.

Made by `service`; `login` uses it.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambient:
    """What the person at the keyboard brings along: an ssh agent's socket, a home folder and a login name."""

    agent: str | None
    home: Path
    user: str
