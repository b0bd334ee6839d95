"""Through an HTTP proxy by CONNECT (RFC 9110, 9.3.6): the first bytes of a connection, before TLS.

`dialling` calls it with a socket that is connected to the proxy. Nothing the proxy says is believed but "go on".
"""

from __future__ import annotations

import asyncio
import re
import socket

from controller.agent.errors import AgentError
from controller.agent.values import Address

LARGEST = 8 << 10
"""Bytes of the answer's head."""
PIECE = 1 << 10
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: [^\r\n]*)?\r?\n")
_END = re.compile(rb"\r?\n\r?\n")


class ProxyError(AgentError):
    """A proxy does not lead to the controller."""

    reference = "proxy"


async def ask_through(plain: socket.socket, target: Address) -> None:
    """Let a proxy connect to somebody; from then on the socket is a connection to him.

    Args:
        plain: connected to the proxy, not blocking.
        target: whom to reach; the proxy resolves the name.

    Raises:
        ProxyError: it does not, or says what no proxy says.
        OSError: the connection broke.
    """
    loop = asyncio.get_running_loop()
    asked = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n"
    await loop.sock_sendall(plain, asked.encode("ascii"))
    said = b""
    end = None
    while end is None:
        if len(said) >= LARGEST:
            raise ProxyError(f"the proxy's answer has no end within {LARGEST} bytes")
        data = await loop.sock_recv(plain, PIECE)
        if not data:
            raise ProxyError("the proxy hung up before it answered")
        said += data
        end = _END.search(said)
    _check(said, end.end())


def _check(said: bytes, end: int) -> None:
    status = _STATUS.match(said)
    if status is None:
        raise ProxyError("the proxy's answer is not HTTP")
    code = int(status[1])
    if code == 407:  # noqa: PLR2004 — a word of its own for the most likely one
        raise ProxyError("the proxy wants a password (407)", hint="let it trust this address")
    if not 200 <= code < 300:  # noqa: PLR2004
        raise ProxyError(f"the proxy refuses with status {code}")
    if end < len(said):  # we speak first inside, so nobody can have answered
        raise ProxyError("the proxy says more than its answer")
