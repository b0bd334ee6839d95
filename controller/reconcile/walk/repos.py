"""The step that sees revisions: what every repo in scope stands at, which are refused, and where a pin holds a target."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace

from controller.declaration.inputs import Sourced, source_digest
from controller.errors import (
    ControllerError,
    NotFoundError,
    RewoundError,
    SourceError,
    VerificationError,
)
from controller.model.declaration import Repo, Target
from controller.model.ids import Sha
from controller.model.observation import RepoSeen
from controller.model.plan import Blocker, Gate
from controller.model.revision import Revision
from controller.reconcile.exchange.progress import Progress, Stage
from controller.reconcile.rooms import Reach, Rooms
from controller.reconcile.walk import pins
from controller.reconcile.walk.seen import Seen
from controller.source.access import Credentials

AT_ONCE = 8
"""Repos asked at the same time; each is a git process."""


async def see_repos(rooms: Rooms, seen: Seen) -> Seen:
    """Ask every repo in scope for its newest commit.

    A repo that does not answer, or whose newest commit must not be taken (history rewritten, signature refused), keeps its
    last accepted commit and holds its targets back. Without refresh the last accepted commit is used where there is one.

    Raises:
        SourceError: a repo cannot be reached, and nothing is known of it.
        SecretError: a token or key cannot be read here.
    """
    targets = [t for t in seen.declaration.targets.values() if in_scope(seen, t) and t.repo]
    names = sorted({t.repo for t in targets if t.repo is not None})
    known = await rooms.store.observations.repos(as_of=seen.request.as_of)
    room = asyncio.Semaphore(AT_ONCE)

    async def ask(name: str) -> tuple[str, Revision | None, Blocker | None]:
        async with room:
            repo = seen.declaration.repos[name]
            return name, *await see_repo(rooms, seen, repo, accepted_of(repo, known))

    answers = await asyncio.gather(*(ask(name) for name in names))
    heads = {name: head for name, head, _ in answers if head is not None}
    blocked = {name: blocker for name, _, blocker in answers if blocker is not None}
    return await take_sources(rooms, replace(seen, heads=heads, blocked=blocked), targets)


async def take_sources(rooms: Rooms, seen: Seen, targets: Iterable[Target]) -> Seen:
    """Say which commit counts for each target: the head of its repo, or the one a pin holds it at."""
    now = seen.request.as_of or rooms.clock.now()
    answers: list[pins.Held] = []
    sources, blocked = {}, dict(seen.blocked)
    for target in targets:
        head = seen.heads.get(target.repo or "")
        if head is None:
            continue
        repo = seen.declaration.repos[target.repo or ""]
        pin = pins.pin_of(seen.standing, target, repo)
        held = await pins.hold(rooms.mirrors, pin, repo, head, now)
        answers.append(held)
        if held.blocker is not None:
            blocked.setdefault(repo.name, held.blocker)
        if held.revision is not None:
            sources[target.name] = await source_of(rooms, seen, target, held.revision)
    found = pins.over(answers)
    if seen.contacts or not seen.by_hand:
        await pins.lift(rooms, found)
    standing = found.left_of(seen.standing)
    return replace(seen, sources=sources, blocked=blocked, standing=standing)


def in_scope(seen: Seen, target: Target) -> bool:
    """Say whether any pair of a target is looked at."""
    servers, targets = seen.scope.servers, seen.scope.targets
    if targets is not None and target.name not in targets:
        return False
    return bool(target.members) if servers is None else not servers.isdisjoint(target.members)


def accepted_of(repo: Repo, known: Mapping[str, RepoSeen]) -> Sha | None:
    """Say which commit of a repo was accepted last.

    Another address is another repo. An earlier name is not: `was` says so, and what was accepted under it still must not be
    rewound, whatever the address.
    """
    seen = known.get(repo.name)
    if seen is not None:
        return seen.accepted if seen.url == repo.url else None
    before = None if repo.was is None else known.get(repo.was)
    return None if before is None else before.accepted


async def see_repo(
    rooms: Rooms, seen: Seen, repo: Repo, accepted: Sha | None
) -> tuple[Revision | None, Blocker | None]:
    """Look at one repo; give its revision in force, and why a newer one is not taken."""
    held = await recall(rooms, repo, accepted)
    if seen.request.as_of is not None:
        return await see_past(rooms, seen, repo, accepted, held)
    asked = repo.active and seen.contacts
    if not asked and (held is not None or rooms.in_force() is not None):
        return held, None  # under serve only the loop looks unasked
    rooms.listener(Progress(stage=Stage.FETCH, subject=repo.name))
    try:
        head = await look(rooms, seen, repo, accepted)
    except (RewoundError, VerificationError) as error:
        await note(rooms, repo, accepted, error)
        return held, Blocker(gate=Gate.SOURCE, message=error.message, clear=error.hint)
    except SourceError as error:
        await note(rooms, repo, accepted, error)
        if held is None and rooms.in_force() is None:
            raise  # by hand somebody reads it; under serve one repo must not hide the fleet
        clear = error.hint or f"ctl check repo {repo.name}"
        return held, Blocker(gate=Gate.SOURCE, message=error.message, clear=clear)
    await note(rooms, repo, accepted, None, head)
    return head, None


async def see_past(
    rooms: Rooms, seen: Seen, repo: Repo, accepted: Sha | None, held: Revision | None
) -> tuple[Revision | None, Blocker | None]:
    """Give the commit that was in force at a moment; it is fetched anew where the mirror was cleaned since."""
    if accepted is None:
        message = f"repo {repo.name} had not been seen then"
        return None, Blocker(gate=Gate.SOURCE, message=message)
    if held is None:
        await look(rooms, seen, repo, None)
        held = await recall(rooms, repo, accepted)
    if held is None:
        message = f"commit {accepted[:7]} of repo {repo.name} is gone"
        return None, Blocker(gate=Gate.SOURCE, message=message)
    return held, None


async def recall(rooms: Rooms, repo: Repo, accepted: Sha | None) -> Revision | None:
    """Read the accepted commit from the mirror; None when the mirror was cleaned since."""
    if accepted is None:
        return None
    try:
        return await rooms.mirrors.revision(repo, accepted)
    except NotFoundError:
        return None


async def look(rooms: Rooms, seen: Seen, repo: Repo, accepted: Sha | None) -> Revision:
    """Ask the remote, fetch what is new and have it checked."""
    # A program or a Vault may take its time to give a token; meanwhile everybody else goes on.
    await reach_of(seen).keyring.gather(
        one for one in (repo.token, repo.ssh_key) if one is not None
    )
    found = await rooms.mirrors.look(
        repo,
        credentials_of(seen, repo),
        accepted=accepted,
        signers=signers_of(seen, repo),
    )
    return found.revision


def reach_of(seen: Seen) -> Reach:
    """Give what `load` prepared."""
    if seen.reach is None:
        raise ControllerError("cannot reach anything before the declarations are loaded")
    return seen.reach


def credentials_of(seen: Seen, repo: Repo) -> Credentials:
    """Read the token or key a repo names; without a key the person's own ssh agent is tried."""
    reach = reach_of(seen)
    return Credentials(
        token=None if repo.token is None else reach.keyring.read(repo.token).reveal(),
        ssh_key=None if repo.ssh_key is None else reach.keyring.read(repo.ssh_key).reveal_bytes(),
        known_hosts=reach.known_hosts,
        agent=reach.agent if repo.ssh_key is None else None,
    )


