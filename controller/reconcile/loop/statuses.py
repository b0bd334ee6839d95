"""What a forge shows beside a commit: pending from the moment it is seen, red as soon as something goes wrong, green when all is well and known.

Called by the reconciler of targets after each plan; writes letters to the forge of the repo. What was said last of a target is kept as a
mark, so that the same is not said twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from controller.model.condition import Sync
from controller.model.declaration import OnCommit
from controller.model.ids import Sha
from controller.model.job import Job, Run
from controller.model.notice import Letter
from controller.model.plan import Change
from controller.notify.deciding import letter_id
from controller.notify.forges.statuses import Light, Status, status_of
from controller.reconcile.deciding import plan_of
from controller.reconcile.loop.postman import FORGE
from controller.reconcile.loop.world import World
from controller.reconcile.seen import Seen
from controller.reconcile.status import sync_of

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
    halted = any(target in runs[job.run].halted for job in newest.values() if job.run in runs)
    healthy = False if halted else (True if sync is Sync.IN_SYNC else None)
    status = status_of(
        target, (job.state for job in newest.values()), healthy=healthy, prefix=prefix
    )
    if status.state is Light.PENDING and not newest and message:
        return Status(state=Light.PENDING, description=message[:140], context=status.context)
    return status


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
        prefix=seen.declaration.settings.name,
    )
    if status is not None:
        await _say(world, repo.name, name, sha, status)


async def _say(world: World, repo: str, target: str, sha: Sha, status: Status) -> None:
    marks, now = world.rooms.store.marks, world.rooms.clock.now()
    mark, said = f"{SAID}{target}", f"{sha} {status.state} {status.description}"
    if await marks.get(mark) == said:
        return
    letter = Letter(
        id=letter_id(f"{repo}\n{target}\n{said}\n{now.isoformat()}"),
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
    await world.notices.write([letter])
    await marks.put(mark, said)
