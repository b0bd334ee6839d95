"""`ctl run`: a declared task, a target, a script of the servers or a typed command, now and by hand."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from controller.declaration import pairs
from controller.declaration.undeclared import with_task
from controller.declaration.written import WrittenTask
from controller.errors import UsageError
from controller.jobs.closing import ALL
from controller.jobs.report import RunReport as EngineReport
from controller.model.declaration import Target
from controller.model.diagnostic import Severity
from controller.model.ids import RunId
from controller.model.inventory import Carrier, Server
from controller.model.job import Job, State, Trigger
from controller.model.plan import Action, Plan
from controller.model.scope import Scope
from controller.model.work import StepKind, Work
from controller.planning import applying
from controller.reconcile.agents.offers import beheld, chosen, offers, undeclared
from controller.reconcile.carrying.adhoc import TASK, command_work, script_work
from controller.reconcile.carrying.applying import (
    guard_budget,
    guard_whole,
    left_of,
    report_of,
    with_held,
)
from controller.reconcile.carrying.parameters import given
from controller.reconcile.carrying.results import fetch_results
from controller.reconcile.carrying.scripts import find_script
from controller.reconcile.carrying.submission import Order, jobs_of, orders_of, run_of
from controller.reconcile.engines import RunEngine
from controller.reconcile.exchange.reports import RunReport
from controller.reconcile.exchange.requests import PlanRequest, RunRequest
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.comparing import compare_secrets
from controller.reconcile.walk.deciding import make_plan, plan_of, refuse, resolve_pairs
from controller.reconcile.walk.loading import load, see_config, select, tree_of
from controller.reconcile.walk.observe import observe
from controller.reconcile.walk.repos import reach_of, see_repos
from controller.reconcile.walk.seen import Seen
from controller.reconcile.walk.steps import walk


async def run(rooms: Rooms, request: RunRequest) -> RunReport:
    """Run a task or a target now; a target keeps its lock and marker, a task has neither.

    Raises:
        NotFoundError: there is no such task, target or server.
        UsageError: parameters do not fit, or nothing is selected.
    """
    started = rooms.clock.now()
    seen = await behold(rooms, request)
    engine = rooms.engine(reach_of(seen))
    if (await engine.settle(within=request.timeout)).waiting:
        return RunReport(waiting=True)
    request = replace(request, timeout=left_of(rooms, request.timeout, started))
    plan = None
    if request.target is not None:
        plan, orders = await target_orders(rooms, seen, request)
    elif request.task is not None and request.task in seen.declaration.tasks:
        orders = await task_orders(rooms, seen, request)
    elif request.written is not None:
        orders = written_orders(rooms, seen, request, request.written)
    else:
        orders = await undeclared_orders(rooms, seen, request)
    if plan is not None and not orders:
        return with_held(RunReport(), plan)
    refuse_later(request, orders)
    if request.interactive:
        orders = [listening(order) for order in orders]
    commit = None if seen.revision is None else seen.revision.sha
    title = f"run {request.target or request.task or TASK}"
    made = run_of(rooms.ids, rooms.actor, rooms.clock.now(), title=title, plan=plan, commit=commit)
    jobs = jobs_of(made, orders, rooms.ids, project=seen.declaration.settings.name, commit=commit)
    await engine.submit(made, [(job, replace(body, fed=bool(request.stdin))) for job, body in jobs])
    done = await drive(rooms, engine, made.id, request)
    report = await report_of(rooms, done)
    if plan is not None:
        report = with_held(report, plan)
    results = await fetch_results(rooms, report.jobs, request.outdir)
    took = (rooms.clock.now() - started).total_seconds()
    return replace(report, results=results, took=took)


async def behold(rooms: Rooms, request: RunRequest) -> Seen:
    """Load what is declared; an agent that is not needs none of it."""
    if request.address is not None:
        return await beheld(rooms, request.address)
    wanted = PlanRequest(targets=() if request.target is None else (request.target,))
    return await walk(rooms, Seen(request=wanted), (see_config, load))


async def undeclared_orders(rooms: Rooms, seen: Seen, request: RunRequest) -> list[Order]:
    """Make the jobs of a typed command, or of a script that the servers offer or are sent."""
    servers = places(seen, request)
    request, owner = in_whose_name(rooms, seen, request, servers)
    if request.task is None:
        if request.params:
            raise UsageError("a command has no parameters", hint="leave out -p")
        work = command_work(
            request.words,
            user=request.user,
            limits=request.limits,
            interactive=request.interactive,
        )
        said = work.steps[0].text
        return [by_hand(rooms, server, work, said, owner) for server in servers]
    own = find_script(seen.tree, request.task)
    found = await offers(rooms, seen, servers)
    chosen(found, request.task, declared=tuple(seen.declaration.tasks), sent=own is not None)
    orders = []
    for server, one in zip(servers, found, strict=True):
        known = next((each for each in one.scripts if each.name == request.task), None)
        fetched = own if known is None and one.trouble is None else None
        work = script_work(
            request.task,
            known if fetched is None else fetched.script,
            arguments=request.words,
            params=request.params,
            user=request.user,
            limits=request.limits,
            interactive=request.interactive,
            text="" if fetched is None else fetched.text.decode(),
        )
        orders.append(by_hand(rooms, server, work, f"script {request.task}", owner))
    return orders


def places(seen: Seen, request: RunRequest) -> tuple[Server, ...]:
    """Give the servers of undeclared work."""
    if request.address is not None:
        return (undeclared(request.address),)
    servers = seen.declaration.inventory.servers
    return tuple(servers[name] for name in members(seen, request.on))


def in_whose_name(
    rooms: Rooms, seen: Seen, request: RunRequest, servers: Sequence[Server]
) -> tuple[RunRequest, str]:
    """Say whom undeclared work belongs to, and as whom it runs.

    A person who speaks to agents by a certificate of their own works under that name, and as the Linux user of that name
    where no other is asked for; whoever has the certificate of a controller is taken at their word. Whoever was proved by a
    controller that serves owns it under exactly that name.
    """
    owner = rooms.actor if rooms.proved else rooms.actor.partition("@")[0]
    if not any(one.carrier in {Carrier.AGENT, Carrier.PULL} for one in servers):
        return request, owner
    caller = reach_of(seen).caller()
    if caller is None or caller.leads:
        return request, owner
    owner = owner if rooms.proved else caller.name
    return replace(request, user=request.user or caller.name), owner


def by_hand(rooms: Rooms, server: Server, work: Work, said: str, owner: str) -> Order:
    """Make one job of undeclared work."""
    shown = said if len(said) <= SHOWN else f"{said[: SHOWN - 1]}…"
    return Order(
        target=None,
        server=server,
        work=work,
        trigger=Trigger.MANUAL,
        cause=f"ctl run by {rooms.actor}: {shown}",
        owner=owner,
    )


SHOWN: Final = 120
"""Characters of a typed command that are shown as its job's cause."""


