"""One agent as the controller sees it: a wire session that outlives connections, and the connections that carry it.

Made by `dialer` and `listener`. It drives the session of `wire`, which knows neither sockets nor time, with both, and
`talk` with what comes of it. A connection that breaks is replaced while somebody uses the agent, and what was asked then
has its answer as if nothing had been; only when none comes for `silence` seconds is the era given up.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from typing import Final

from controller.agent.bell import Bell
from controller.clock import Clock
from controller.errors import TransportError, Unreachable
from controller.model.observation import HostSeen
from controller.transport.agents import causes
from controller.transport.agents.line import AgentLine
from controller.transport.agents.renewer import Renewer
from controller.transport.agents.requests import AgentRequests
from controller.transport.agents.talk import AgentTalk
from controller.transport.agents.words import host_seen
from controller.wire.events import Beat, Closed, Event, Notified, Opened, Requested, Reset
from controller.wire.handshake import Identity
from controller.wire.link import TAKE, Link
from controller.wire.messages.greetings import Facts, Goodbye, HostState
from controller.wire.messages.news import Changed, Noted, Reported
from controller.wire.session import Session

Redial = Callable[[], Awaitable[AgentLine]]
News = Callable[[str, Changed | Reported], None]
"""Records what an agent says unasked, with the server's name; when it returns, the agent may forget it."""

FINAL: Final = frozenset({"version", "wrong-name", "revoked", "stale-lease"})
"""Goodbyes after which dialling again is no use."""
HOPELESS: Final = frozenset({Unreachable.AUTH, Unreachable.VERSION, Unreachable.CLOCK})
"""Causes likewise."""
GOODBYE_SECONDS: Final = 2.0
LINES: Final = 8
"""Connections of one agent at once: the one in use, and those that are not greeted yet."""
LONGEST_PAUSE: Final = 60.0


