"""The runner's protocol without I/O: replies out of a stream of bytes, and the names that may go into a request.

Called by `line` and the parts of the session; it calls nothing. The stream begins with whatever the login's rc files
print; a reply is a line "@NONCE REQUEST key=value ...", followed by as many raw bytes as its `bytes=` says.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from controller.errors import RefusedError, SessionLostError, Unreachable

LINE_LIMIT: Final = 1 << 16
BODY_LIMIT: Final = 4 << 20
NOISE_LIMIT: Final = 1 << 20
"""Bytes that rc files may print between two replies."""
DIGITS: Final = 18
PUSH: Final = "!"
"""The request that a pushed line answers."""
LAST: Final = ("msg=", "base=", "name=", "file=")
"""Keys whose value is the rest of the line, blanks and all."""

ATTEMPT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
USER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}\$?")
VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")


class ProtocolError(SessionLostError):
    """The other end says what no runner of ours says; whoever asked it gets no answer, and nobody else is troubled."""

    def __init__(self, message: str) -> None:
        super().__init__(
            f"the other end does not speak as a runner: {message}", cause=Unreachable.LOST
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer of the runner; `request` is "!" for a push."""

    request: str
    fields: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def text(self, key: str) -> str:
        """Give a field, empty when it is not there or a dash."""
        value = self.fields.get(key, "")
        return "" if value == "-" else value

    def number(self, key: str) -> int:
        """Give a field as a number, 0 when it is not there.

        Raises:
            ProtocolError: it is no number.
        """
        value = self.text(key) or "0"
        if not value.isascii() or not value.isdigit() or len(value) > DIGITS:
            raise ProtocolError(f"{key} is not a number: {value[:40]!r}")
        return int(value)


class Framer:
    """Cuts a stream of bytes into replies, whatever the pieces it arrives in."""

    def __init__(self, nonce: str) -> None:
        self._mark = b"@" + nonce.encode() + b" "
        self._buffer = bytearray()
        self._open: Reply | None = None
        self._missing = 0
        self._noise = 0

    def feed(self, data: bytes) -> Iterator[Reply]:
        """Take bytes and give the replies that they complete.

        Raises:
            ProtocolError: a line or a body is longer than any runner sends.
        """
        self._buffer += data
        while (reply := self._next()) is not None:
            yield reply

    def _next(self) -> Reply | None:
        while self._open is None:
            end = self._buffer.find(b"\n")
            if end < 0:
                self._bound(len(self._buffer))
                return None
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._begin(line)
        if len(self._buffer) < self._missing:
            return None
        body = bytes(self._buffer[: self._missing])
        del self._buffer[: self._missing]
        done, self._open = self._open, None
        return Reply(request=done.request, fields=done.fields, body=body)

    def _begin(self, line: bytes) -> None:
        """Open the reply that this line begins; a line without our mark is noise."""
        at = line.find(self._mark)
        if at < 0:
            self._noise += len(line) + 1
            self._bound(0)
            return
        request, _, rest = line[at + len(self._mark) :].decode(errors="replace").partition(" ")
        reply = Reply(request=request, fields=parse_fields(rest))
        self._missing = reply.number("bytes")
        if self._missing > BODY_LIMIT:
            raise ProtocolError(f"a body of {self._missing} bytes")
        self._open, self._noise = reply, 0

    def _bound(self, unfinished: int) -> None:
        if unfinished > LINE_LIMIT or self._noise > NOISE_LIMIT:
            raise ProtocolError("too many bytes that are no reply")


def parse_fields(text: str) -> dict[str, str]:
    """Read "a=1 b=2 msg=the rest of the line"."""
    fields: dict[str, str] = {}
    while text:
        if text.startswith(LAST):
            word, text = text, ""
        else:
            word, _, text = text.partition(" ")
        key, sign, value = word.partition("=")
        if sign:
            fields[key] = value
    return fields


def check(pattern: re.Pattern[str], value: str, noun: str) -> str:
    """Give `value` back when it may go near a shell as a `noun`.

    Raises:
        RefusedError: it may not.
    """
    if pattern.fullmatch(value) is None:
        raise RefusedError(f"cannot use {value[:80]!r} as the name of {noun}")
    return value
