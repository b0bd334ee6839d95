"""The floor of `dispatch`: mutual TLS, frames with their length before them, and a spawn of `true` for each; nothing is kept.

`python -m benchmarks.dispatch_floor PKI`; it says where it listens, as an agent does.
"""

import asyncio
import ssl
import struct
import sys
from pathlib import Path

from benchmarks.installed import HUB, NAME

HEAD = struct.Struct(">II")
REQUEST = b"x" * 300
"""As long as a request to start something is."""


class Floor(asyncio.Protocol):
    """One connection: a frame is a number and some bytes; each is answered with the same number when `true` has ended."""

    def __init__(self) -> None:
        self.came = b""
        self.transport: asyncio.Transport | None = None
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.came += data
        while len(self.came) >= HEAD.size:
            size, number = HEAD.unpack_from(self.came)
            if len(self.came) < HEAD.size + size:
                return
            self.came = self.came[HEAD.size + size :]
            task = asyncio.ensure_future(self.serve(number))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def serve(self, number: int) -> None:
        process = await asyncio.create_subprocess_exec("true")
        code = await process.wait()
        assert self.transport is not None
        self.transport.write(HEAD.pack(code, number))


class Asker(asyncio.Protocol):
    """The other end of a connection."""

    def __init__(self) -> None:
        self.came = b""
        self.asked: dict[int, asyncio.Future[int]] = {}
        self.number = 0
        self.transport: asyncio.Transport | None = None

    @classmethod
    async def dial(cls, pki: Path, port: int) -> "Asker":
        """Connect."""
        _, made = await asyncio.get_running_loop().create_connection(
            cls, "127.0.0.1", port, ssl=context(pki, HUB, server=False), server_hostname=NAME
        )
        return made

    async def ask(self, _: str) -> None:
        """Have a `true` spawned, and wait for its end."""
        self.number += 1
        answer = self.asked[self.number] = asyncio.get_running_loop().create_future()
        assert self.transport is not None
        self.transport.write(HEAD.pack(len(REQUEST), self.number) + REQUEST)
        if await answer != 0:
            raise RuntimeError("true has failed")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.came += data
        whole = len(self.came) - len(self.came) % HEAD.size
        for code, number in HEAD.iter_unpack(self.came[:whole]):
            self.asked.pop(number).set_result(code)
        self.came = self.came[whole:]

    def close(self) -> None:
        """Hang up."""
        if self.transport is not None:
            self.transport.abort()


def context(pki: Path, name: str, *, server: bool) -> ssl.SSLContext:
    """Be somebody, and want to know who the other one is."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_verify_locations(pki / "ca.crt")
    made.load_cert_chain(pki / f"{name}.crt", pki / f"{name}.key")
    if server:
        made.num_tickets = 0
    return made


async def main(pki: Path) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        Floor, "127.0.0.1", 0, ssl=context(pki, NAME, server=True), backlog=500
    )
    print(f"listens on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
