"""Git servers over http on loopback that stall, lie, cut off, or send without an end."""

import os
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Connection = Callable[[socket.socket, str], None]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-%b\r\nConnection: close\r\n\r\n"
COMMIT = "1" * 40


def line(text: bytes) -> bytes:
    return b"%04x" % (len(text) + 4) + text


def advertise(refs: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> bytes:
    """Write refs as an old server tells them."""
    said = [line(b"# service=git-upload-pack\n"), b"0000"]
    for count, (sha, name) in enumerate(refs):
        abilities = b"\0ofs-delta" if count == 0 else b""
        said.append(line(f"{sha} {name}".encode() + abilities + b"\n"))
    return b"".join([*said, b"0000"])


def telling(sha: str, pack: Connection) -> Connection:
    """Offer one commit of `main`, and let `pack` answer who wants it."""

    def answer(peer: socket.socket, request: str) -> None:
        if "info/refs" in request:
            peer.sendall(HEAD % b"advertisement" + advertise([(sha, "refs/heads/main")]))
        else:
            peer.sendall(HEAD % b"result" + line(b"NAK\n"))
            pack(peer, request)

    return answer


def many_refs(peer: socket.socket, request: str) -> None:
    refs = ((COMMIT, f"refs/heads/{'x' * 200}{number}") for number in range(100_000))
    peer.sendall(HEAD % b"advertisement" + advertise(refs))


def endless_refs(peer: socket.socket, request: str) -> None:
    peer.sendall(HEAD % b"advertisement" + advertise([(COMMIT, "refs/heads/main")])[:-4])
    number = 0
    while True:
        number += 1
        peer.sendall(line(f"{COMMIT} refs/heads/{number}\n".encode()))


def stalling(peer: socket.socket, request: str) -> None:
    peer.recv(1)  # until the other end goes


def dripping(peer: socket.socket, request: str) -> None:
    for byte in HEAD % b"advertisement" + advertise([(COMMIT, "refs/heads/main")]) * 1000:
        peer.sendall(bytes([byte]))
        time.sleep(0.05)


def endless_pack(peer: socket.socket, request: str) -> None:
    peer.sendall(b"PACK\0\0\0\x02\0\x0f\xff\xff")
    while True:
        blob = os.urandom(32768)
        size = len(blob)
        head = bytes([0xB0 | size & 15, 0x80 | size >> 4 & 127, size >> 11])
        peer.sendall(head + zlib.compress(blob, 0))


def cut_pack(peer: socket.socket, request: str) -> None:
    peer.sendall(b"PACK\0\0\0\x02\0\0\0\x03")


def empty_pack(peer: socket.socket, request: str) -> None:
    peer.sendall(
        b"PACK\0\0\0\x02\0\0\0\0" + bytes.fromhex("029d08823bd8a8eab510ad6ac75c823cfd3ed31e")
    )


def noise(peer: socket.socket, request: str) -> None:
    peer.sendall(b"\xff\x00 no http at all\r\n\r\n" * 100)


@contextmanager
def lying(answer: Connection) -> Iterator[str]:
    """Serve every request by `answer` until the block ends; gives the address of a repository."""
    server = socket.create_server(("127.0.0.1", 0))
    open_ones: list[socket.socket] = []

    def serve(peer: socket.socket) -> None:
        with peer, suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                request += peer.recv(65536)
            answer(peer, request.decode(errors="replace").partition("\r\n")[0])

    def listen() -> None:
        with suppress(OSError):
            while True:
                peer, _ = server.accept()
                open_ones.append(peer)
                threads.append(threading.Thread(target=serve, args=(peer,), daemon=True))
                threads[-1].start()

    threads: list[threading.Thread] = [threading.Thread(target=listen, daemon=True)]
    threads[0].start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/config.git"
    finally:
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        for peer in open_ones:
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(5)
