"""Polling one watched repo: whether its time has come, what the remote has, and whose business a new commit is.

A reconciler of the loop. A webhook or a person only says that it is time now. What is found is kept in the observations, with the
words for what is refused; targets read it there.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from controller.errors import SourceError
from controller.model.declaration import Declaration, Repo
from controller.model.notice import Notice, Occasion
from controller.model.observation import RepoSeen
from controller.reconcile.exchange.requests import PlanRequest
from controller.reconcile.loop.generation import Generation
from controller.reconcile.loop.keys import Key, Kind
from controller.reconcile.loop.result import NOT_YET, After, Done, Result
from controller.reconcile.loop.spread import spread
from controller.reconcile.loop.world import URGENT, World
from controller.reconcile.walk.recalling import REFUSED
from controller.reconcile.walk.repos import accepted_of, recall, see_repo

LEAST_SECONDS: Final = 60.0
"""No repo is polled more often, whatever is declared."""
PROBLEM: Final = "source"


async def reconcile(world: World, name: str) -> Result:
    """Look at one repo if its time has come, and wake the targets of a new commit.

    Raises:
        SourceError: the remote is out of reach.
        SecretError: a token or key cannot be read here.
    """
    generation = world.generation
    if generation is None:
        return NOT_YET
    repo = generation.declaration.repos.get(name)
    if repo is None or not repo.active:
        return Done()
    key, now = Key(Kind.REPO, name), world.rooms.clock.now()
    known = (await world.rooms.store.observations.repos()).get(name)
    left = await seconds_left(world, repo, known, now)
    gone = left > 0 and known is not None and await is_gone(world, repo, known)
    if left > 0 and not gone:
        return After(left, "its interval is not over")
    await world.looking(key)
    after = await look(world, generation, repo, known, gone=gone)
    if after is not None and after.error is not None and after.error_code not in REFUSED:
        raise SourceError(after.error)
    return After(interval_of(repo), "its interval")


def interval_of(repo: Repo) -> float:
    """Give the seconds between two looks, spread by name."""
    return spread(max(LEAST_SECONDS, repo.interval), repo.name)


async def seconds_left(world: World, repo: Repo, known: RepoSeen | None, now: datetime) -> float:
    """Say how long it is until the repo is to be looked at; 0: now."""
    if known is None or known.url != repo.url or known.checked_at is None:
        return 0.0
    if known.checked_at > now:  # the clock was ahead then
        return 0.0
    if known.error is not None and known.error_code not in REFUSED:
        return 0.0  # the switch says how long it waits between tries
    if await world.wanted(Key(Kind.REPO, repo.name)):
        return 0.0
    due = known.checked_at + timedelta(seconds=interval_of(repo))
    return max(0.0, (due - now).total_seconds())


async def is_gone(world: World, repo: Repo, known: RepoSeen) -> bool:
    """Say whether the accepted commit is no longer here, because somebody cleaned the mirror."""
    return known.accepted is not None and await recall(world.rooms, repo, known.accepted) is None


async def look(
    world: World, generation: Generation, repo: Repo, known: RepoSeen | None, *, gone: bool
) -> RepoSeen | None:
    """Ask the remote, wake the targets of what is new, or was `gone`; give what is known of the repo then."""
    observations = world.rooms.store.observations
    before = {} if known is None else {repo.name: known}
    if repo.was is not None and known is None:
        before = dict(await observations.repos())
    seen = replace(generation.seen, request=PlanRequest())
    await see_repo(world.rooms, seen, repo, accepted_of(repo, before))
    after = (await observations.repos()).get(repo.name)
    if after is None:
        return None
    if known is None or gone or _face(known) != _face(after):
        world.news.tell("repo", repo.name, commit=after.accepted, error=after.error)
        await tell(world, repo, after)
        for target in targets_of(generation.declaration, repo.name):
            await world.add(Key(Kind.TARGET, target), priority=URGENT)
    return after


def _face(seen: RepoSeen) -> tuple[object, ...]:
    """Give what targets care about."""
    return seen.url, seen.accepted, seen.error_code


def targets_of(declaration: Declaration, repo: str) -> list[str]:
    """List the targets of a repo."""
    return [name for name, target in declaration.targets.items() if target.repo == repo]


async def tell(world: World, repo: Repo, seen: RepoSeen) -> None:
    """Tell people of commits that are refused, and of the end of that."""
    subject = f"repo/{repo.name}"
    refused = seen.error_code in REFUSED
    notice = Notice(
        id=world.rooms.ids(),
        at=world.rooms.clock.now(),
        occasion=Occasion.INVALID if refused else Occasion.RECOVERED,
        subject=subject,
        title=f"{subject}: {seen.error if refused else 'its commits are taken again'}",
        problem=PROBLEM if refused else None,
        facts={"repo": repo.name, "commit": seen.accepted, "error": seen.error_code},
    )
    if refused:
        await world.notices.post(notice)
    elif seen.error is None:
        await world.notices.over(subject, PROBLEM, notice)
