"""`ctl run`: a declared task, or a target, now and by hand."""

import json
from collections.abc import Mapping
from dataclasses import replace

from controller.declaration import pairs
from controller.declaration.params import complaints
from controller.errors import NotFoundError, UsageError
from controller.model.declaration import Target
from controller.model.job import Trigger
from controller.model.scope import Scope
from controller.model.task import Param
from controller.planning.inputs import Observed
from controller.planning.subject import record_of
from controller.reconcile.applying import report_of
from controller.reconcile.deciding import refuse, resolve_pairs
from controller.reconcile.loading import load, see_config, select
from controller.reconcile.observe import observe
from controller.reconcile.repos import reach_of, see_repos
from controller.reconcile.requests import PlanRequest, RunReport, RunRequest
from controller.reconcile.results import fetch_results
from controller.reconcile.rooms import Rooms
from controller.reconcile.seen import Seen
from controller.reconcile.steps import walk
from controller.reconcile.submission import Order, jobs_of, run_of


async def run(rooms: Rooms, request: RunRequest) -> RunReport:
    """Run a task or a target now; a target keeps its lock and marker, a task has neither.

    Raises:
        NotFoundError: there is no such task, target or server.
        UsageError: parameters do not fit, or nothing is selected.
    """
    started = rooms.clock.now()
    wanted = PlanRequest(targets=() if request.target is None else (request.target,))
    seen = await walk(rooms, Seen(request=wanted), (see_config, load))
    engine = rooms.engine(reach_of(seen))
    await engine.settle(within=request.timeout)
    if request.target is None:
        orders = await task_orders(rooms, seen, request)
    else:
        orders = await target_orders(rooms, seen, request)
    commit = None if seen.revision is None else seen.revision.sha
    title = f"run {request.target or request.task}"
    made = run_of(rooms.ids, rooms.actor, rooms.clock.now(), title=title, plan=None, commit=commit)
    jobs = jobs_of(made, orders, rooms.ids, project=seen.declaration.settings.name, commit=commit)
    await engine.submit(made, jobs)
    done = await engine.drive(
        made.id, parallel=request.parallel, within=request.timeout, stdin=request.stdin
    )
    report = await report_of(rooms, done)
    results = await fetch_results(rooms, report.jobs, request.outdir)
    took = (rooms.clock.now() - started).total_seconds()
    return replace(report, results=results, took=took)


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
    if name not in seen.declaration.tasks:
        known = ", ".join(sorted(seen.declaration.tasks)) or "none"
        raise NotFoundError(f"there is no task {name!r}", hint=f"declared tasks: {known}")
    params = given(seen.declaration.tasks[name].params, request.params)
    moment = Target(
        name=MOMENT,
        task=name,
        servers=request.on or "",
        members=members(seen, request.on),
        params=params,
    )
    declaration = replace(seen.declaration, targets={MOMENT: moment})
    found = pairs.resolve(declaration, {}, rooms.renderer, scope=Scope())
    if len(found.pairs) < len(moment.members):
        refuse(rooms, seen, found.diagnostics)
    servers = seen.declaration.inventory.servers
    return [
        Order(
            target=None,
            server=servers[pair.server],
            work=pair.work,
            trigger=Trigger.MANUAL,
            cause=f"ctl run by {rooms.actor}",
        )
        for pair in found.pairs
    ]


MOMENT = "by-hand"
"""The name of the target that `ctl run TASK` makes for a moment."""


async def target_orders(rooms: Rooms, seen: Seen, request: RunRequest) -> list[Order]:
    """Resolve a target, or some of its servers, as an apply would."""
    if request.params:
        raise UsageError("a target has its own parameters", hint="leave out -p, or run the task")
    if request.on is not None:
        seen = replace(
            seen, scope=replace(seen.scope, servers=frozenset(members(seen, request.on)))
        )
    seen = await walk(rooms, seen, (see_repos, resolve_pairs, observe))
    if not seen.pairs:
        raise UsageError(f"target {request.target} picks no server here")
    for blocker in seen.blocked.values():
        raise UsageError(blocker.message, hint=blocker.clear)
    observed = Observed(records=seen.records, servers=seen.servers, refreshed=True)
    orders = []
    for pair in seen.pairs:
        found = seen.servers.get(pair.server)
        marker = None if found is None else found.markers.get(pair.target)
        source = seen.sources.get(pair.target)
        orders.append(
            Order(
                target=pair.target,
                server=seen.declaration.inventory.servers[pair.server],
                work=pair.work,
                trigger=Trigger.MANUAL,
                cause=f"ctl run by {rooms.actor}",
                expect=None if marker is None else marker.sha256,
                record=record_of(observed, (pair.target, pair.server), found),
                revision=None if source is None else source.revision,
                repo=None if source is None else source.repo,
            )
        )
    return orders


def given(declared: Mapping[str, Param], typed: Mapping[str, str]) -> dict[str, object]:
    """Read parameters as typed: text where text is wanted, else JSON; defaults fill the rest.

    Raises:
        UsageError: one is unknown, missing, or not what its schema asks for.
    """
    for name in typed:
        if name not in declared:
            known = ", ".join(sorted(declared)) or "none"
            raise UsageError(f"there is no parameter {name!r}", hint=f"declared: {known}")
    values: dict[str, object] = {}
    for name, param in declared.items():
        if name in typed:
            values[name] = literal(read_value(param, typed[name]))
        elif param.required:
            raise UsageError(f"parameter {name} is required", hint=f"-p {name}=VALUE")
        elif param.default is not None:
            values[name] = param.default
    return values


def read_value(param: Param, text: str) -> object:
    """Read one parameter by the type its schema names."""
    value: object = text
    if param.schema.get("type", "string") != "string":
        try:
            value = json.loads(text)
        except ValueError as error:
            raise UsageError(
                f"parameter {param.name} is not {param.schema['type']}: {text!r}"
            ) from error
    for complaint in complaints(param, value):
        raise UsageError(f"parameter {param.name}: {complaint}")
    return value


def literal(value: object) -> object:
    """Write a value so that rendering gives it back as it is: what is typed is data, never a template."""
    match value:
        case str() if "{{" in value or "{%" in value:
            return '{{ "' + "".join(f"\\U{ord(letter):08x}" for letter in value) + '" }}'
        case list():
            return [literal(one) for one in value]
        case dict():
            return {key: literal(one) for key, one in value.items()}
        case _:
            return value
