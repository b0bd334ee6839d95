"""Deciding about one target: plan it from what is known, pass the gates, record a run, withdraw what is out of date.

A reconciler of the loop. Nothing is contacted to decide; only what needs no job is done here: forgetting pairs, and moving records
that were renamed. Whatever holds a pair until a known time gives that time; everything else wakes this key by itself: a new
commit, a look at a server, the end of a run, a person.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from controller.errors import LockedError
from controller.model.ids import Digest
from controller.model.job import Job
from controller.model.plan import Action, Change, Gate, Plan
from controller.reconcile.carrying.applying import guard_budget, guard_whole
from controller.reconcile.carrying.forgetting import forget
from controller.reconcile.carrying.submission import orders_of
from controller.reconcile.carrying.upkeep import keep_in_step
from controller.reconcile.exchange.requests import PlanRequest
from controller.reconcile.loop import meanwhile, statuses, telling
from controller.reconcile.loop.choosing import HEALS, Choice, choose, superseded
from controller.reconcile.loop.generation import Generation
from controller.reconcile.loop.keys import Key, Kind
from controller.reconcile.loop.live import resting
from controller.reconcile.loop.recording import record
from controller.reconcile.loop.result import NOT_YET, After, Done, Result, sooner
from controller.reconcile.loop.waits import next_moment
from controller.reconcile.loop.world import World
from controller.reconcile.said import Said
from controller.reconcile.walk.asking import before
from controller.reconcile.walk.deciding import plan_of
from controller.reconcile.walk.seen import Seen
from controller.reconcile.walk.steps import LOOP, walk_narrow

FEW: Final = 30
"""So many servers are asked for their newest jobs one by one; for more the newest of all are read at once."""
NEWEST: Final = 12
"""Jobs of a pair that are looked at."""
MANY: Final = 20_000
UNSEEN_SECONDS: Final = 30.0
"""So long a target waits at most for the first look at its servers to wake it."""
LOCKED_SECONDS: Final = 60.0
"""After so long it is tried again where somebody else was faster."""


async def reconcile(world: World, name: str) -> Result:
    """Decide about one target; one that is no longer declared is decided about as long as anything of it is known."""
    generation = world.generation
    if generation is None or await world.held() is not None:
        return NOT_YET if generation is None else Done()
    unseen = await never_seen(world, generation, name)
    if unseen:
        for server in unseen:
            await world.add(Key(Kind.SERVER, server))
        return After(UNSEEN_SECONDS, f"{unseen[0]} was never looked at")
    return await decide(world, generation, name)


async def decide(world: World, generation: Generation, name: str) -> Result:
    """Plan a target and do what is to be done; a plan that is out of date when it is made is made again."""
    first = await meanwhile.jobs_now(world, generation, name)
    seen = await planned(world, generation, name)
    if seen is None:
        return Done()
    if await meanwhile.other_word(world, generation, seen.standing, name):
        return await again(world, name)
    plan = plan_of(seen)
    later = await meanwhile.jobs_now(world, generation, name)
    await withdraw(world, seen, name, later.going)
    await telling.tell_of_plan(world, seen, name)
    await statuses.tell_of_commit(world, seen, name)
    jobs = await still_open(world, later.going)
    if any(not resting(job) for job in jobs):
        return Done()  # the end of a run wakes this key
    if first.missed_by(later) or len(jobs) < len(later.going):
        return await again(world, name)
    if waits_for(plan, seen, name) is not None:
        return await sleep(world, seen, name, Choice())
    acted = await act(world, generation, seen, name, jobs)
    return sooner(acted, await fetch_again(world, seen, name))


async def again(world: World, name: str) -> Result:
    """Have a target planned once more: something happened meanwhile, and nobody knows whether the plan took it in."""
    await world.add(Key(Kind.TARGET, name))
    return Done()


async def never_seen(world: World, generation: Generation, name: str) -> list[str]:
    """List the servers of a target that nobody ever tried to reach: a first rollout shall meet all of them, in its waves."""
    target = generation.declaration.targets.get(name)
    if target is None:
        return []
    contacts = await world.rooms.store.contacts.all()
    servers = generation.declaration.inventory.servers
    return [one for one in target.members if one not in contacts and servers[one].active]


async def planned(world: World, generation: Generation, name: str) -> Seen | None:
    """Plan a target and all that come before it; None where nothing is declared or known of it."""
    rooms, declaration = world.rooms, generation.declaration
    if name not in declaration.targets and name not in await rooms.store.records.targets():
        return None
    names = frozenset(before(declaration, name)) | {name}
    begun = replace(
        generation.seen, request=PlanRequest(targets=(name,), refresh=False), by_hand=False
    )
    begun = replace(begun, scope=replace(begun.scope, targets=names))
    return await walk_narrow(rooms, begun, LOOP)


async def fetch_again(world: World, seen: Seen, name: str) -> Result:
    """Have a repo looked at whose commit is not here any more, or not yet."""
    target = seen.declaration.targets.get(name)
    repo = None if target is None else seen.declaration.repos.get(target.repo or "")
    if repo is None or not repo.active or name in seen.sources:
        return Done()
    await world.add(Key(Kind.REPO, repo.name))
    return After(UNSEEN_SECONDS, f"no commit of repo {repo.name} is here")


async def withdraw(world: World, seen: Seen, name: str, jobs: Sequence[Job]) -> None:
    """Have jobs skipped that never began and are out of date; what runs goes on to its end."""
    if not jobs:
        return
    resolved = any(pair.target == name for pair in seen.pairs)
    if name in seen.declaration.targets and not resolved:
        return  # nobody knows what is wanted: its repo has no commit that may be used
    wanted: Mapping[str, Digest | None] = {
        pair.server: pair.work.digest for pair in seen.pairs if pair.target == name
    }
    source = seen.sources.get(name)
    commit = None if source is None else source.revision.sha
    await world.live.engine.withdraw(superseded(jobs, wanted, commit))


async def still_open(world: World, jobs: Iterable[Job]) -> list[Job]:
    """Read jobs again, and give those that have not ended."""
    found = [await world.rooms.store.jobs.get(job.id) for job in jobs]
    return [job for job in found if job is not None and not job.state.ended]


def waits_for(plan: Plan, seen: Seen, name: str) -> str | None:
    """Name a target that comes before and is not in sync now: what it still does, it does in a run of its own."""
    ahead = before(seen.declaration, name) - {name}
    for change in plan.changes:
        news = change.action is not Action.NONE or change.blocked_by is not None or change.unknown
        if change.target in ahead and news and change.after is not None:
            return change.target
    return None


async def act(
    world: World, generation: Generation, seen: Seen, name: str, jobs: Sequence[Job]
) -> Result:
    """Record what is to be done, and do what needs no job."""
    plan = plan_of(seen)
    guard_whole(world.rooms, seen, plan)
    guard_budget(plan)
    now = world.rooms.clock.now()
    taken, past = {job.server for job in jobs}, await past_of(world, name, plan.changes)
    choice = await world.rooms.aside.do(lambda: choose(plan, name, taken=taken, past=past, now=now))
    forgettable = [change for change in choice.changes if change.action is Action.FORGET]
    try:
        orders = await world.rooms.aside.do(lambda: orders_of(seen, choice.changes))
        if await meanwhile.other_word(world, generation, seen.standing, name):
            return await again(world, name)
        run = await record(world, seen, plan, orders, title=f"reconcile {name}")
    except LockedError as error:
        return After(LOCKED_SECONDS, error.message)
    for server in await keep_in_step(world.rooms, seen, plan):
        await world.poke(Key(Kind.SERVER, server), why=f"what is kept of {name} was written there")
    if forgettable:
        await forget(world.rooms, seen, forgettable)
        for change in forgettable:
            await world.poke(Key(Kind.SERVER, change.server), why=f"{name} was forgotten there")
    if run is not None:
        return Done()  # its end wakes this key
    return await sleep(world, seen, name, choice)


async def past_of(
    world: World, name: str, changes: Sequence[Change]
) -> Mapping[str, Sequence[Job]]:
    """Read the newest jobs of the pairs that would run, by server."""
    store = world.rooms.store
    servers = sorted({change.server for change in changes if change.action is not Action.NONE})
    if len(servers) <= FEW:
        return {
            server: await store.jobs.list(target=name, server=server, limit=NEWEST)
            for server in servers
        }
    found: dict[str, list[Job]] = {}
    for job in await store.jobs.list(target=name, limit=MANY):
        there = found.setdefault(job.server, [])
        if len(there) < NEWEST:
            there.append(job)
    return found


async def sleep(world: World, seen: Seen, name: str, choice: Choice) -> Result:
    """Say why what waits waits, and when to look again."""
    key = Key(Kind.TARGET, name)
    said = "; ".join(f"{server}: {why}" for server, why in sorted(choice.held.items())[:HEALS])
    reason = "Waiting" if choice.due is not None else "Stalled"
    await world.say(key, Said(reason=reason, message=said) if said else None)
    plan, now = plan_of(seen), world.rooms.clock.now()
    mine = [change for change in plan.changes if change.target == name]
    for change in mine:
        if change.blocked_by is not None and change.blocked_by.gate is Gate.LOCK:
            await world.poke(Key(Kind.SERVER, change.server), why="somebody held the target there")
            return After(LOCKED_SECONDS * 5, change.blocked_by.message)
    moments: list[datetime | None] = [choice.due, next_moment(seen, name, now)]
    due = min((at for at in moments if at is not None), default=None)
    if due is None:
        return Done()
    return After(max(0.0, (due - now).total_seconds()), f"something of {name} is due")
