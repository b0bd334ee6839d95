"""Which commit gave a line its text, and who wrote it.

Called by `config`; calls `git`. This adorns plans: what cannot be found out is left out, never an error.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from controller.errors import SourceError
from controller.model.diagnostic import Place
from controller.model.ids import Sha
from controller.source.git import run_git
from controller.source.objects import oddity
from controller.source.watch import Limits

HEAD: Final = re.compile(r"([0-9a-f]{40,64}) \d+ (\d+)(?: \d+)?")
SECONDS: Final = 10.0
MOST_RANGES: Final = 500
UNCOMMITTED: Final = "0" * 40


def blame_lines(
    places: Iterable[Place], sha: Sha | None, *, folder: Path
) -> Mapping[Place, tuple[Sha, str]]:
    """Find the commit and author of lines, one git call a file; blocks."""
    by_file: defaultdict[str, set[Place]] = defaultdict(set)
    for place in places:
        if place.file and oddity(place.file) is None:
            by_file[place.file].add(place)
    blamed: dict[Place, tuple[Sha, str]] = {}
    for file, wanted in sorted(by_file.items()):
        lines = _blame(file, {place.line for place in wanted}, sha, folder)
        blamed |= {place: lines[place.line] for place in wanted if place.line in lines}
    return blamed


def last_change(file: str, *, folder: Path) -> tuple[Sha, str] | None:
    """Find the commit and author that last touched a file, also one that is gone; blocks."""
    if oddity(file) is not None:
        return None
    said = _ask(["log", "-1", "--format=%H %an", "--", f":(literal){file}"], folder)
    sha, _, author = said.strip().partition(" ")
    return (Sha(sha), author) if sha else None


def _blame(
    file: str, numbers: Iterable[int], sha: Sha | None, folder: Path
) -> Mapping[int, tuple[Sha, str]]:
    ordered = sorted(numbers)
    ranges = [f"-L{line},{line}" for line in ordered] if len(ordered) <= MOST_RANGES else []
    said = _ask(["blame", "--porcelain", *ranges, *([sha] if sha else []), "--", file], folder)
    authors: dict[str, str] = {}
    lines: dict[int, Sha] = {}
    current = ""
    for line in said.split("\n"):
        head = HEAD.fullmatch(line)
        if head is not None:
            current = head[1]
            lines[int(head[2])] = Sha(current)
        elif line.startswith("author "):
            authors[current] = line.removeprefix("author ")
    return {
        number: (commit, authors.get(commit, ""))
        for number, commit in lines.items()
        if not commit.startswith(UNCOMMITTED)
    }


def _ask(arguments: list[str], folder: Path) -> str:
    try:
        answer = run_git(arguments, folder=folder, limits=Limits(seconds=SECONDS))
    except SourceError:
        return ""
    return answer.output.decode(errors="replace") if answer.code == 0 else ""
