"""The doors of a serving controller: the API for people and programs, and the listener for agents that dial.

Called by `serving`; makes what the API room and the transport room have for it.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from controller.api.app import build
from controller.api.server import Server, serve
from controller.api.settings import Anonymous, ApiSettings, Listen, Tls
from controller.clock import Clock
from controller.journal.log import Log
from controller.pki.people import People
from controller.reconcile.access.tokens import TokenDesk
from controller.reconcile.loop.serving import LiveServing
from controller.service.ground import Ground
from controller.service.options import Doors, ServeOptions
from controller.service.works import new_id
from controller.settings import Papers
from controller.store.folder import create_private
from controller.transport.agents import papers
from controller.transport.agents.enrolment import Enrolment, Heard
from controller.transport.agents.listener import AgentListener, Hooks
from controller.transport.agents.renewer import Renewer

LOG: Final = logging.getLogger(__name__)
TOKEN_FILE: Final = "admin-token"  # noqa: S105  # the name of a file


def api_server(serving: LiveServing, doors: Doors, said: Papers) -> Server:
    """Make the API; it listens when it is bound. Where it speaks TLS and knows an authority, people may come by its certificates.

    Raises:
        UsageError: its certificate, or the authority, cannot be used.
    """
    tls, people = None, None
    if doors.certificate is not None and doors.key is not None:
        people = people_of(said.folder)
        trust = None if people is None else people.trust
        tls = Tls(certificate=doors.certificate, key=doors.key, trust=trust)
    settings = ApiSettings(
        anonymous=Anonymous(doors.anonymous),
        tls=tls is not None or _behind_tls(doors),
        origins=doors.origins,
        names=(doors.api.host, socket.gethostname()),
        proxies=doors.proxies,
        debug=doors.debug,
    )
    listen = Listen(host=doors.api.host, port=doors.api.port)
    return serve(build(serving, settings, people), listen, tls, settings)


def people_of(folder: Path) -> People | None:
    """Give the people of the authority in a folder; None where there is none, or it is not for us to read."""
    people = People(folder)
    try:
        people.trust.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        LOG.warning(
            "cannot look at %s, so certificates are no login: %s", people.trust, error.strerror
        )
        return None
    LOG.info("certificates of users and admins by %s are a login", people.trust)
    return people


def _behind_tls(doors: Doors) -> bool:
    """Say whether browsers reach us by TLS that a proxy ends."""
    return bool(doors.proxies and doors.origins) and all(
        origin.startswith("https://") for origin in doors.origins
    )


async def first_token(ground: Ground, activity: Log, options: ServeOptions) -> str | None:
    """Make the admin's token of the first start, and keep it in a file for its owner; None when there is one already.

    Raises:
        StateError: it cannot be kept.
    """
    desk = TokenDesk(ground.store.tokens, activity, options.clock)
    made = await desk.first(by=options.actor)
    if made is None:
        return None
    path = ground.folder / TOKEN_FILE
    await asyncio.to_thread(path.unlink, missing_ok=True)  # of an earlier state
    await asyncio.to_thread(create_private, path, f"{made.text}\n".encode())
    return made.text


class AgentsDoor:
    """The listener for agents that dial, and what becomes of what it hears.

    Args:
        ground: the state that is acted on.
        said: whose certificates; where the authority lies beside them, servers can enrol.
        clock: time.
        connectivity: the log of who was refused, and who enrolled.
        arrived: told the name of each agent that connects.
        renew: signs the next certificate of agents that ask.
    """

    def __init__(
        self,
        ground: Ground,
        said: Papers,
        *,
        clock: Clock,
        connectivity: Log,
        arrived: Callable[[str], Awaitable[None]],
        renew: Renewer | None = None,
    ) -> None:
        self._connectivity = connectivity
        self._arrived = arrived
        self._tasks: set[asyncio.Future[None]] = set()
        self.listener = AgentListener(
            papers.Papers(said.folder, said.name),
            clock=clock,
            instance=new_id(),
            cluster=ground.cluster,
            lease=ground.epoch,
            hooks=Hooks(
                enroll=Enrolment(said.folder, clock=clock, tell=self._enrolled),
                refused=self._refused,
                arrived=self._come,
                renew=renew,
            ),
        )

    def _come(self, name: str) -> None:
        self._soon(self._arrived(name))

    def _refused(self, place: str, why: str) -> None:
        LOG.info("an agent was refused (%s): %s", place, why)

    def _enrolled(self, heard: Heard) -> None:
        self._soon(
            self._connectivity.append(
                "enrolment",
                "ctl",
                peer=heard.peer,
                outcome=heard.outcome,
                server=heard.name or None,
                serial=heard.serial or None,
            )
        )

    def _soon(self, work: Awaitable[None]) -> None:
        """Do something beside the listening."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Future[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            LOG.warning("cannot note what an agent did: %s", task.exception())
