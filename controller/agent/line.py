"""One connection: TLS over a plain transport of asyncio, bytes in the clear on this side.

`doors` and `dialling` make one and are told when the handshake is over; then `pump` keeps it. asyncio's own TLS is not used:
it takes a quarter of a megabyte for each idle connection, hides why a handshake failed, closes before the other side is told
why, and differs from version to version of Python.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from typing import Protocol, cast

from controller.agent.trial import EXPIRED, NOT_YET

READ = 16 << 10
"""Bytes of one TLS record."""
PIECE = 64 << 10
"""Bytes that are encrypted at once; what OpenSSL buffers for a connection stays that small."""
HIGH = 256 << 10
"""Bytes waiting in the transport above which nothing more is written."""
LINGER = 2.0
"""Seconds for the last words of a connection to arrive."""
KEEPALIVE = (
    ("SO_KEEPALIVE", socket.SOL_SOCKET, 1),
    ("TCP_NODELAY", socket.IPPROTO_TCP, 1),
    ("TCP_KEEPIDLE", socket.IPPROTO_TCP, 15),
    ("TCP_KEEPINTVL", socket.IPPROTO_TCP, 15),
    ("TCP_KEEPCNT", socket.IPPROTO_TCP, 3),
    ("TCP_USER_TIMEOUT", socket.IPPROTO_TCP, 60_000),
)
CLOCK = (NOT_YET, EXPIRED)
WORDS = {
    "WRONG_VERSION_NUMBER": "it does not speak TLS",
    "RECORD_LAYER_FAILURE": "it does not speak TLS",
    "PACKET_LENGTH_TOO_LONG": "it does not speak TLS",
    "HTTP_REQUEST": "it speaks HTTP, not TLS",
    "UNSUPPORTED_PROTOCOL": "it does not speak TLS 1.3",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it shows no certificate",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it does not speak TLS 1.3",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not know the authority of our certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "it says that our certificate has expired",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "it says that our certificate was revoked",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it does not accept our certificate",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a certificate",
    "UNEXPECTED_EOF_WHILE_READING": "it hung up in the middle",
}


class Keeper(Protocol):
    """Is told what happens on a line."""

    def met(self, line: Line) -> None:
        """Note that the handshake is done."""

    def came(self, line: Line, data: bytes) -> None:
        """Take bytes."""

    def eased(self, line: Line) -> None:
        """Note that more may be written."""

    def gone(self, line: Line, why: str) -> None:
        """Note that it is over, the last that is said of it; `why` is empty where both sides wanted it."""


def tune(plain: socket.socket) -> None:
    """Make a socket notice within a minute that the other side is gone, as far as its kernel can."""
    for name, level, value in KEEPALIVE:
        option = getattr(socket, name, None)
        if option is not None:
            plain.setsockopt(level, option, value)


def words_of(error: Exception) -> str:
    """Say in plain words why a connection failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        by = " by the clock of this server" if error.verify_code in CLOCK else ""
        return f"its certificate is not accepted: {error.verify_message}{by}"
    if isinstance(error, ssl.SSLError):
        reason = error.reason or "TLS failed"
        return WORDS.get(reason, reason.lower().replace("_", " "))
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()  # asyncio has words of its own
    return str(getattr(error, "strerror", None) or error).lower() or type(error).__name__


