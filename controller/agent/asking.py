"""One exchange of enrolment: a connection, one message each way, its end.

`enrolling` calls it; it calls `proxy` where there is one. Nothing that the other end says is believed here but its certificate,
and that only in a context that pins its authority; all it sends is bounded, in bytes and in time.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import TypeVar

from controller.agent.errors import EnrolmentError
from controller.agent.proxy import ask_through
from controller.agent.shown import shown
from controller.agent.trial import explain
from controller.agent.values import Address
from controller.agent.within import within
from controller.wire import enrolment
from controller.wire.enrolment import (
    ALPN,
    PREFIX,
    Authority,
    Enroll,
    Enrolled,
    Message,
    Question,
    Refused,
)
from controller.wire.record import record

PATIENCE = 30.0
"""Seconds of one connection, from its first byte to its last."""
CONTROLLER = "controller"
SHOWN = 1_000
Answer = TypeVar("Answer", Authority, Enrolled)


class LostError(EnrolmentError):
    """A request was sent and no answer came: the controller may have signed or not."""


@record
class Way:
    """How a controller is reached."""

    to: Address
    proxy: Address | None = None
    patience: float = PATIENCE


async def ask(
    way: Way, context: ssl.SSLContext, question: Question, wanted: type[Answer]
) -> Answer:
    """Say one thing and hear one, over a connection of its own.

    Raises:
        EnrolmentError: nobody answers, somebody else does, or the answer is no.
        LostError: a request was sent, and no answer came.
    """
    call = _Call(way, context)
    try:
        answer = await within(way.patience, call.ask(question))
    except (asyncio.TimeoutError, asyncio.IncompleteReadError, OSError) as error:
        words = _words(error, way)
        if call.sent and isinstance(question, Enroll):
            hint = "run the same command again: the token stays good for this server's key"
            raise LostError(f"{words}, before it answered", hint=hint) from error
        raise EnrolmentError(words) from error
    except ValueError as error:
        raise EnrolmentError(f"cannot understand {way.to}: its answer {error}") from error
    if isinstance(answer, Refused):
        message, hint = shown(answer.message)[:SHOWN], shown(answer.hint)[:SHOWN]
        code = shown(answer.code)[:SHOWN]
        raise EnrolmentError(f"{way.to} refuses: {message} ({code})", hint=hint or None)
    if not isinstance(answer, wanted):
        raise EnrolmentError(f"cannot understand {way.to}: it answers something else")
    return answer


def anybody() -> ssl.SSLContext:
    """Make the context in which nothing is believed and nothing secret is said."""
    context = _context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def pinned(authority: str) -> ssl.SSLContext:
    """Make the context that believes one authority, and the name that is dialled.

    Raises:
        EnrolmentError: the authority is damaged.
    """
    context = _context()
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    try:
        context.load_verify_locations(cadata=authority)
    except ssl.SSLError as error:
        raise EnrolmentError("cannot use the authority: it is damaged") from error
    return context


class _Call:
    """One connection; `sent` once the question may have left."""

    def __init__(self, way: Way, context: ssl.SSLContext) -> None:
        self._way = way
        self._context = context
        self.sent = False

    async def ask(self, question: Question) -> Message:
        """Connect, see who is there, ask, and read the answer."""
        reader, writer = await self._connect()
        try:
            self._check(writer)
            self.sent = True
            writer.write(enrolment.encode(question))
            await writer.drain()
            size = enrolment.read_prefix(await reader.readexactly(PREFIX))
            return enrolment.decode(await reader.readexactly(size))
        finally:
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        to, proxy = self._way.to, self._way.proxy
        plain = await _plain(proxy or to)
        try:
            if proxy is not None:
                await ask_through(plain, to)
            return await asyncio.open_connection(
                sock=plain, ssl=self._context, server_hostname=to.host
            )
        except BaseException:
            plain.close()
            raise

    def _check(self, writer: asyncio.StreamWriter) -> None:
        """See that the other end speaks of enrolment, and is a controller where that can be known."""
        found = writer.get_extra_info("ssl_object")
        if found is None or found.selected_alpn_protocol() != ALPN:
            raise EnrolmentError("cannot enroll there: nobody listens for agents at that port")
        if self._context.verify_mode is ssl.CERT_NONE:
            return
        subject = [part for one in found.getpeercert().get("subject", ()) for part in one]
        if [value for name, value in subject if name == "organizationalUnitName"] != [CONTROLLER]:
            raise EnrolmentError("cannot enroll there: its certificate is not that of a controller")


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols([ALPN])
    return context


async def _plain(where: Address) -> socket.socket:
    """Connect to the first of its addresses that answers."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM)
    last: OSError = ConnectionRefusedError("has no address")
    for family, kind, protocol, _, address in found:
        with contextlib.ExitStack() as stack:
            plain = stack.enter_context(socket.socket(family, kind, protocol))
            plain.setblocking(False)
            try:
                await loop.sock_connect(plain, address)
            except OSError as error:
                last = error
                continue
            stack.pop_all()
            return plain
    raise last


def _words(error: Exception, way: Way) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"cannot trust {way.to}: {explain(error, 'its certificate')}"
    if isinstance(error, ssl.SSLError):
        said = str(error.reason or error).lower().replace("_", " ")
        return f"cannot speak TLS with {way.to}: {said}"
    if isinstance(error, asyncio.IncompleteReadError):
        return f"{way.to} hung up"
    if isinstance(error, asyncio.TimeoutError):
        return f"{way.to} was silent, or did not end, for {way.patience:.0f} s"
    return f"cannot reach {way.to}: {str(getattr(error, 'strerror', '') or error).lower()}"
