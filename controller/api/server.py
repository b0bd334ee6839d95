"""Serving the app: uvicorn in this process, with our bounds and without its signal handlers.

Called by `service`. What uvicorn leaves open is closed here: time for the headers of a request, and the number of connections.
"""

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from typing import ClassVar, Final, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from controller.api.gate import Gate
from controller.api.settings import ApiSettings, Listen, Tls
from controller.errors import UsageError

BACKLOG: Final = 512


class Bounds:
    """Who is connected, and how many may be."""

    def __init__(self, settings: ApiSettings) -> None:
        self.settings = settings
        self._by_address: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """Count a connection; false when there may be no more."""
        settings = self.settings
        full = self._by_address.total() >= settings.connections
        if full or self._by_address[address] >= settings.connections_each:
            return False
        self._by_address[address] += 1
        return True

    def leave(self, address: str) -> None:
        """Count one less."""
        self._by_address[address] -= 1
        if self._by_address[address] <= 0:
            del self._by_address[address]


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 that waits for headers only so long, and for so many connections only; made by `protocol_of`."""

    bounds: ClassVar[Bounds]
    _counted: str | None = None
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and wait for its first request."""
        super().connection_made(transport)
        address = self.client[0] if self.client else "local"
        if not self.bounds.enter(address):
            transport.abort()
            return
        self._counted = address
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._rest()
        if self._counted is not None:
            self.bounds.leave(self._counted)
            self._counted = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; while they make no whole request, the time runs."""
        busy = self._busy()
        super().data_received(data)
        if self._busy():
            self._rest()
        elif busy or self._patience is None:
            self._wait()

    def _busy(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and not cycle.response_complete

    def _wait(self) -> None:
        self._rest()
        self._patience = self.loop.call_later(self.bounds.settings.header_seconds, self._give_up)

    def _rest(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        if not self._busy():
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
        self._config = uvicorn.Config(
            app,
            http=protocol_of(Bounds(settings)),
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
        self._config.ssl = None if tls is None else context_of(tls)
        self._server = _Quiet(self._config)
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
        serving = asyncio.create_task(self._server.serve(sockets=self._sockets))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            self.stop()
            await serving
            raise
        finally:
            for one in self._sockets:
                one.close()

    def stop(self) -> None:
        """Take no more requests, end streams, and end when what is under way has ended."""
        self._app.close()
        self._server.should_exit = True


class _Quiet(uvicorn.Server):
    """Uvicorn without handlers for signals: those belong to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(app: Gate, listen: Listen, tls: Tls | None, settings: ApiSettings) -> Server:
    """Make the server of an app; `bind` takes its address, `run` serves."""
    return Server(app, listen, tls, settings)


def context_of(tls: Tls) -> ssl.SSLContext:
    """Read certificate and key.

    Raises:
        UsageError: they cannot be read, or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"cannot use the certificate {tls.certificate} with the key {tls.key}: {error.strerror or error}",
            hint="--tls-cert and --tls-key take PEM files that belong together",
        ) from error
    return context
