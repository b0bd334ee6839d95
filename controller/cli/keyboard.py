"""What a person types, or a pipe gives, piece by piece; and the way out of an attached job.

Used by `attach`. Reading blocks a thread of its own, which nobody waits for at the end of the program.
"""

import asyncio
import os
import threading
from io import UnsupportedOperation
from typing import Final, TextIO

PIECE: Final = 65536


class Keyboard:
    """Reads a stream while others work; the next piece is read when it is asked for."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self._wanted = threading.Semaphore(0)
        self._thread: threading.Thread | None = None

    async def read(self) -> bytes:
        """Wait for the next bytes; none at the end."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="keyboard", daemon=True)
            self._thread.start()
        self._wanted.release()
        return await self._pieces.get()

    def _serve(self) -> None:
        while self._wanted.acquire():
            piece = self._piece()
            try:
                self._loop.call_soon_threadsafe(self._pieces.put_nowait, piece)
            except RuntimeError:  # the loop is closed: nobody listens any more
                return
            if not piece:
                return

    def _piece(self) -> bytes:
        try:
            return os.read(self._stream.fileno(), PIECE)
        except (UnsupportedOperation, AttributeError):
            return self._stream.readline().encode()
        except (OSError, ValueError):
            return b""  # the terminal is gone


class Escapes:
    """Finds `~.` at the start of a line; `~~` there stands for one `~`."""

    def __init__(self) -> None:
        self._fresh = True
        self._tilde = False
        self.leaves = False
        """Whether it was found."""

    def feed(self, typed: bytes) -> bytes:
        """Take what was typed, give what is meant for the job."""
        meant = bytearray()
        for byte in typed:
            char = bytes([byte])
            if self._tilde:
                self._tilde = False
                if char == b".":
                    self.leaves = True
                    return bytes(meant)
                meant += b"" if char == b"~" else b"~"
            elif self._fresh and char == b"~":
                self._tilde, self._fresh = True, False
                continue
            meant += char
            self._fresh = char in b"\r\n"
        return bytes(meant)
