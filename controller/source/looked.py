"""What the last look at a mirror found, kept in it, so that a look at an idle remote asks it once and reads nothing else.

Called by `visit`; calls nobody. An answer counts for the very same question only: commit, accepted commit, and signers.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from controller.model.ids import Sha
from controller.model.revision import Revision
from controller.source.remote import Choice

FILE: Final = "ctl-looked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A question, and the commit that was let in for it."""

    question: str
    revision: Revision


def question(choice: Choice, accepted: Sha | None, signers: bytes | None) -> str:
    """Write down everything that a judgement depends on."""
    parts = (choice.sha, choice.name, choice.ref, accepted or "-")
    words = [hashlib.sha256(part.encode()).digest() for part in parts]
    known = b"-" if signers is None else hashlib.sha256(signers).digest()
    return hashlib.sha256(b"".join([*words, known])).hexdigest()


def recall(mirror: Path, asked: str) -> Revision | None:
    """Give the answer, if this was the last question and nothing is wrong with the file."""
    try:
        found = msgspec.json.decode((mirror / FILE).read_bytes(), type=Looked)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return found.revision if found.question == asked else None


def remember(mirror: Path, asked: str, revision: Revision) -> None:
    """Keep an answer instead of the one before."""
    fresh = mirror / f"{FILE}.new"
    fresh.write_bytes(msgspec.json.encode(Looked(question=asked, revision=revision)))
    fresh.replace(mirror / FILE)
