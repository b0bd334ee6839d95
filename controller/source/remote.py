"""What a remote offers, and which of its commits a repo watches.

Called by `mirrors`. Choosing is pure; only `ask` talks, by one `git ls-remote`.
"""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from string import digits
from typing import Final

from controller.errors import SourceError
from controller.model.declaration import RefKind, Repo
from controller.model.ids import Sha
from controller.source.git import Access, Answer, run_git
from controller.source.url import RemoteUrl
from controller.source.watch import Limits

SHA: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
HEADS: Final = "refs/heads/"
TAGS: Final = "refs/tags/"
PEELED: Final = "^{}"
ASK_SECONDS: Final = 30.0
TELLING: Final = ("error: object", "ERROR:", "fatal:")
"""Beginnings of the line that says most, the best first."""
REMEDIES: Final = (
    ("host key verification failed", "the host key is not the pinned one: ctl trust repo/NAME"),
    ("permission denied", "the server does not take the key or token of this repo"),
    ("authentication failed", "the server does not take the token of this repo"),
    ("could not read username", "the server asks for a login: declare `token:`"),
    ("could not resolve host", "check the host name in `url:`, and DNS"),
    ("unable to update url base from redirection", "write the address the redirect leads to"),
    ("repository not found", "check `url:`, and whether the token may read it"),
    ("not appear to be a git repository", "check `url:`"),
    (
        "dubious ownership",
        "the repository belongs to another user of this machine: use ssh or https",
    ),
    ("signal 25", "the repository is larger than may be fetched"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The refs of a remote at one moment; tags lead to the commits they name."""

    branches: Mapping[str, Sha] = field(default_factory=dict)
    tags: Mapping[str, Sha] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The watched commit, the name it goes by, and the full ref to fetch it from."""

    sha: Sha
    name: str
    ref: str


def ask(
    url: RemoteUrl, *, tags: bool, folder: Path, access: Access, halt: threading.Event
) -> Offer:
    """Ask a remote for its branches, and for its tags if wanted; blocks.

    Raises:
        SourceError: it is out of reach or answered nonsense.
    """
    patterns = [f"{HEADS}*", *([f"{TAGS}*"] if tags else [])]
    answer = run_git(
        ["ls-remote", "--quiet", "--end-of-options", url.text, *patterns],
        folder=folder,
        access=access,
        limits=Limits(seconds=ASK_SECONDS),
        halt=halt,
    )
    if answer.code != 0:
        raise unreachable(url, answer)
    return read_offer(answer.lines())


def read_offer(lines: list[str]) -> Offer:
    """Read the lines of `git ls-remote`."""
    branches: dict[str, Sha] = {}
    tags: dict[str, Sha] = {}
    for line in lines:
        sha, _, ref = line.partition("\t")
        if SHA.fullmatch(sha) is None:
            continue
        if ref.startswith(HEADS):
            branches[ref.removeprefix(HEADS)] = Sha(sha)
        elif ref.startswith(TAGS) and ref.endswith(PEELED):
            tags[ref.removeprefix(TAGS).removesuffix(PEELED)] = Sha(sha)
        elif ref.startswith(TAGS):
            tags.setdefault(ref.removeprefix(TAGS), Sha(sha))
    return Offer(branches=branches, tags=tags)


def choose(repo: Repo, offer: Offer) -> Choice:
    """Pick the commit a repo watches.

    Raises:
        SourceError: the remote has no such branch or tag, or the commit is not written in full.
    """
    match repo.kind:
        case RefKind.BRANCH:
            return _branch(repo, offer)
        case RefKind.TAG:
            return _tag(repo, offer)
        case RefKind.REF:
            if SHA.fullmatch(repo.ref) is None:
                raise SourceError(
                    f"cannot watch {repo.ref!r} of repo {repo.name}: it is not a whole commit id",
                    hint="write all 40 hex digits in `ref:`",
                )
            return Choice(sha=Sha(repo.ref), name=repo.ref[:7], ref=repo.ref)


def version_key(tag: str) -> tuple[object, ...]:
    """Order tags as people order versions: numbers by value, and a pre-release before its release."""
    start = re.search(r"[0-9]", tag)
    version = tag[start.start() :] if start else ""
    release, dash, rest = version.partition("+")[0].partition("-")
    return (_parts(release), not dash, _parts(rest), tag)


def unreachable(url: RemoteUrl, answer: Answer) -> SourceError:
    """Say in one line why git failed on a remote."""
    lines = [line.strip() for line in answer.complaint.splitlines() if line.strip()]
    telling = (line for sign in TELLING for line in lines if line.startswith(sign))
    told = next(telling, lines[-1] if lines else "")
    whole = answer.complaint.lower()
    hint = next((remedy for sign, remedy in REMEDIES if sign in whole), None)
    why = ascii(told.removeprefix("fatal:").strip()[:300])[1:-1]
    return SourceError(
        f"cannot reach {url.text}: {why or f'git ended with {answer.code}'}", hint=hint
    )


def _parts(text: str) -> tuple[tuple[int, int, str], ...]:
    words = re.findall(r"[0-9]{1,18}|[^0-9.]+", text)
    return tuple((1, int(word), "") if word[0] in digits else (0, 0, word) for word in words)


def _branch(repo: Repo, offer: Offer) -> Choice:
    sha = offer.branches.get(repo.ref)
    if sha is None:
        known = ", ".join(ascii(name)[1:-1] for name in sorted(offer.branches)[:8])
        raise SourceError(
            f"cannot find branch {repo.ref!r} of repo {repo.name}",
            hint=f"its branches are: {known}" if known else "it has no branches yet",
        )
    return Choice(sha=sha, name=repo.ref, ref=f"{HEADS}{repo.ref}")


def _tag(repo: Repo, offer: Offer) -> Choice:
    fitting = [name for name in offer.tags if fnmatchcase(name, repo.ref)]
    if not fitting:
        raise SourceError(
            f"cannot find a tag like {repo.ref!r} of repo {repo.name}",
            hint=f"it has {len(offer.tags)} tags; `tag:` is a glob such as v*",
        )
    newest = max(fitting, key=version_key)
    return Choice(sha=offer.tags[newest], name=newest, ref=f"{TAGS}{newest}")
