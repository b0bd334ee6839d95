"""What servers offer by themselves: the scripts of their agents, asked for now.

Called by the facade and by `running`; opens sessions, records nothing.
"""

import asyncio
from collections.abc import Sequence

from controller.declaration.suggest import among
from controller.errors import (
    ControllerError,
    NeedsAgentError,
    NotFoundError,
    TransportError,
    UsageError,
)
from controller.model.inventory import Agent, Carrier, Server
from controller.reconcile.exchange.answers import ServerOffers
from controller.reconcile.exchange.requests import Address
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.loading import load, see_config
from controller.reconcile.walk.repos import reach_of
from controller.reconcile.walk.seen import Seen
from controller.reconcile.walk.steps import walk
from controller.transport.port import ScriptSource


def undeclared(address: Address) -> Server:
    """Make a server of an agent that is not declared: its certificate has to carry the host that was typed."""
    return Server(
        name=address.host,
        address=address.host,
        carrier=Carrier.AGENT,
        agent=Agent(port=address.port),
    )


async def beheld(rooms: Rooms, address: Address | None) -> Seen:
    """Load the declarations; for an address that is typed none are needed.

    Raises:
        InvalidDeclarationError: they hold errors.
    """
    if address is None:
        return await walk(rooms, Seen(), (see_config, load))
    bare = Seen()
    return Seen(reach=rooms.reach(bare.declaration, b""))


async def offers(rooms: Rooms, seen: Seen, servers: Sequence[Server]) -> tuple[ServerOffers, ...]:
    """Ask servers for their scripts; one that cannot say tells why instead."""
    dialer = reach_of(seen).dialer
    room = asyncio.Semaphore(rooms.parallel)

    async def ask(server: Server) -> ServerOffers:
        async with room:
            try:
                session = await dialer.open(server)
                try:
                    return ServerOffers(server=server.name, scripts=await session.scripts())
                finally:
                    await session.close()
            except ControllerError as error:
                return ServerOffers(server=server.name, trouble=error)

    return tuple(await asyncio.gather(*(ask(server) for server in servers)))


async def inspect(rooms: Rooms, seen: Seen, server: Server, script: str) -> ScriptSource:
    """Show one script of a server.

    Raises:
        TransportError: the server is not reached.
        NeedsAgentError: it has no agent.
        NotFoundError: it does not offer the script.
    """
    session = await reach_of(seen).dialer.open(server)
    try:
        return await session.inspect(script)
    finally:
        await session.close()


def chosen(
    found: Sequence[ServerOffers], script: str, *, declared: Sequence[str], sent: bool = False
) -> None:
    """See that every server that answered has a script that can be run.

    Args:
        found: what they said.
        script: its name, which is that of no declared task.
        declared: the names of tasks, for whoever mistyped one.
        sent: those that do not offer it are sent one of the config repository.

    Raises:
        NotFoundError: one does not offer it.
        UsageError: one says that it cannot be run.
        NeedsAgentError: one has no agent.
    """
    for one in found:
        if isinstance(one.trouble, TransportError):
            continue  # its job will say so
        if isinstance(one.trouble, NeedsAgentError):
            raise agentless(one.server, script, declared=declared, sent=sent)
        if one.trouble is not None:
            raise one.trouble
        named = {each.name: each for each in one.scripts}
        if script not in named and sent:
            continue
        if script not in named:
            some = ", ".join(sorted(named)[:10]) or "none"
            raise NotFoundError(
                f"there is no task {script!r}, and {one.server} offers no such script",
                hint=f"it offers: {some}",
            )
        if named[script].problem:
            raise UsageError(
                f"cannot run {script} on {one.server}: it {named[script].problem}",
                hint=f"ctl tasks --on {one.server}",
            )


def agentless(
    server: str, script: str, *, declared: Sequence[str], sent: bool
) -> NeedsAgentError | NotFoundError:
    """Say that a server has no agent to run a script by its name."""
    if sent:
        return NeedsAgentError(
            f"cannot run {script} on {server} by its name: the server has no agent that could fetch it",
            hint=f"declare a task with `script:`, or ctl run --on {server} --stdin -- sh",
        )
    return NotFoundError(
        f"there is no task {script!r}, and {server} has no agent that could offer such a script",
        hint=among(script, declared, what="task"),
    )