def listening(order: Order) -> Order:
    """Keep the standard input of the first step open that is not the controller's own."""
    first = next((s.name for s in order.work.steps if s.kind is StepKind.COMMAND), None)
    steps = tuple(replace(s, interactive=s.name == first) for s in order.work.steps)
    return replace(order, work=replace(order.work, steps=steps))


def refuse_later(request: RunRequest, orders: Sequence[Order]) -> None:
    """Refuse to leave a job alone that needs somebody to say which step is next."""
    if request.detach and any(len(order.work.steps) > 1 for order in orders):
        raise UsageError(
            "--detach is for tasks of one step: which step is next is decided here",
            hint="leave out --detach, or make it one step",
        )


async def drive(rooms: Rooms, engine: RunEngine, run: RunId, request: RunRequest) -> EngineReport:
    """Drive the jobs of a run to their ends; with `--detach` only until each has begun."""
    driving = asyncio.create_task(
        engine.drive(run, parallel=request.parallel, within=request.timeout, stdin=request.stdin)
    )
    try:
        while request.detach and not driving.done():
            await asyncio.wait({driving}, timeout=BEGUN_SECONDS)
            if all(begun(job) for job in await rooms.store.jobs.list(run=run, limit=ALL)):
                engine.halt()
                return replace(await driving, waiting=False)
        return await driving
    finally:
        driving.cancel()


def begun(job: Job) -> bool:
    """Say whether a job runs on its server, or has ended."""
    waiting = {State.PENDING, State.DISPATCHED}
    tries = [attempt for step in job.steps for attempt in step.attempts]
    return job.state.ended or any(attempt.state not in waiting for attempt in tries)


BEGUN_SECONDS: Final = 0.1
"""Between two looks whether everything that is to be left alone has begun."""


def members(seen: Seen, on: str | None) -> tuple[str, ...]:
    """Say which active servers a selector picks.

    Raises:
        NotFoundError: a word of it names neither a server nor a group.
        UsageError: it cannot be read, or picks nothing.
    """
    if on is None:
        raise UsageError("no servers are named", hint="--on SELECTOR, such as --on all")
    names = select(on, seen.declaration.inventory)
    servers = seen.declaration.inventory.servers
    active = tuple(name for name in names if servers[name].active)
    if not active:
        raise UsageError(f"{on!r} picks no active server", hint="ctl get servers")
    return active


