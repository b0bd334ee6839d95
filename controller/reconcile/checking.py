"""`ctl check server` and `ctl check repo`: look now, and say what was found."""

from dataclasses import replace

from controller.errors import NotFoundError, RewoundError, SourceError, UsageError
from controller.model.declaration import Repo
from controller.model.ids import Sha
from controller.model.inventory import Server
from controller.model.observation import RepoSeen, ServerSeen
from controller.reconcile.exchange.checks import RepoCheck, ServerCheck
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.connectivity import write_connectivity
from controller.reconcile.walk.loading import load, see_config
from controller.reconcile.walk.observe import read_server, see_server
from controller.reconcile.walk.repos import accepted_of, credentials_of, note, signers_of
from controller.reconcile.walk.seen import Seen
from controller.reconcile.walk.steps import walk
from controller.transport.port import Probed, ProbeSpec, Session

UPTIME_SECONDS = 30.0


async def check_server(rooms: Rooms, name: str) -> ServerCheck:
    """Reach a server now and run `uptime` there; what is found is kept and logged."""
    seen = await walk(rooms, Seen(), (see_config, load))
    servers = seen.declaration.inventory.servers
    if name not in servers:
        raise NotFoundError(f"there is no server {name!r}", hint="ctl get servers")
    started = rooms.clock.now()
    found = await uptime(rooms, seen, servers[name])
    async with rooms.saving() as free:
        if free:
            known = await rooms.store.observations.server(name)
            checks = {} if known is None or not found.seen.reached else known.checks
            await rooms.store.observations.put_servers([replace(found.seen, checks=checks)])
    if free:
        await write_connectivity(rooms, found.seen)
    return replace(found, took=(rooms.clock.now() - started).total_seconds())


async def uptime(rooms: Rooms, seen: Seen, server: Server) -> ServerCheck:
    """Open a server, ask how long it is up, and read its markers: an observation is of one moment."""
    answers: list[Probed] = []

    async def ask(session: Session) -> ServerSeen:
        answers.append(await session.probe(ProbeSpec(text=b"uptime", timeout=UPTIME_SECONDS)))
        return await read_server(rooms, seen, (), session, server.name)

    found = await see_server(rooms, seen, server, ask)
    if not found.reached or not answers:
        return ServerCheck(seen=found)
    return ServerCheck(
        seen=found, exit_code=answers[0].exit_code, output=rooms.masker.mask(answers[0].output)
    )


async def check_repo(
    rooms: Rooms, name: str, *, accept_rewind: bool, reason: str | None
) -> RepoCheck:
    """Fetch a repo now and say where it stands, then clean its cache.

    Raises:
        UsageError: a rewind is to be accepted without a reason.
        SourceError: it cannot be reached, or its newest commit is refused.
    """
    if accept_rewind and not reason:
        raise UsageError("accepting a rewritten history needs a reason", hint="--reason TEXT")
    seen = await walk(rooms, Seen(), (see_config, load))
    if name not in seen.declaration.repos:
        raise NotFoundError(f"there is no repo {name!r}", hint="ctl get repos")
    repo = seen.declaration.repos[name]
    accepted = accepted_of(repo, await rooms.store.observations.repos())
    if accept_rewind:
        told = {"repo": name, "previous": accepted, "reason": reason}
        await rooms.activity.append("rewind-accepting", rooms.actor, **told)
        found = await look_and_clean(rooms, seen, repo, None)
        await rooms.activity.append(
            "rewind-accepted", rooms.actor, **told, commit=found.seen.accepted
        )
        return found
    return await look_and_clean(rooms, seen, repo, accepted)


async def look_and_clean(rooms: Rooms, seen: Seen, repo: Repo, accepted: Sha | None) -> RepoCheck:
    """Look at a remote, keep what was seen, delete the mirror.

    Without an accepted commit the newest one need not descend from anything.
    """
    try:
        found = await rooms.mirrors.look(
            repo,
            credentials_of(seen, repo),
            accepted=accepted,
            signers=signers_of(seen, repo),
        )
    except SourceError as error:
        await note(rooms, repo, accepted, error)
        if isinstance(error, RewoundError):
            error.hint = f"ctl check repo {repo.name} --accept-rewind --reason TEXT"
        raise
    await rooms.mirrors.clean(repo)
    await note(rooms, repo, accepted, None, found.revision)
    return RepoCheck(
        seen=RepoSeen(
            repo=repo.name,
            url=repo.url,
            accepted=found.revision.sha,
            branch=found.revision.branch,
            committed_at=found.revision.committed_at,
            checked_at=rooms.clock.now(),
        ),
        previous=accepted,
        subject=found.revision.subject,
        author=found.revision.author,
        branches=found.branches,
        signer=found.revision.signer,
    )
