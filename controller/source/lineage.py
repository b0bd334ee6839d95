"""How the commits of a mirror hang together: which a word means, which descends from which, and what they change.

Called by `mirrors` and `tracked`, inside a thread, and by `config`; calls `git`. Every function reads the bare repository `bare` and
blocks.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Final

from controller.errors import NotFoundError, SourceError
from controller.model.ids import Sha
from controller.source.git import Answer, run_git
from controller.source.mirror import NOT_AN_ANCESTOR, WATCHED
from controller.source.objects import MOST_BYTES, MOST_WATCHED, WATCHING_MEMORY, escaped, too_many
from controller.source.remote import SHA
from controller.source.watch import Limits

PART: Final = re.compile(r"[0-9a-f]{4,64}")
AGO: Final = re.compile(r"(?:[~^][0-9]{0,6})*")
"""What may stand behind the name of the watched commit: ~3, ^, ^2~1."""
DIFFERING: Final = ("diff-tree", "-r", "-z", "--name-only", "--no-renames", "--end-of-options")


def find_commit(rev: str, *, ref: str, bare: Path, folder: Path, tip: str = WATCHED) -> Sha | None:
    """Find the commit a person's word means: its id or the beginning of it, HEAD or the watched ref, with ~1 or ^.

    Args:
        rev: the word.
        ref: the ref that the repo watches.
        bare: the mirror.
        folder: where to run git.
        tip: the ref of the mirror that is meant by HEAD and by `ref`.
    """
    name = next((one for one in ("HEAD", ref) if rev.startswith(one)), None)
    if name is not None and AGO.fullmatch(rev.removeprefix(name)):
        asked = tip + rev.removeprefix(name)
    elif PART.fullmatch(rev):
        asked = rev
    else:
        return None
    arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{asked}^{{commit}}"]
    found = run_git(arguments, folder=folder, bare=bare).output.decode(errors="replace").strip()
    return Sha(found) if SHA.fullmatch(found) else None


def commit_at(moment: datetime, *, tip: str, folder: Path, bare: Path | None = None) -> Sha | None:
    """Find the newest commit that was there at a moment: on the first parents of `tip`, by the committer's time."""
    arguments = ["rev-list", "-1", "--first-parent", f"--min-age={int(moment.timestamp())}"]
    answer = run_git([*arguments, "--end-of-options", tip], folder=folder, bare=bare)
    found = answer.output.decode(errors="replace").strip()
    return Sha(found) if SHA.fullmatch(found) else None


def holds(sha: Sha, *, bare: Path, folder: Path) -> bool:
    """Say whether a commit is there."""
    arguments = ["cat-file", "-e", "--end-of-options", f"{sha}^{{commit}}"]
    return run_git(arguments, folder=folder, bare=bare).code == 0


def does_descend(old: Sha, new: Sha, *, bare: Path, folder: Path) -> bool:
    """Say whether `new` is `old` or a descendant of it; a commit that is gone has none.

    Raises:
        SourceError: git cannot tell.
    """
    arguments = ["merge-base", "--is-ancestor", "--end-of-options", old, new]
    answer = run_git(arguments, folder=folder, bare=bare)
    if answer.code in {0, NOT_AN_ANCESTOR}:
        return answer.code == 0
    if not all(holds(sha, bare=bare, folder=folder) for sha in (old, new)):
        return False
    raise _cannot_compare(old, new, answer)


def changed_files(
    old: Sha, new: Sha, paths: Iterable[str], *, bare: Path, folder: Path
) -> tuple[str, ...]:
    """Name, escaped, the files in which two commits differ, of those that git's `:(glob)` patterns pick.

    Raises:
        NotFoundError: one of the commits is not there.
        SourceError: a pattern is refused, or too many files differ.
    """
    for sha in (old, new):
        if not holds(sha, bare=bare, folder=folder):
            raise NotFoundError(f"cannot find commit {sha}")
    patterns = [f":(top,glob){path}" for path in paths]
    answer = run_git(
        [*DIFFERING, old, new, "--", *patterns],
        folder=folder,
        bare=bare,
        limits=Limits(output=MOST_BYTES, memory=WATCHING_MEMORY),
    )
    if "out of memory" in answer.complaint:  # git lists all of a difference before it says any
        raise too_many(f"more than {MOST_WATCHED}", MOST_WATCHED)
    if answer.code != 0:
        raise _cannot_compare(old, new, answer)
    return tuple(escaped(name) for name in answer.output.split(b"\0")[:-1])


def _cannot_compare(old: Sha, new: Sha, answer: Answer) -> SourceError:
    said = answer.complaint.strip()[:300]
    return SourceError(f"cannot compare {old} with {new}: {said}")