def signers_of(seen: Seen, repo: Repo) -> bytes | None:
    """Read the file of allowed signers, from the same tree as the declaration.

    Raises:
        VerificationError: it is not there, so that nothing can be checked by it.
    """
    if repo.verify is None:
        return None
    if seen.tree is None or repo.verify not in seen.tree.entries:
        raise VerificationError(f"cannot verify repo {repo.name}: there is no file {repo.verify}")
    return seen.tree.read([repo.verify])[repo.verify]


async def note(
    rooms: Rooms,
    repo: Repo,
    accepted: Sha | None,
    error: SourceError | None,
    head: Revision | None = None,
) -> None:
    """Keep what was seen of a repo, and tell of a commit that nobody saw before."""
    seen = RepoSeen(
        repo=repo.name,
        url=repo.url,
        accepted=accepted if head is None else head.sha,
        branch=repo.ref if head is None else head.branch,
        committed_at=None if head is None else head.committed_at,
        checked_at=rooms.clock.now(),
        error=None if error is None else error.message,
        error_code=None if error is None else error.reference,
    )
    async with rooms.saving() as free:
        if not free:
            return
        if seen.accepted != accepted:
            told = {"repo": repo.name, "commit": seen.accepted, "previous": accepted}
            await rooms.activity.append("commit-seen", rooms.actor, **told)
        await rooms.store.observations.put_repo(seen)


async def source_of(rooms: Rooms, seen: Seen, target: Target, head: Revision) -> Sourced:
    """Hash what of a commit counts for a target: the commit itself, or the files that `paths:` watch."""
    repo = seen.declaration.repos[target.repo or ""]
    watched = await rooms.mirrors.watched(repo, head.sha, target.paths)
    digest = source_digest(commit=head.sha, watched=watched)
    return Sourced(revision=head, digest=digest, repo=repo.name)
