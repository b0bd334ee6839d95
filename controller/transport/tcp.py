"""Connecting to a server: one way for all carriers that dial; called by `connection` and `agents.dialer`."""

import asyncio
import socket
from typing import Final

CONNECT_SECONDS: Final = 10.0


async def connect_tcp(address: str, port: int) -> socket.socket:
    """Connect to the first address of a name that answers, within ten seconds for all of them.

    Raises:
        OSError: none does.
    """
    loop = asyncio.get_running_loop()
    failure: OSError | None = None
    async with asyncio.timeout(CONNECT_SECONDS):
        places = await loop.getaddrinfo(address, port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, place in places:
            link = socket.socket(family, kind, protocol)
            try:
                link.setblocking(False)
                await loop.sock_connect(link, place)
            except OSError as error:
                link.close()
                failure = error
            except BaseException:
                link.close()
                raise
            else:
                return link
    raise failure or OSError("the name has no address")
