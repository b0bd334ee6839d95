"""One TLS connection with an agent, whoever dialled: bytes in, bytes out, and what broke it.

Made by `dialer` and `listener`; it tells its `Carrier`, a peer, what comes, and is told what to write. What it holds
for writing is bounded: whoever writes looks at `full` first and goes on when it is told that there is room.
"""

import asyncio
import ssl
from asyncio import sslproto
from collections.abc import Callable
from typing import Final, Protocol, cast

BUFFER: Final = 256 << 10
"""Bytes that wait for the kernel before a peer writes no more."""
RECORD: Final = 9 << 10
"""Bytes of one read: asyncio sets 256 KiB aside for each connection, which five thousand idle agents would all hold.

A full record of TLS has 16 KiB and some bytes, so it takes two reads, as it would with exactly 16 KiB.
"""

sslproto.SSLProtocol.max_size = RECORD


class Carried(Protocol):
    """Who is carried by a line."""

    def received(self, line: "AgentLine", data: bytes) -> None:
        """Take bytes that came."""
        ...

    def eased(self, line: "AgentLine") -> None:
        """Write on: there is room."""
        ...

    def gone(self, line: "AgentLine", error: Exception | None) -> None:
        """Take note of the end."""
        ...


class AgentLine(asyncio.Protocol):
    """A connection whose handshake is done.

    Args:
        met: called at once when it is, before any byte that came with it is read.
    """

    __slots__ = ("_met", "_owner", "full", "serial", "transport")

    def __init__(self, met: "Callable[[AgentLine], None] | None" = None) -> None:
        self._met = met
        self.transport: asyncio.Transport | None = None
        self.full = False
        """Say whether nothing should be written now."""
        self.serial = ""
        """Of the certificate at the other end, once it was looked at."""
        self._owner: Carried | None = None

    @property
    def open(self) -> bool:
        """Say whether the connection is still there."""
        return self.transport is not None and not self.transport.is_closing()

    @property
    def protocol(self) -> str | None:
        """Name what both ends have agreed to speak."""
        found: str | None = self._tls().selected_alpn_protocol()
        return found

    @property
    def certificate(self) -> bytes | None:
        """Give the certificate of the other end; None where it has shown none, or is gone."""
        return self._tls().getpeercert(binary_form=True)

    def _tls(self) -> ssl.SSLObject:
        found = None if self.transport is None else self.transport.get_extra_info("ssl_object")
        if not isinstance(found, ssl.SSLObject):
            raise ConnectionResetError("it closed the connection")
        return found

    def belongs_to(self, owner: Carried) -> None:
        """Tell a peer from now on."""
        self._owner = owner

    def streams(self, limit: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Hand the connection over, for what is not the agent protocol.

        Args:
            limit: bytes that are read ahead.
        """
        transport, self.transport = self.transport, None
        if transport is None:
            raise ConnectionResetError("it closed the connection")
        reader = asyncio.StreamReader(limit=limit)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        loop = asyncio.get_running_loop()
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    def write(self, data: bytes) -> None:
        """Send bytes, or forget them where the connection is gone."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def close(self) -> None:
        """Write what is left, and close."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: the handshake is done."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=BUFFER)
        met, self._met = self._met, None
        if met is not None:
            met(self)

    def data_received(self, data: bytes) -> None:
        """Hand bytes on; an agent that speaks before it is spoken to is no agent."""
        if self._owner is None:
            self.abort()
        else:
            self._owner.received(self, data)

    def pause_writing(self) -> None:
        """Take no more for now."""
        self.full = True

    def resume_writing(self) -> None:
        """Take more."""
        self.full = False
        if self._owner is not None:
            self._owner.eased(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the end, once."""
        owner, self._owner = self._owner, None
        self.transport = None
        if owner is not None:
            owner.gone(self, exc)