class Line(asyncio.Protocol):
    """One connection.

    Args:
        context: of this side.
        where: the other end, as a log names it.
        keeper: is told what happens; `pump` takes the place of whoever made the handshake.
        dials: the name that the other side's certificate must carry, where this side dialled.
    """

    def __init__(
        self, context: ssl.SSLContext, where: str, keeper: Keeper, *, dials: str | None = None
    ) -> None:
        self.where = where
        self.keeper = keeper
        self.paused = False
        self.closing = False
        self.why = ""
        """Why it ends, where one side did not want that."""
        self.since: float | None = None
        """When it began to be heard."""
        self._context = context
        self._dials = dials
        self._met = False
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        self._transport: asyncio.Transport | None = None
        self._last: asyncio.TimerHandle | None = None

    # for its keeper

    @property
    def spoke(self) -> bool:
        """Whether anything came."""
        return self._tls is not None

    @property
    def context(self) -> ssl.SSLContext:
        """What this side has shown, and whom it trusts."""
        return self._context

    @property
    def certificate(self) -> dict[str, object]:
        """What the other side has shown."""
        found = self._tls.getpeercert() if self._tls else None
        return cast("dict[str, object]", found or {})

    @property
    def alpn(self) -> str | None:
        """The protocol both sides chose."""
        return self._tls.selected_alpn_protocol() if self._tls else None

    def write(self, data: bytes) -> None:
        """Send bytes; look at `paused` before."""
        if self._tls is None or self.closing:
            return
        view = memoryview(data)
        try:
            for at in range(0, len(view), PIECE):
                self._tls.write(view[at : at + PIECE])
                self._flush()
        except ssl.SSLError as error:
            self._fail(error)

    def close(self, because: str = "") -> None:
        """Say that nothing more comes, and close once the other side has heard it."""
        if self.closing:
            return
        self.closing = True
        self.why = self.why or because
        if self._tls is not None and self._met:
            with contextlib.suppress(ssl.SSLError):  # it would wait to hear the same
                self._tls.unwrap()
            self._flush()
        if self._transport is not None:
            # To close with bytes unread would reset the connection, and the last words would be lost with it.
            self._transport.write_eof()
            self._last = asyncio.get_running_loop().call_later(LINGER, self._transport.abort)

    def abort(self, because: str = "") -> None:
        """Close at once; nothing more leaves."""
        self.closing = True
        self.why = self.why or because
        if self._transport is not None:
            self._transport.abort()

    # for asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; who dials speaks first."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=HIGH)
        self.since = asyncio.get_running_loop().time()
        if self.closing:  # it was given up before it began
            self._transport.abort()
        elif self._dials is not None:
            self._step()

    def data_received(self, data: bytes) -> None:
        """Take what came, encrypted."""
        if not self.closing:
            self._in.write(data)
            self._step()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the keeper; the transport is gone."""
        self.closing = True
        if self._last is not None:
            self._last.cancel()
        if not self.why and exc is not None:
            self.why = words_of(exc)
        self._transport = self._tls = None
        self.keeper.gone(self, self.why)

    def pause_writing(self) -> None:
        """Note that enough waits to leave."""
        self.paused = True

    def resume_writing(self) -> None:
        """Note that there is room."""
        self.paused = False
        self.keeper.eased(self)

    def _step(self) -> None:
        try:
            tls = self._begin()
            if not self._met and not self._shake(tls):
                return
            self._read(tls)
        except ssl.SSLError as error:
            self._fail(error)

    def _begin(self) -> ssl.SSLObject:
        """Give the TLS object, made with the first bytes: whoever only connects costs next to nothing."""
        if self._tls is None:
            self._tls = self._context.wrap_bio(
                self._in,
                self._out,
                server_side=self._dials is None,
                server_hostname=self._dials,
            )
        return self._tls

    def _shake(self, tls: ssl.SSLObject) -> bool:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        self._flush()
        self._met = True
        self.keeper.met(self)
        return not self.closing

    def _read(self, tls: ssl.SSLObject) -> None:
        while not self.closing:
            try:
                data = tls.read(READ)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                data = b""
            if not data:
                self.close()
                return
            self.keeper.came(self, data)
        self._flush()

    def _fail(self, error: ssl.SSLError) -> None:
        """Close after TLS failed; the alert that says why still leaves."""
        self._flush()
        self._met = False  # there is nothing left to say goodbye with
        self.close(words_of(error))

    def _flush(self) -> None:
        data = self._out.read()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
