"""What a forge shows beside a commit: pending from the moment it is seen, red as soon as something goes wrong, green when all is well and known.

Called by the reconciler of targets after each plan; writes letters to the forge of the repo. What was said last of a target is kept as a
mark, so that the same is not said twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from controller.model.condition import Sync
from controller.model.declaration import OnCommit
from controller.model.ids import Sha
from controller.model.job import Job, Run
from controller.model.notice import Letter
from controller.model.plan import Change
from controller.notify.deciding import letter_id
from controller.notify.forges.statuses import Light, Status, status_of
from controller.reconcile.loop.postman import FORGE
from controller.reconcile.loop.world import World
from controller.reconcile.status import sync_of
from controller.reconcile.walk.deciding import plan_of
from controller.reconcile.walk.seen import Seen

SAID: Final = "status/"
"""Begins the marks that say what was last said of the commit of a target; its name follows."""
LOOKED: Final = 5000
"""Jobs of a target that are looked through for those of a commit."""


def decide(
    target: str,
    sha: Sha,
    *,
    changes: Iterable[Change],
    jobs: Sequence[Job],
    runs: Mapping[str, Run],
    prefix: str = "ctl",
) -> Status | None:
    """Decide what to say of a commit on a target; None: nothing new, what was said still holds.

    Args:
        target: its name.
        sha: the commit that is wanted.
        changes: what a plan says of the target now.
        jobs: of the target, newest first.
        runs: those of the jobs, as far as they are known.
        prefix: what tells several controllers apart.
    """
    sync, _, message = sync_of(list(changes))
    if sync is Sync.DRIFTED:
        return None  # of the servers, not of the commit
    newest: dict[str, Job] = {}
    for job in jobs:
        if job.commit == sha:
            newest.setdefault(job.server, job)
    mine = [runs[job.run] for job in newest.values() if job.run in runs]
    healthy = None if sync is not Sync.IN_SYNC or _any_goes_on(mine) else True
    if any(target in run.halted for run in mine):
        healthy = False
    status = status_of(
        target, (job.state for job in newest.values()), healthy=healthy, prefix=prefix
    )
    if status.state is Light.PENDING and not newest and message:
        return Status(state=Light.PENDING, description=message[:140], context=status.context)
    return status


def prefix_of(project: str) -> str:
    """Say what stands before the names of the targets of a project, so that several on one repo can be told apart."""
    return "ctl" if project == "main" else f"ctl-{project}"


def superseded(said: str | None, sha: Sha) -> Sha | None:
    """Give the commit that was said to be pending, and of which nothing will come any more.

    Args:
        said: what was said last of the target.
        sha: the commit that is wanted now.
    """
    before, _, rest = (said or "").partition(" ")
    return Sha(before) if rest.startswith(Light.PENDING) and before != sha else None


def _any_goes_on(runs: Iterable[Run]) -> bool:
    """Say whether a run has not ended: until then its checks of health may still be to come."""
    return any(run.finished_at is None for run in runs)


async def tell_of_commit(world: World, seen: Seen, name: str) -> None:
    """Say beside the commit that a target wants how it does, where the repo has a token and that is news.

    Raises:
        StateError: the state cannot be read or written.
    """
    target = seen.declaration.targets.get(name)
    source = seen.sources.get(name)
    if target is None or target.repo is None or source is None:
        return
    repo = seen.declaration.repos.get(target.repo)
    if repo is None or repo.token is None:
        return
    store, sha = world.rooms.store, source.revision.sha
    jobs = await store.jobs.list(target=name, limit=LOOKED)
    mine = [job for job in jobs if job.commit == sha]
    if target.on_commit is OnCommit.IGNORE and not mine:
        return
    found = [await store.runs.get(run) for run in dict.fromkeys(job.run for job in mine)]
    changes = [change for change in plan_of(seen).changes if change.target == name]
    status = decide(
        name,
        sha,
        changes=changes,
        jobs=mine,
        runs={run.id: run for run in found if run is not None},
        prefix=prefix_of(seen.declaration.settings.name),
    )
    if status is not None:
        await _say(world, repo.name, name, sha, status)


async def _say(world: World, repo: str, target: str, sha: Sha, status: Status) -> None:
    marks = world.rooms.store.marks
    mark, words = f"{SAID}{target}", f"{sha} {status.state} {status.description}"
    said = await marks.get(mark)
    if said == words:
        return
    letters = [_letter(world, repo, sha, status)]
    old = superseded(said, sha)
    if old is not None:
        what = replace(status, state=Light.ERROR, description=f"superseded by {sha[:12]}")
        letters.insert(0, _letter(world, repo, old, what))
    await world.notices.write(letters)
    await marks.put(mark, words)


def _letter(world: World, repo: str, sha: Sha, status: Status) -> Letter:
    now = world.rooms.clock.now()
    words = f"{repo}\n{sha}\n{status.context}\n{status.state}\n{status.description}"
    return Letter(
        id=letter_id(f"{words}\n{now.isoformat()}"),
        receiver=f"{FORGE}{repo}",
        created_at=now,
        due=now,
        status={
            "repo": repo,
            "commit": sha,
            "state": status.state.value,
            "context": status.context,
            "description": status.description,
        },
    )
