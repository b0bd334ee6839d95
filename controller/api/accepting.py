"""Taking connections: handshakes beside each other, bounded in number and time, so that whoever says nothing keeps nobody out.

Called by `server` for the socket it listens on. A connection counts among those of `connections` when its handshake is done.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final

from controller.api.rates import crowd_of
from controller.api.tls import Contexts
from controller.transport.agents.crowds import Crowds

LOG: Final = logging.getLogger("ctl.api")
HANDSHAKES: Final = 256
"""TLS handshakes under way; for each that comes then, the eldest of the busiest address goes."""
HANDSHAKE_SECONDS: Final = 10.0
PAUSE: Final = 0.2
"""Seconds of waiting when the machine gives no more sockets."""


class Accepting:
    """Takes the connections of one socket.

    Args:
        door: the socket, listening.
        make: makes what speaks on a connection.
        contexts: for TLS; None: without.
    """

    def __init__(
        self,
        door: socket.socket,
        make: Callable[[], asyncio.Protocol],
        contexts: Contexts | None,
    ) -> None:
        door.setblocking(False)
        self._door = door
        self._make = make
        self._contexts = contexts
        self._shaking: Crowds[asyncio.Task[None]] = Crowds(HANDSHAKES)
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to take connections."""
        self._keep(asyncio.create_task(self._accept()))

    def close(self) -> None:
        """Take no more; those that are taken go on."""
        for task in self._tasks:
            task.cancel()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                link, place = await loop.sock_accept(self._door)
            except OSError as error:  # such as too many open files: those who are here go on
                LOG.warning("cannot accept a connection: %s", error.strerror or error)
                await asyncio.sleep(PAUSE)
                continue
            self._begin(link, crowd_of(str(place[0])))

    def _begin(self, link: socket.socket, crowd: str) -> None:
        task = asyncio.create_task(self._shake(link))
        out = self._shaking.enter(task, crowd)
        if out is not None:
            out.cancel()
        self._keep(task)
        task.add_done_callback(lambda done: self._shaking.leave(done, crowd))

    async def _shake(self, link: socket.socket) -> None:
        context = None if self._contexts is None else self._contexts.now()
        seconds = None if context is None else HANDSHAKE_SECONDS
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._make, link, ssl=context, ssl_handshake_timeout=seconds
            )
        except asyncio.CancelledError:
            link.close()
            raise
        except OSError:  # of TLS too; what strangers send badly is no news
            link.close()