async def task_orders(rooms: Rooms, seen: Seen, request: RunRequest) -> list[Order]:
    """Resolve a task on servers, as a target of the moment that is never recorded."""
    name = request.task or ""
    if request.words or request.user is not None or request.limits:
        raise UsageError(
            f"task {name} says itself what it runs, as whom and within which limits",
            hint="leave out --as, --limit and the words after --",
        )
    task = seen.declaration.tasks[name]
    moment = moment_of(name, request, members(seen, request.on))
    moment = replace(moment, params=given(task.params, request.params))
    declaration = replace(seen.declaration, targets={MOMENT: moment})
    return resolved(rooms, replace(seen, declaration=declaration))


def written_orders(
    rooms: Rooms, seen: Seen, request: RunRequest, written: WrittenTask
) -> list[Order]:
    """Resolve a task that was written for this run alone.

    Raises:
        InvalidDeclarationError: the task is not one.
        UsageError: it is to run where nothing is declared, or beside something else.
    """
    if request.address is not None or request.words or request.limits:
        raise UsageError(
            "a task that was written says itself what it runs and within which limits, on declared servers",
            hint="leave out --addr, --limit and the words after --",
        )
    servers = places(seen, request)
    request, owner = in_whose_name(rooms, seen, request, servers)
    moment = moment_of(TASK, request, tuple(server.name for server in servers))
    declaration, found = with_task(seen.declaration, tree_of(rooms, seen), written, target=moment)
    if any(finding.severity is Severity.ERROR for finding in found):
        refuse(rooms, seen, found)
    task = declaration.tasks[TASK]
    moment = replace(moment, params=given(task.params, request.params))
    task = replace(task, user=task.user or request.user)
    declaration = replace(declaration, targets={MOMENT: moment}, tasks={TASK: task})
    return resolved(rooms, replace(seen, declaration=declaration), owner=owner)


def moment_of(task: str, request: RunRequest, servers: tuple[str, ...]) -> Target:
    """Make the target of one run."""
    return Target(name=MOMENT, task=task, servers=request.on or "", members=servers)


MOMENT = "by-hand"
"""The name of the target that `ctl run TASK` makes for a moment."""


def resolved(rooms: Rooms, seen: Seen, *, owner: str = "") -> list[Order]:
    """Render the work of the target of the moment: one job for each of its servers, or none at all."""
    found = pairs.resolve(seen.declaration, {}, rooms.renderer, scope=Scope())
    if len(found.pairs) < len(seen.declaration.targets[MOMENT].members):
        refuse(rooms, seen, found.diagnostics)
    servers = seen.declaration.inventory.servers
    return [
        Order(
            target=None,
            server=servers[pair.server],
            work=pair.work,
            trigger=Trigger.MANUAL,
            cause=f"ctl run by {rooms.actor}",
            owner=owner,
        )
        for pair in found.pairs
    ]


async def target_orders(rooms: Rooms, seen: Seen, request: RunRequest) -> tuple[Plan, list[Order]]:
    """Plan a target, or some of its servers, as an apply would; what is in sync runs, too, and so does what failed.

    Every other gate holds here as well.
    """
    if request.params:
        raise UsageError("a target has its own parameters", hint="leave out -p, or run the task")
    if request.user is not None or request.limits:
        raise UsageError(
            f"target {request.target} says itself as whom and within which limits it runs",
            hint="leave out --as and --limit",
        )
    if request.on is not None:
        seen = replace(
            seen, scope=replace(seen.scope, servers=frozenset(members(seen, request.on)))
        )
    seen = await walk(rooms, seen, (see_repos, resolve_pairs))
    if not seen.pairs and not seen.blocked:
        raise UsageError(f"target {request.target} picks no server here")
    wanted = frozenset((pair.target, pair.server) for pair in seen.pairs)
    seen = await walk(rooms, replace(seen, retry=wanted), (observe, compare_secrets, make_plan))
    plan = plan_of(seen)
    guard_whole(rooms, seen, plan)
    guard_budget(plan)
    cause = f"ctl run by {rooms.actor}"
    running = [change for change in applying.apply_set(plan) if change.action is not Action.FORGET]
    orders = [
        replace(order, trigger=Trigger.MANUAL, cause=cause) for order in orders_of(seen, running)
    ]
    return plan, orders
