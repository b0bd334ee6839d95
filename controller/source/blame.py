"""Which commit gave a line its text, and who wrote it.

Called by `config` and `tracked`; calls `git`. This adorns plans: what cannot be found out is left out, never an error.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controller.errors import SourceError
from controller.model.diagnostic import Place
from controller.model.ids import Sha
from controller.model.revision import Written
from controller.source.git import run_git
from controller.source.objects import oddity
from controller.source.watch import Limits

HEAD: Final = re.compile(r"([0-9a-f]{40,64}) \d+ (\d+)(?: \d+)?")
SECONDS: Final = 10.0
MENTION_SECONDS: Final = 3.0
MOST_NAMES: Final = 5
NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,253}")
MOST_RANGES: Final = 500
UNCOMMITTED: Final = "0" * 40
Where = tuple[Path, Path | None]
"""The folder to run git in, and the bare repository, if it is one."""
FACTS: Final = frozenset({"author", "committer-time"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """What git says of one line; `at` is in seconds since 1970."""

    commit: Sha
    author: str
    at: int


def blame_lines(
    places: Iterable[Place], sha: Sha | None, *, folder: Path, bare: Path | None = None
) -> Mapping[Place, Written]:
    """Find who wrote lines, one git call a file; blocks. In a bare repository `sha` says as of which commit."""
    by_file: defaultdict[str, set[Place]] = defaultdict(set)
    for place in places:
        if place.file and oddity(place.file) is None:
            by_file[place.file].add(place)
    found: dict[Place, _Line] = {}
    for file, wanted in sorted(by_file.items()):
        lines = _blame(file, {place.line for place in wanted}, sha, (folder, bare))
        found |= {place: lines[place.line] for place in wanted if place.line in lines}
    turns = _turns({line.commit: line.at for line in found.values()}, sha, (folder, bare))
    return {
        place: Written(commit=line.commit, author=line.author, turn=turns[line.commit])
        for place, line in found.items()
    }


def last_mentions(
    names: Iterable[str], sha: Sha, *, folder: Path, bare: Path | None = None
) -> Mapping[str, Written]:
    """Find the commit that last changed how often a file has a key of a name: where it is gone, that removed it.

    Looks for a few names only, each for a few seconds; blocks.
    """
    found: dict[str, Written] = {}
    for name in sorted(set(names))[:MOST_NAMES]:
        if NAME.fullmatch(name):
            key = f"-S(^|[^A-Za-z0-9._-]){re.escape(name)}[\"']?:"
            asked = ["log", "-1", "--format=%H %an", "--pickaxe-regex", key, sha, "--", "."]
            said = _ask(asked, (folder, bare), seconds=MENTION_SECONDS)
            commit, _, author = said.strip().partition(" ")
            if commit:
                found[name] = Written(commit=Sha(commit), author=author)
    return found


def _turns(times: Mapping[Sha, int], sha: Sha | None, where: Where) -> Mapping[Sha, int]:
    """Number commits from the oldest on: by time, and by descent where several have the same second."""
    counted = Counter(times.values())
    tied = [at for at in times.values() if counted[at] > 1]
    order: dict[str, int] = {}
    if tied:
        since = f"--max-age={min(tied)}"
        listed = _ask(["rev-list", "--date-order", since, sha or "HEAD"], where).split()
        order = {commit: -index for index, commit in enumerate(listed)}
    ordered = sorted(times, key=lambda commit: (times[commit], order.get(commit, -len(order))))
    return {commit: turn for turn, commit in enumerate(ordered)}


def _blame(file: str, numbers: Iterable[int], sha: Sha | None, where: Where) -> Mapping[int, _Line]:
    ranges = [f"-L{first},{last}" for first, last in _ranges(sorted(numbers))]
    ranges = ranges if len(ranges) <= MOST_RANGES else []
    asked = [*([sha] if sha else []), "--", file]
    said = _ask(["blame", "--porcelain", *ranges, *asked], where)
    if not said and ranges:  # one line too many makes git say nothing at all
        said = _ask(["blame", "--porcelain", *asked], where)
    facts: defaultdict[str, dict[str, str]] = defaultdict(dict)
    lines: dict[int, Sha] = {}
    current = ""
    for line in said.split("\n"):
        head = HEAD.fullmatch(line)
        if head is not None:
            current = head[1]
            lines[int(head[2])] = Sha(current)
        else:
            key, _, value = line.partition(" ")
            if key in FACTS:
                facts[current][key] = value
    return {
        number: _Line(
            commit=commit,
            author=facts[commit].get("author", ""),
            at=int(facts[commit].get("committer-time", "0")),
        )
        for number, commit in lines.items()
        if not commit.startswith(UNCOMMITTED)
    }


def _ranges(ordered: list[int]) -> list[tuple[int, int]]:
    """Write line numbers as ranges, both ends included."""
    ranges: list[tuple[int, int]] = []
    for line in ordered:
        if ranges and ranges[-1][1] == line - 1:
            ranges[-1] = (ranges[-1][0], line)
        else:
            ranges.append((line, line))
    return ranges


def _ask(arguments: list[str], where: Where, *, seconds: float = SECONDS) -> str:
    folder, bare = where
    try:
        answer = run_git(arguments, folder=folder, bare=bare, limits=Limits(seconds=seconds))
    except SourceError:
        return ""
    return answer.output.decode(errors="replace") if answer.code == 0 else ""