class AgentPeer:
    """One agent, over one connection after the other.

    Args:
        name: of the server, as on the agent's certificate.
        me: this controller; its instance is of this peer alone.
        clock: for the times of heartbeats.
        where: what is dialled, for messages; empty where the agent dials.
        redial: makes the next connection; None where the agent dials.
        news: hears what the agent says unasked; None leaves it with the agent, for somebody who keeps it.
        renew: signs the agent's next certificate; None where nobody does.
    """

    __slots__ = (
        "_asked",
        "_bell",
        "_clock",
        "_declined",
        "_errors",
        "_giving_up",
        "_greetings",
        "_lines",
        "_loop",
        "_news",
        "_redial",
        "_redialling",
        "_session",
        "_settles_soon",
        "_state",
        "_timer",
        "down_since",
        "facts",
        "holders",
        "name",
        "talk",
        "up",
        "where",
    )

    def __init__(
        self,
        name: str,
        me: Identity,
        *,
        clock: Clock,
        where: str = "",
        redial: Redial | None = None,
        news: News | None = None,
        renew: Renewer | None = None,
    ) -> None:
        self.name = name
        self.where = where
        self.facts = Facts(boot_id="")
        self.up = False
        """Say whether a greeted connection is there."""
        self._declined: tuple[float, TransportError] | None = None
        self.holders = 0
        """Sessions opened and not given back; without any, a broken connection is not replaced."""
        self._loop = asyncio.get_running_loop()
        self.down_since = self._loop.time()
        self._session = Session(me, name)
        self.talk = AgentTalk(name, self._session, self._settle_soon)
        self._asked = AgentRequests(name, self.talk, renew)
        self._settles_soon = False
        self._clock = clock
        self._redial = redial
        self._news = news
        self._lines: dict[AgentLine, Link] = {}
        self._errors: dict[Link, Exception] = {}
        self._greetings: dict[Link, asyncio.Future[None]] = {}
        self._bell = Bell()
        self._state: tuple[datetime, HostState] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._giving_up: asyncio.TimerHandle | None = None
        self._redialling: asyncio.Task[None] | None = None

    @property
    def host(self) -> HostSeen | None:
        """How the machine did at the last heartbeat."""
        return None if self._state is None else host_seen(*self._state)

    # connections

    def carry(self, line: AgentLine) -> Link:
        """Say hello on a new connection; the one in use goes on until the agent has answered."""
        if len(self._lines) >= LINES:
            for old in [one for one, link in self._lines.items() if link is not self._session.link]:
                old.abort()
        link = self._session.connect(self._loop.time())
        self._lines[line] = link
        line.belongs_to(self)
        self._settle()
        return link

    async def attach(self, line: AgentLine) -> None:
        """Say hello on a new connection, and wait until the agent has answered.

        Raises:
            TransportError: it has not; `cause` says why.
        """
        link = self.carry(line)
        greeting: asyncio.Future[None] = self._loop.create_future()
        self._greetings[link] = greeting
        try:
            await greeting
        except BaseException:
            line.abort()
            raise
        finally:
            del self._greetings[link]

    async def greeted(self, *, within: float) -> bool:
        """Wait until there is a connection; say whether there is one."""
        try:
            async with asyncio.timeout(within):
                while not self.up and not self.talk.over:
                    await self._bell.wait()
        except TimeoutError:
            return False
        return self.up

    def part(self, goodbye: Goodbye) -> None:
        """Say goodbye on the connection in use."""
        self._heed(self._session.close(goodbye))
        self._settle()

    def revoke(self, denied: frozenset[str]) -> None:
        """Close what is carried by connections whose certificate is accepted no more."""
        if any(line.serial in denied for line in self._lines):
            self.part(Goodbye(reason="revoked"))

    def give_up(self, why: str, *, cause: Unreachable = Unreachable.LOST) -> None:
        """Let nobody wait any longer; who dials makes another peer next time."""
        self._cancel_plans()
        self.talk.over = self.talk.over or self._redial is not None
        self.talk.end_era(causes.lost(self.name, why, cause=cause))
        self._bell.ring()

    async def close(self) -> None:
        """Say goodbye for good; work goes on."""
        self.talk.over = True
        self._asked.close()
        self.give_up("it was closed here")
        self.part(Goodbye(reason="closing"))
        for line in self._lines:
            line.close()
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                while self._lines:
                    await self._bell.wait()
        except TimeoutError:
            for line in self._lines:
                line.abort()
        if self._timer is not None:
            self._timer.cancel()

    # for lines

    def received(self, line: AgentLine, data: bytes) -> None:
        """Take bytes that came."""
        link = self._lines.get(line)
        if link is None:
            return
        events = self._session.receive(link, data, self._loop.time())
        self._heed(events, line)
        if len(events) == 1 and isinstance(events[0], Beat):
            self._flush()  # all that most agents ever say makes nothing due any earlier
        else:
            self._settle()

    def eased(self, line: AgentLine) -> None:
        """Write on."""
        self._settle()

    def gone(self, line: AgentLine, error: Exception | None) -> None:
        """Note that a connection is no more."""
        link = self._lines.pop(line)
        if error is not None:
            self._errors[link] = error
        self._heed(self._session.lost(link))
        self._errors.pop(link, None)
        self._settle()
        self._bell.ring()

    # the session's shell

    def _settle_soon(self) -> None:
        """Settle once all that is at hand has been said: many requests then leave as one record."""
        if not self._settles_soon:
            self._settles_soon = True
            self._loop.call_soon(self._settle)

    def _settle(self) -> None:
        """Write what is to be written, close what is to be closed, and wake up in time."""
        self._settles_soon = False
        self._flush()
        due = self._session.deadline()
        if due is not None and (self._timer is None or due < self._timer.when()):
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(due, self._tick)

    def _flush(self) -> None:
        for line, link in self._lines.items():
            more = True
            while more and not line.full:
                data = link.take()
                more = len(data) >= TAKE  # less is all there was
                if data:
                    line.write(data)
            if link.closed is not None and not more:
                line.close()

    def _tick(self) -> None:
        self._timer = None
        self._heed(self._session.tick(self._loop.time()))
        self._settle()

    def _heed(self, events: list[Event], line: AgentLine | None = None) -> None:
        """Do what events ask for; `line` is the connection by which they came."""
        for event in events:
            if isinstance(event, Beat):
                self._state = (self._clock.now(), event.state)
            elif isinstance(event, Opened):
                self._opened(event)
            elif isinstance(event, Closed):
                self._closed(event)
            elif isinstance(event, Notified):
                self._notified(event.message)
            elif isinstance(event, Reset):
                self.talk.end_era(causes.lost(self.name, "its agent began anew"))
            elif isinstance(event, Requested):
                self._asked.heed(event, line)
            else:
                self.talk.heed(event)

    def _opened(self, event: Opened) -> None:
        self.facts = event.facts or self.facts
        self.up, self._declined = True, None
        self._cancel_plans()
        for link, greeting in self._greetings.items():
            if link is self._session.link and not greeting.done():
                greeting.set_result(None)
        self._bell.ring()

    def declined(self, *, within: float) -> TransportError | None:
        """Say why the agent hung up before it greeted, where it did so lately; seconds."""
        if self._declined is None or self._loop.time() - self._declined[0] > within:
            return None
        return self._declined[1]

    def _closed(self, event: Closed) -> None:
        greeting = self._greetings.get(event.link)
        if greeting is not None and not greeting.done():
            error = self._errors.get(event.link)
            greeting.set_exception(causes.parted(self.name, self.where, event.goodbye, error))
        if not self.up:
            error = causes.parted(self.name, self.where, event.goodbye, None)
            self._declined = (self._loop.time(), error)
        if self.up and self._session.link is None:
            self.up = False
            self.down_since = self._loop.time()
            self._fall(event.goodbye)

    def _fall(self, goodbye: Goodbye) -> None:
        """Go on without a connection: make one, or wait for one, but not for ever."""
        if self.talk.over:
            return
        if goodbye.reason in FINAL:
            why = causes.GOODBYES[goodbye.reason]
            self.give_up(why.words, cause=why.cause)
        elif self._redial is not None and not self.holders:
            self.give_up("nobody uses it")
        else:
            silence = self._session.me.limits.silence
            words = f"no connection for {silence:.0f} s"
            self._giving_up = self._loop.call_later(silence, lambda: self.give_up(words))
            if self._redial is not None:
                self._redialling = self._loop.create_task(self._dial_again(self._redial))

    async def _dial_again(self, redial: Redial) -> None:
        """Make connections until one is greeted, ever more slowly."""
        rests = pauses()
        while not self.up and not self.talk.over:
            try:
                await self.attach(await redial())
            except TransportError as error:
                if error.cause in HOPELESS:
                    self.give_up(error.message, cause=error.cause)
                    return
                await self._clock.sleep(next(rests))

    def _cancel_plans(self) -> None:
        """Neither give up nor dial any more; a dial that has just led to a greeting ends by itself."""
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None
        if self._redialling is not None and not self.up:
            if self._redialling is not asyncio.current_task():
                self._redialling.cancel()
            self._redialling = None

    def _notified(self, message: object) -> None:
        if self._news is not None and isinstance(message, Changed | Reported):
            self._news(self.name, message)
            if self._session.can_send:  # else it is said again, and noted then
                self._session.notify(Noted(number=message.number))


def pauses() -> Iterator[float]:
    """Give the seconds between dials: up to one, then up to two, and so on to a minute, so that a fleet does not come as one."""
    most = 1.0
    while True:
        yield random.uniform(0, most)  # noqa: S311 - a spread, no secret
        most = min(2 * most, LONGEST_PAUSE)
