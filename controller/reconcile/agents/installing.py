"""`ctl agent install --on SERVER`: everything an agent needs, over the carrier by which the server is reached today.

Called by `controller`. All that could refuse is looked at first: root, Python, systemd, the authority. What is there already is
left alone, so doing it again is an upgrade, and jobs that run go on.
"""

from collections.abc import Mapping
from typing import Final

from controller.agent.options import LISTEN_PORT
from controller.agent.packing import pack_agent
from controller.declaration.suggest import among
from controller.errors import NotFoundError, RefusedError
from controller.model.inventory import Carrier, Server
from controller.pki import shelf
from controller.reconcile.agents.certifying import Desk
from controller.reconcile.agents.errands import Errands, errands_on
from controller.reconcile.exchange.installs import (
    Installed,
    InstallError,
    InstallRequest,
    Sight,
    Signed,
    Tell,
    read_sight,
)
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.loading import load, see_config
from controller.reconcile.walk.repos import reach_of
from controller.reconcile.walk.seen import Seen
from controller.reconcile.walk.steps import walk
from controller.transport.agents.knocking import knock_until

USUAL: Final = (f"--listen=0.0.0.0:{LISTEN_PORT}",)
LOOPBACK: Final = "127.0.0.1"


class ServerInstaller:
    """Installs on declared servers; made by `service`."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def look(self, request: InstallRequest, tell: Tell) -> Sight:
        """Say what an installation would write on a server, without changing anything."""
        errands = await _errands(self._rooms, request, tell)
        try:
            return await _look(errands, request)
        finally:
            await errands.session.close()

    async def install(self, request: InstallRequest, tell: Tell) -> Installed:
        """Install or upgrade the agent of a server, and wait until it answers.

        Raises:
            InstallError: it cannot run there; unless the message says otherwise, nothing was written.
            RefusedError: the authority does not sign for this name.
            TransportError: the server, or at the end its agent, cannot be reached.
        """
        rooms = self._rooms
        errands = await _errands(rooms, request, tell)
        server = errands.server
        try:
            sight, issued = await self._install(errands, request)
        finally:
            await errands.session.close()
        address = await _answered(rooms, server, sight, request) if request.start else None
        await rooms.activity.append("agent-installed", rooms.actor, server=server.name)
        return Installed(server=server.name, sight=sight, issued=issued, address=address)

    async def _install(
        self, errands: Errands, request: InstallRequest
    ) -> tuple[Sight, Signed | None]:
        rooms, server = self._rooms, errands.server
        desk = Desk(
            folder=request.authority, now=rooms.clock.now(), by=rooms.actor, days=request.days
        )
        desk.check(server)
        sight = await _look(errands, request)
        _check(server, sight, request)

        async def ask() -> bytes:
            answer = await errands.run("request", **_order(request))
            return str(answer.get("request", "")).encode()

        papers = await desk.papers(
            server, sight.certificate, ask if sight.openssl else None, anew=request.renew
        )
        if papers.issued is not None:
            errands.tell(f"signed {papers.issued.serial}")
        told = {"certificate": papers.certificate, "key": papers.key}
        told |= {"authority": papers.authority, "denied": papers.denied}
        await rooms.activity.append("agent-installing", rooms.actor, server=server.name)
        await errands.run("install", **_order(request), **told, start=request.start)
        return sight, papers.issued


async def _errands(rooms: Rooms, request: InstallRequest, tell: Tell) -> Errands:
    """Find the server, reach it, and see that errands can be run there."""
    seen = await walk(rooms, Seen(), (see_config, load))
    servers = seen.declaration.inventory.servers
    server = servers.get(request.server)
    if server is None:
        raise NotFoundError(
            f"there is no server {request.server!r}",
            hint=among(request.server, servers, what="servers"),
        )
    dialer = reach_of(seen).dialer

    def tell_of(line: str) -> None:
        tell(line if line.startswith(server.name) else f"{server.name}: {line}")

    return await errands_on(rooms, server, lambda: dialer.open(server), pack_agent(), tell_of)


async def _look(errands: Errands, request: InstallRequest) -> Sight:
    return read_sight(await errands.run("look", **_order(request)))


def _order(request: InstallRequest) -> Mapping[str, object]:
    """Say what all errands are told of the settings."""
    return {"words": [*request.words, f"--name={request.server}"], "usual": list(USUAL)}


def _check(server: Server, sight: Sight, request: InstallRequest) -> None:
    """Refuse what could only be half done.

    Raises:
        InstallError: systemd does not run there.
        RefusedError: the server cannot make a key, and the one there is was made elsewhere.
    """
    if request.start and not sight.runs:
        raise InstallError(
            f"cannot install on {server.name}: systemd does not run it; nothing was written",
            hint="--no-start writes the files; have what runs that machine start the agent",
        )
    if not sight.keys:
        raise RefusedError(f"cannot install on {server.name}: it does not say where its keys lie")


async def _answered(
    rooms: Rooms, server: Server, sight: Sight, request: InstallRequest
) -> str | None:
    """Wait until the agent answers where a controller will dial it; None where that cannot be asked from here."""
    if not sight.listen or server.ssh.jump is not None:
        return None
    host = LOOPBACK if server.carrier is Carrier.LOCAL else server.address
    await knock_until(
        host,
        sight.listen,
        server.name,
        trust=request.authority / shelf.BUNDLE,
        clock=rooms.clock,
    )
    return f"{host}:{sight.listen}"
