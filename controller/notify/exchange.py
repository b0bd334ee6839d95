"""One HTTP request and the head of its answer, in one time for all of it.

Called by the senders that speak HTTP; calls the network. Of the answer only the status and a few headers are ever read:
what a receiver says in its body is nobody's business here, and could be without end.
"""

import asyncio
import base64
import http
import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from controller.notify.trouble import NotifyError

SECONDS: Final = 20.0
"""One request with everything that belongs to it: name, connection, TLS, answer, redirects."""
HEAD: Final = 32 << 10
"""Bytes of the head of an answer."""
HOPS: Final = 3
"""Redirects that are followed, each within the same origin."""
INTERIM: Final = 10
"""Interim answers (1xx) that are skipped."""
LONGEST: Final = 8192
"""Characters of an address."""

_FOLLOWED: Final = {http.HTTPStatus.TEMPORARY_REDIRECT, http.HTTPStatus.PERMANENT_REDIRECT}
"""Redirects that keep method and body; after the others a POST would become a GET."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked. Neither the address nor the headers are ever shown: both may hold secrets."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The status of an answer and its headers by lower-case name."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


async def ask(request: Request, *, context: ssl.SSLContext | None = None) -> Answer:
    """Send a request and read the head of the answer.

    Args:
        request: what to ask; redirects of it are followed only to the same scheme, host and port.
        context: how to trust https; None: as the machine does.

    Raises:
        NotifyError: there was no answer in time, or none that HTTP knows.
    """
    try:
        async with asyncio.timeout(SECONDS):
            return await _follow(request, context)
    except TimeoutError:
        raise NotifyError(f"there was no answer within {SECONDS:.0f} s") from None


async def _follow(request: Request, context: ssl.SSLContext | None) -> Answer:
    url = request.url
    for _ in range(HOPS + 1):
        place = _place(url)
        answer = await _once(request, place, context)
        if answer.status not in _FOLLOWED:
            return answer
        further = urljoin(url, answer.headers.get("location", ""))
        if _origin(_place(further)) != _origin(place):
            raise NotifyError(
                f"it answers {answer.status} and sends us to another host, where the message does not go",
                permanent=True,
                hint="write the new address into the secret, if it is right",
            )
        url = further
    raise NotifyError(f"it sends us on more than {HOPS} times", permanent=True)


def _place(url: str) -> SplitResult:
    """Take an address apart.

    Raises:
        NotifyError: it is none.
    """
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound, parts = False, urlsplit("")
    if not sound or len(url) > LONGEST or not url.isascii() or not url.isprintable() or " " in url:
        raise NotifyError(
            "its address is not one of http or https",
            permanent=True,
            hint="the value of the secret has to be a whole URL without blanks",
        )
    return parts


def _origin(place: SplitResult) -> tuple[str, str | None, int]:
    return place.scheme, place.hostname, _port(place)


def _port(place: SplitResult) -> int:
    return place.port or (443 if place.scheme == "https" else 80)


async def _once(request: Request, place: SplitResult, context: ssl.SSLContext | None) -> Answer:
    """Ask one host once."""
    tls = None
    if place.scheme == "https":
        tls = context or await asyncio.to_thread(ssl.create_default_context)
    try:
        reader, writer = await asyncio.open_connection(
            place.hostname, _port(place), ssl=tls, limit=HEAD
        )
    except ssl.SSLCertVerificationError as error:
        raise NotifyError(
            f"its certificate is not trusted: {error.verify_message}",
            hint="have the machine trust its authority",
        ) from None
    except OSError as error:
        raise NotifyError(f"it cannot be reached: {_why(error)}") from None
    try:
        writer.write(_head(request, place) + request.body)
        answer = await _read(reader)
    except (OSError, asyncio.IncompleteReadError) as error:
        why = "it closed the connection" if isinstance(error, EOFError) else _why(error)
        raise NotifyError(f"there was no answer: {why}") from None
    except asyncio.LimitOverrunError:
        raise NotifyError(f"its answer has a head of over {HEAD >> 10} KiB") from None
    finally:
        writer.transport.abort()
    return answer


def _why(error: OSError) -> str:
    """Say why in the words of the system; those of the library hold the address."""
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    if isinstance(error, ssl.SSLError):
        return f"tls: {error.reason or 'no agreement'}".lower().replace("_", " ")
    return os.strerror(error.errno).lower() if error.errno else "no connection"


def _head(request: Request, place: SplitResult) -> bytes:
    """Write the head of a request.

    Raises:
        NotifyError: a header cannot be written.
    """
    path = place.path or "/"
    lines = [f"{request.method} {path}{'?' if place.query else ''}{place.query} HTTP/1.1"]
    host = f"[{place.hostname}]" if ":" in (place.hostname or "") else place.hostname or ""
    shown = host if place.port is None else f"{host}:{place.port}"
    own = {"Host": shown, "Content-Length": str(len(request.body)), "Connection": "close"}
    for name, value in (own | _login(place) | dict(request.headers)).items():
        if not value.isascii() or not value.isprintable():
            raise NotifyError(f"the header {name} cannot hold its value", permanent=True)
        lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def _login(place: SplitResult) -> dict[str, str]:
    """Say who we are, where the address does: https://USER:PASSWORD@HOST/."""
    if place.username is None:
        return {}
    words = f"{unquote(place.username)}:{unquote(place.password or '')}"
    return {"Authorization": f"Basic {base64.b64encode(words.encode()).decode()}"}


async def _read(reader: asyncio.StreamReader) -> Answer:
    """Read heads until one is no interim answer.

    Raises:
        NotifyError: it is not HTTP.
    """
    for _ in range(INTERIM):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        version, _, rest = head[0].partition(" ")
        code = rest[:3]
        if not version.startswith("HTTP/1.") or not (code.isascii() and code.isdigit()):
            break
        if int(code) >= http.HTTPStatus.OK:
            pairs = (line.partition(":") for line in head[1:] if ":" in line)
            named = {name.strip().lower(): value.strip() for name, _, value in pairs}
            return Answer(status=int(code), headers=named)
    raise NotifyError("it does not answer as HTTP does")


def retry_after(answer: Answer, message_at: float) -> float | None:
    """Read how many seconds an answer asks us to wait, written as a number or as a date.

    Args:
        answer: what came back.
        message_at: the moment of the question, in seconds since 1970.
    """
    said = answer.headers.get("retry-after", "")
    if said.isascii() and said.isdigit() and len(said) <= len(str(10**9)):
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - message_at)
    except (ValueError, TypeError, OverflowError):
        return None
