"""Serving the app: uvicorn in this process, with our bounds and without its signal handlers.

Called by `service`. What uvicorn leaves open is closed here: time for the headers of a request, and the number of connections.
"""

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import Iterator
from typing import ClassVar, Final, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from controller.api.accepting import Accepting
from controller.api.breaking import is_news
from controller.api.gate import Gate
from controller.api.pieces import Pieces
from controller.api.proxies import LOCAL, Proxies
from controller.api.rates import crowd_of
from controller.api.settings import ApiSettings, Listen, Tls
from controller.api.tls import STATE, Contexts, shown_by
from controller.errors import UsageError

BACKLOG: Final = 512
LOOKS: Final = 3
"""Looks in the time after which a reader who takes nothing is cut off."""


class Bounds:
    """Who is connected, and how many may be."""

    def __init__(self, settings: ApiSettings) -> None:
        self.settings = settings
        self._proxies = Proxies(settings.proxies)
        self._by_crowd: Counter[str] = Counter()
        self._open: dict[BoundedProtocol, str] = {}

    def enter(self, one: "BoundedProtocol", place: str) -> bool:
        """Count a connection; false when there may be no more. Who asks nothing has to go for it first, of the busiest address.

        A proxy that was named has as many as it needs, and goes after everybody else: the gate counts who asks behind it.
        """
        settings, crowd = self.settings, crowd_of(place)
        one.trusted = self._proxies.holds(place)
        if self._by_crowd[crowd] >= settings.connections_each and not one.trusted:
            return False
        if len(self._open) >= settings.connections and not self._push_out():
            return False
        self._open[one] = crowd
        self._by_crowd[crowd] += 1
        return True

    def leave(self, one: "BoundedProtocol") -> None:
        """Count one less; nothing where it was not counted."""
        crowd = self._open.pop(one, None)
        if crowd is None:
            return
        self._by_crowd[crowd] -= 1
        if self._by_crowd[crowd] <= 0:
            del self._by_crowd[crowd]

    def _push_out(self) -> bool:
        waiting = [one for one in self._open if not one.busy]
        if not waiting:
            return False
        out = max(  # of equals the eldest
            waiting, key=lambda one: (not one.trusted, self._by_crowd[self._open[one]])
        )
        out.transport.abort()
        self.leave(out)
        return True

    async def watch(self) -> None:
        """End connections whose readers take nothing any more; cancelled with the server."""
        while True:
            await asyncio.sleep(self.settings.stall_seconds / LOOKS)
            for one in tuple(self._open):
                one.look()


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 that waits for headers only so long, and for so many connections only; made by `protocol_of`."""

    bounds: ClassVar[Bounds]
    trusted = False
    """Whether a proxy that was named is at the other end."""
    _patience: asyncio.TimerHandle | None = None
    _unread = 0
    _stalled = 0

    @property
    def busy(self) -> bool:
        """Say whether a request is being answered."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and not cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and wait for its first request."""
        self.conn = Pieces(h11.SERVER, self.bounds.settings.header_bytes)
        super().connection_made(transport)
        if not self.bounds.enter(self, self.client[0] if self.client else LOCAL):
            transport.abort()
            return
        # What a proxy shows is its own: whoever asks behind it has shown nothing to us.
        shown = None if self.trusted else shown_by(transport)
        self.app_state = {**self.app_state, STATE: shown}
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._rest()
        self.bounds.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; while they make no whole request, the time runs."""
        busy = self.busy
        super().data_received(data)
        if self.busy:
            self._rest()
        elif busy or self._patience is None:
            self._wait()

    def send_400_response(self, msg: str) -> None:
        """Say that this is not HTTP, where an answer is still to be given; else end it. Nobody waits for another answer then."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            super().send_400_response(msg)
        else:
            self.transport.abort()

    def look(self) -> None:
        """End it when its reader has taken nothing since some looks, though nothing was added that could hide it."""
        unread = self.transport.get_write_buffer_size()
        adding = not (self.flow.write_paused or self.transport.is_closing())
        stalled = not adding and unread >= self._unread > 0
        self._unread, self._stalled = unread, self._stalled + 1 if stalled else 0
        if self._stalled >= LOOKS:
            self.transport.abort()

    def _wait(self) -> None:
        self._rest()
        self._patience = self.loop.call_later(self.bounds.settings.header_seconds, self._give_up)

    def _rest(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        if not self.busy:
            self.transport.abort()


def protocol_of(bounds: Bounds) -> type[H11Protocol]:
    """Make the protocol of one server."""
    return type("Protocol", (BoundedProtocol,), {"bounds": bounds})


class Server:
    """The API, listening.

    Args:
        app: what answers.
        listen: where.
        tls: with which certificate; None: without TLS.
        settings: the bounds.
    """

    def __init__(self, app: Gate, listen: Listen, tls: Tls | None, settings: ApiSettings) -> None:
        self._app = app
        self._listen = listen
        self._bounds = Bounds(settings)
        self._config = uvicorn.Config(
            app,
            http=protocol_of(self._bounds),
            ws="none",
            loop="none",
            lifespan="off",
            log_config=None,
            log_level="error",  # what strangers send badly is no news; a line for each would fill the log
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=int(settings.idle_seconds),
            timeout_graceful_shutdown=max(1, int(settings.stop_seconds)),
            h11_max_incomplete_event_size=settings.header_bytes,
            backlog=BACKLOG,
        )
        self._config.load()
        logging.getLogger("uvicorn.error").addFilter(is_news)
        self._server = _Quiet(self._config, None if tls is None else Contexts(tls))
        self._sockets: list[socket.socket] = []

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens; known once it does."""
        host, port = self._sockets[0].getsockname()[:2]
        return host, port

    def bind(self) -> tuple[str, int]:
        """Take the address now; give where that is.

        Raises:
            UsageError: the address cannot be listened on.
        """
        host, port = self._listen.host, self._listen.port
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            made = socket.create_server((host, port), family=family, backlog=BACKLOG)
            # Connections inherit it. Headers and body leave in two writes, and would wait 40 ms for each other.
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise UsageError(
                f"cannot listen on {host}:{port}: {error.strerror or error}",
                hint="--listen HOST:PORT takes an address of this machine that is free",
            ) from error
        self._sockets = [made]
        return self.address

    async def run(self) -> None:
        """Serve until `stop` is called, or the task is cancelled; requests under way get some time to end."""
        if not self._sockets:
            self.bind()
        watching = asyncio.create_task(self._bounds.watch())
        serving = asyncio.create_task(self._server.serve(sockets=self._sockets))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            self.stop()
            await serving
            raise
        finally:
            watching.cancel()
            for one in self._sockets:
                one.close()

    def stop(self) -> None:
        """Take no more requests, end streams, and end when what is under way has ended."""
        self._app.close()
        self._server.should_exit = True


class _Quiet(uvicorn.Server):
    """Uvicorn without handlers for signals, which belong to the process, and with a way of our own to take connections."""

    def __init__(self, config: uvicorn.Config, contexts: Contexts | None) -> None:
        super().__init__(config)
        self._contexts = contexts
        self._doors: list[Accepting] = []

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        self._doors = [Accepting(one, self._protocol, self._contexts) for one in sockets or ()]
        for door in self._doors:
            door.start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for door in self._doors:
            door.close()
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = cast("type[H11Protocol]", self.config.http_protocol_class)(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made


def serve(app: Gate, listen: Listen, tls: Tls | None, settings: ApiSettings) -> Server:
    """Make the server of an app; `bind` takes its address, `run` serves."""
    return Server(app, listen, tls, settings)
