"""Asks one path of an HTTP server over kept connections for some seconds; prints how long each answer took, as JSON."""

import asyncio
import json
import sys
import time


async def ask(host: str, port: int, request: bytes, until: float, took: list[float]) -> None:
    """Ask over one connection, again and again."""
    reader, writer = await asyncio.open_connection(host, port)
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 204")), head
        lines = head.lower().split(b"\r\n")
        length = next((line for line in lines if line.startswith(b"content-length:")), b":0")
        await reader.readexactly(int(length.partition(b":")[2]))
        took.append(time.perf_counter() - began)
    writer.close()


async def main(argv: list[str]) -> None:
    """Ask, and tell."""
    host, port, path, token, connections, seconds = argv
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    )
    took: list[float] = []
    began = time.perf_counter()
    until = began + float(seconds)
    await asyncio.gather(
        *(ask(host, int(port), request, until, took) for _ in range(int(connections)))
    )
    print(json.dumps({"seconds": time.perf_counter() - began, "took": took}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
