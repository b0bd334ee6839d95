"""Enrolment on the agents' listener: who has no certificate may ask for one here, with a token, and for nothing else.

The listener hands over each connection that chose `ctl-enroll/1` after its handshake; this calls `pki.inviting`. Strangers reach it,
so everything is bounded: bytes, seconds, wrong tokens of one address, and by the listener connections at once. The authority's files are worked
on in a thread, one at a time.
"""

import asyncio
import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from controller.clock import Clock
from controller.errors import ControllerError, LockedError, RefusedError
from controller.pki import inviting
from controller.pki.inviting import Showing, TokenError
from controller.wire import enrolment
from controller.wire.enrolment import (
    PREFIX,
    AskAuthority,
    Authority,
    Enroll,
    Enrolled,
    Message,
    Refused,
    Reply,
)

ENROLLED: Final = "enrolled"
WRONG: Final = 5
"""Wrong tokens of one address within `WITHIN`."""
WITHIN: Final = timedelta(minutes=1)
ADDRESSES: Final = 4_096
"""Addresses whose wrong tokens are counted; the oldest is forgotten."""
IPV6_NETWORK: Final = 64
"""Bits of an IPv6 address that one stranger cannot change at will."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of one connection, for a log; `name` and `peer` are what strangers say."""

    peer: str
    outcome: str
    name: str = ""
    serial: str = ""


def unheard(_: Heard) -> None:
    """Tell nobody."""


class Enrolment:
    """Answers those who enrol.

    Args:
        folder: the authority's.
        clock: tells whether a token has ended.
        tell: is told what came of each connection.
    """

    def __init__(
        self, folder: Path, *, clock: Clock, tell: Callable[[Heard], None] = unheard
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._tell = tell
        self._signing = asyncio.Lock()
        self._wrong = Counter()

    async def __call__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, place: str
    ) -> None:
        """Answer one connection; whoever calls closes it. Raises nothing but CancelledError.

        Args:
            reader: what it says.
            writer: takes the answer.
            place: the address it comes from.
        """
        peer = network_of(place)
        try:
            async with asyncio.timeout(enrolment.SECONDS):
                question = await _read(reader)
            reply = await self._answer(question, peer)
            async with asyncio.timeout(enrolment.SECONDS):
                writer.write(enrolment.encode(reply))
                await writer.drain()
        except ValueError as error:
            self._tell(Heard(peer=peer, outcome=f"its message {error}"))
        except TimeoutError:
            writer.transport.abort()  # what it has not taken would hold the connection open
            self._tell(Heard(peer=peer, outcome="it was too slow"))
        except (OSError, EOFError):
            self._tell(Heard(peer=peer, outcome="it hung up"))

    async def _answer(self, question: Message, peer: str) -> Reply:
        now = self._clock.now()
        if self._wrong.many(peer, now):
            self._tell(Heard(peer=peer, outcome="too many wrong tokens"))
            message = "cannot enroll now: too many unknown tokens came from there"
            return Refused(code="later", message=message, hint="wait a minute")
        if isinstance(question, AskAuthority):
            return await self._authority()
        if not isinstance(question, Enroll):
            self._tell(Heard(peer=peer, outcome="it asks for nothing"))
            return Refused(code="wrong-message", message="cannot understand: nothing is asked")
        return await self._enroll(question, peer, now)

    async def _authority(self) -> Reply:
        try:
            bundle = await asyncio.to_thread(inviting.trusted, self._folder)
        except ControllerError:
            return Refused(code="unavailable", message="cannot enroll: there is no authority here")
        return Authority(authority=bundle.decode("ascii"))

    async def _enroll(self, question: Enroll, peer: str, now: datetime) -> Reply:
        shown = Showing(token=question.token, name=question.name, request=question.request.encode())
        try:
            async with self._signing:
                one = await asyncio.to_thread(inviting.redeem, self._folder, shown, now=now)
                bundle = await asyncio.to_thread(inviting.trusted, self._folder)
        except ControllerError as error:
            refused = refusal(error)
            if refused.code == "unknown-token":
                self._wrong.add(peer, now)
            self._tell(Heard(peer=peer, outcome=refused.code, name=question.name))
            return refused
        self._tell(Heard(peer=peer, outcome=ENROLLED, name=one.name, serial=one.serial))
        return Enrolled(certificate=one.certificate, authority=bundle.decode("ascii"))


class Counter:
    """Wrong tokens of late, by address."""

    def __init__(self) -> None:
        self._times: OrderedDict[str, list[datetime]] = OrderedDict()

    def add(self, peer: str, now: datetime) -> None:
        """Count one more."""
        self._times[peer] = [*self._late(peer, now), now][-WRONG:]
        self._times.move_to_end(peer)
        while len(self._times) > ADDRESSES:
            self._times.popitem(last=False)

    def many(self, peer: str, now: datetime) -> bool:
        """Say whether an address has had its share."""
        return len(self._late(peer, now)) >= WRONG

    def _late(self, peer: str, now: datetime) -> list[datetime]:
        return [one for one in self._times.get(peer, ()) if now - one < WITHIN]


def network_of(place: str) -> str:
    """Say where a connection comes from; of an IPv6 address only the network."""
    host = place.partition("%")[0]
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return place[:64]
    if isinstance(found, ipaddress.IPv4Address):
        return host
    return str(ipaddress.ip_network(f"{found}/{IPV6_NETWORK}", strict=False))


def refusal(error: ControllerError) -> Refused:
    """Say no; what is wrong with our own files is nobody's business."""
    if isinstance(error, TokenError):
        return Refused(code=error.code, message=error.message, hint=error.hint or "")
    if isinstance(error, RefusedError) and not isinstance(error, LockedError):
        return Refused(code="refused", message=error.message, hint=error.hint or "")
    return Refused(
        code="unavailable", message="cannot enroll now: the authority does not answer", hint="later"
    )


async def _read(reader: asyncio.StreamReader) -> Message:
    size = enrolment.read_prefix(await reader.readexactly(PREFIX))
    return enrolment.decode(await reader.readexactly(size))
