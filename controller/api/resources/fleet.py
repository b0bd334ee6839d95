"""The fleet as it is declared and as it was last seen: status, targets, servers, groups, tasks, repos, drift, and why nothing happens."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Query
from starlette.responses import Response

from controller.api.bodies import Name
from controller.api.call import Asked, Call
from controller.api.paging import Limit, Page, Paged, names_after, page_of, read_cursor
from controller.api.problems import refuse
from controller.jobs.held import HELD
from controller.model.declaration import Declaration
from controller.planning.document import diagnostic_document
from controller.reconcile import declared, declared_work
from controller.reconcile.documents import (
    gates_document,
    history_document,
    iso,
    plain,
    status_document,
    target_line,
)
from controller.reconcile.exchange.status import Sightings, StatusReport

Wanted = Annotated[Name | None, Query()]
MANY: Final = 200
"""Troubles and jobs of a status that are written out at once; more, as when a network is down, beside the loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is declared, what was seen of it, and how servers were reached."""

    declared: Declaration
    seen: Sightings


async def status(call: Asked) -> Response:
    """Say on one screen how wanted and applied compare, what is wrong, and what runs."""
    report = await call.desk.glance.status()
    held = await call.serving.store.marks.get(HELD)
    if len(report.problems) + len(report.running) > MANY:
        return await call.rooms.aside.do(lambda: written(call, report, held))
    return written(call, report, held)


def written(call: Call, report: StatusReport, held: str | None) -> Response:
    """Write a status out, as far as it lies within the scope."""
    report = within(call, report)
    document = status_document(report, state=call.serving.state)
    generation, invalid = call.serving.generation, call.serving.invalid
    document["in_force"] = (
        None
        if generation is None
        else {"commit": generation.revision.sha, "at": iso(generation.at)}
    )
    document["invalid"] = (
        None
        if invalid is None
        else {
            "commit": invalid.sha,
            "at": iso(invalid.at),
            "message": invalid.message,
            "diagnostics": [diagnostic_document(one) for one in invalid.diagnostics],
        }
    )
    document["held"] = held
    return call.answer(document)


def within(call: Call, report: StatusReport) -> StatusReport:
    """Leave out what lies outside the scope."""
    if call.grant.whole:
        return report
    servers = call.servers_seen()
    return replace(
        report,
        targets=tuple(one for one in report.targets if call.sees_target(one.target)),
        upcoming=tuple(one for one in report.upcoming if call.sees_target(one[0])),
        problems=tuple(one for one in report.problems if sees_subject(call, one.subject, servers)),
        running=tuple(
            job
            for job in report.running
            if call.sees_target(job.target) and (servers is None or job.server in servers)
        ),
    )


def sees_subject(call: Call, subject: str, servers: Collection[str] | None) -> bool:
    """Say whether a problem is about something within the scope; jobs are told to those who see all."""
    kind, _, name = subject.partition("/")
    match kind:
        case "server":
            return servers is None or name in servers
        case "target":
            return call.sees_target(name)
        case "job":
            return call.grant.whole
        case _:
            return True


async def why(
    call: Asked, target: Annotated[Name, Query()], server: Annotated[Name, Query()]
) -> Response:
    """Ask every gate of a pair, in order: the first that says no, and how to clear it."""
    call.must_reach(targets=[target], servers=[server])
    return call.answer(gates_document(target, server, await call.controller.why(target, server)))


async def state(call: Asked) -> Response:
    """Give everything that a plan is compared with: records (without their keys), observations, decisions. For `ctl plan --controller`."""
    call.must_reach_all()
    seen = await call.desk.glance.seen()
    store = call.serving.store
    records = [replace(one, key="", secrets={}, undo=None) for one in seen.records.values()]
    return call.answer(
        {
            "format_version": "1.0",
            "state": call.serving.state,
            "at": iso(call.serving.clock.now()),
            "records": records,
            "servers": [plain_seen(one) for one in seen.servers.values()],
            "repos": list(seen.repos.values()),
            "standing": await store.standings.all(),
            "serial": await store.runs.serial(),
        }
    )


def plain_seen(seen: object) -> object:
    """Give what was seen of a server; the keys in its markers stay here."""
    document = plain(seen)
    if isinstance(document, dict):
        for marker in document.get("markers", {}).values():
            marker["record"].update(key="", secrets={}, undo=None)
    return document


async def world_of(call: Call) -> World:
    """Give what is declared and what was last seen."""
    return World(declared=call.declaration, seen=await call.desk.glance.seen())


def listed(
    call: Call, kind: str, names: Iterable[str], write: Callable[[str], object], page: Page
) -> Response:
    """Answer with a page of named things."""
    after = names_after(names, read_cursor(kind, page.cursor), page.limit)
    return call.answer(page_of(kind, after, str, page.limit, write))


def found(names: Collection[str], name: str, what: str) -> None:
    """Refuse a name that nothing has.

    Raises:
        ProblemError: 404.
    """
    if name not in names:
        raise refuse(HTTPStatus.NOT_FOUND, "not-found", f"there is no {what} of this name")


async def targets(call: Asked, page: Paged) -> Response:
    """List targets with their status."""
    lines = {one.target: one for one in (await call.desk.glance.status()).targets}
    world = await world_of(call)

    def write(name: str) -> object:
        status = target_line(lines[name]) if name in lines else None
        return {**declared_work.target_brief(world, name), "status": status}

    known = world.declared.targets
    return listed(call, "targets", filter(call.sees_target, known), write, page)


async def target(call: Asked, name: Name) -> Response:
    """Give a target: declared, its status, and what is applied on which server."""
    found(call.declaration.targets, name, "target")
    call.must_see(name)
    world, inside = await world_of(call), call.servers_seen()
    lines = (await call.desk.glance.status()).targets
    line = next((target_line(one) for one in lines if one.target == name), None)
    records = world.seen.records
    if inside is not None:
        records = {pair: one for pair, one in records.items() if pair[1] in inside}
    world = replace(world, seen=replace(world.seen, records=records))
    document = {**declared_work.target_document(world, name), "status": line}
    if inside is not None:
        members = call.declaration.targets[name].members
        document["members"] = [one for one in members if one in inside]
    return call.answer(document)


async def history(call: Asked, name: Name, limit: Limit = 20) -> Response:
    """List the runs of a target, newest first."""
    found(call.declaration.targets, name, "target")
    call.must_see(name)
    runs = await call.controller.history(name, limit=limit)
    return call.answer([history_document(one) for one in runs])


async def servers(call: Asked, page: Paged) -> Response:
    """List servers with how they were last seen."""
    world, inside = await world_of(call), call.servers_seen()

    def write(name: str) -> object:
        return server_seen(call, declared.server_brief(world, name))

    known = world.declared.inventory.servers
    names = [name for name in known if inside is None or name in inside]
    return listed(call, "servers", names, write, page)


async def server(call: Asked, name: Name) -> Response:
    """Give a server: declared with the origin of every variable, as last seen, and how it was reached over time."""
    found(call.declaration.inventory.servers, name, "server")
    call.must_reach(servers=[name])
    document = declared.server_document(await world_of(call), name)
    return call.answer(server_seen(call, document))


def server_seen(call: Call, document: dict[str, object]) -> dict[str, object]:
    """Leave out of a server the targets that lie outside the scope."""
    if not call.grant.targets:
        return document
    made = dict(document)
    for part, name in (("observed", "markers"), ("contact", "looked")):
        found = made[part]
        if isinstance(found, dict):
            made[part] = {**found, name: [one for one in found[name] if call.sees_target(one)]}
    named = made.get("targets")
    if isinstance(named, list):
        made["targets"] = [one for one in named if call.sees_target(one)]
    return made


async def repos(call: Asked, page: Paged) -> Response:
    """List repos with what was last seen of them."""
    world = await world_of(call)

    def write(name: str) -> object:
        return declared.repo_document(world, name)

    return listed(call, "repos", used(call).repos, write, page)


async def repo(call: Asked, name: Name) -> Response:
    """Give a repo: declared, and its last accepted commit."""
    found(used(call).repos, name, "repo")
    return call.answer(declared.repo_document(await world_of(call), name))


async def groups(call: Asked, page: Paged) -> Response:
    """List groups with their servers and children."""
    world = await world_of(call)

    def write(name: str) -> object:
        return group_seen(call, world, name)

    return listed(call, "groups", used(call).groups, write, page)


async def group(call: Asked, name: Name) -> Response:
    """Give a group."""
    found(used(call).groups, name, "group")
    return call.answer(group_seen(call, await world_of(call), name))


def group_seen(call: Call, world: World, name: str) -> dict[str, object]:
    """Give a group, with those of its servers and children that are within the scope."""
    document, inside = declared.group_document(world, name), call.servers_seen()
    if inside is None:
        return document
    group, known = call.declaration.inventory.groups[name], used(call).groups
    return {
        **document,
        "servers": [one for one in group.servers if one in inside],
        "children": [one for one in group.children if one in known],
    }


async def tasks(call: Asked, page: Paged) -> Response:
    """List tasks with their parameters and steps."""
    world = await world_of(call)

    def write(name: str) -> object:
        return declared_work.task_document(world, name)

    return listed(call, "tasks", used(call).tasks, write, page)


async def task(call: Asked, name: Name) -> Response:
    """Give a task."""
    found(used(call).tasks, name, "task")
    return call.answer(declared_work.task_document(await world_of(call), name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What somebody sees of things that have no scope themselves: those that their targets and servers use."""

    repos: Collection[str]
    groups: Collection[str]
    tasks: Collection[str]


def used(call: Call) -> Used:
    """Say what is within the scope by being used there."""
    known = call.declaration
    if call.grant.whole:
        return Used(repos=known.repos, groups=known.inventory.groups, tasks=known.tasks)
    inside = call.servers_seen()
    seen = [one for one in known.targets.values() if call.sees_target(one.name)]
    servers = known.inventory.servers if inside is None else inside
    return Used(
        repos={one.repo for one in seen if one.repo is not None},
        groups={group for name in servers for group in known.inventory.servers[name].groups},
        tasks={one.task for one in seen},
    )
