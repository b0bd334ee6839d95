"""Between connections and sessions: bytes in, events to whoever they are for, bytes out, and the clock.

`doors` and `dialling` hand it connections whose other end is known, `line` the bytes; it calls `entrances` for the sessions of `wire`,
and `circle` for what is asked in them. Everything here happens in the event loop and never waits.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import Callable

from controller.agent.asker import Answerer, Asker
from controller.agent.bell import Bell
from controller.agent.circle import Circle
from controller.agent.crew import Crew
from controller.agent.entrances import LEADER, Entrances
from controller.agent.leases import Leases
from controller.agent.line import Line
from controller.agent.log import Log
from controller.agent.peer import Peer
from controller.agent.talks import Talk
from controller.wire.doorway import Doorway
from controller.wire.events import BeatDue, Closed, Event, Fence, Opened, Reset
from controller.wire.handshake import Identity
from controller.wire.link import Link
from controller.wire.messages.greetings import Goodbye
from controller.wire.session import Session

MOST = 1_024
"""Connections at once."""
SPACE = 0.02
"""Seconds between looks at what is due: what is late because a connection takes nothing is no reason to spin."""


@dataclass(frozen=True)
class Seat:
    """One connection and who is at its other end."""

    line: Line
    link: Link
    peer: Peer
    doorway: Doorway


class Pump:
    """Drives all sessions of the agent.

    Args:
        me: the agent.
        leases: on disk.
        answers: answers what is asked.
        crew: runs what takes time.
        log: is told who comes and goes.
    """

    def __init__(
        self, me: Identity, leases: Leases, answers: Answerer, crew: Crew, log: Log
    ) -> None:
        self._answers = answers
        self._leases = leases
        self._log = log
        self._entrances = Entrances(me, leases.known)
        self._circle = Circle(answers, crew, self._touch)
        self._seats: dict[Link, Seat] = {}
        self._by_line: dict[Line, Seat] = {}
        self._features: dict[Link, tuple[str, ...]] = {}
        self.proven: ssl.SSLContext | None = None
        """What was shown where a controller was greeted last: its certificate has worked."""
        self.unkept = ""
        """Why the lease of a controller could not be kept on disk, until one is greeted again."""
        self._touched: dict[Link, None] = {}
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._left = Bell()
        self._flush_soon = False
        self._closed_down = False

    # connections

    def take(self, line: Line, peer: Peer) -> Link:
        """Take a connection whose handshake is done; the controller speaks first."""
        doorway = self._entrances.of(peer.role)
        link = doorway.connect(peer.name, self._loop.time(), leads=peer.role == LEADER)
        seat = Seat(line=line, link=link, peer=peer, doorway=doorway)
        self._seats[link] = self._by_line[line] = seat
        line.keeper = self
        if len(self._seats) > MOST:
            link.close(Goodbye(reason="busy"), say=True)
        if link.closed is not None:
            self._part(seat, link.closed, ours=True)
        self._touch(link)
        return link

    def part(self, due: Callable[[Peer], Goodbye | None]) -> None:
        """Say goodbye to everybody for whom there is one."""
        for seat in list(self._seats.values()):
            goodbye = due(seat.peer)
            if goodbye is not None and seat.link.closed is None:
                self._farewell(seat, goodbye)
        self._flush()

    def able(self, feature: str) -> list[Talk]:
        """Give the talks with controllers that are here and know a feature."""
        found: list[Talk] = []
        for link, features in self._features.items():
            seat = self._seats[link]
            session = seat.doorway.session(link)
            if session is not None and session.link is link and feature in features:
                found.append(self._circle.of(session))
        return found

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._seats)

    async def emptied(self) -> None:
        """Wait until there is none."""
        while self._seats:
            await self._left.wait()

    def close(self) -> None:
        """Lose all sessions; connections are closed before, by `part`."""
        self._closed_down = True
        if self._timer is not None:
            self._timer.cancel()
        self._circle.keep(())

    # for lines

    def met(self, line: Line) -> None:
        """Know it already."""

    def came(self, line: Line, data: bytes) -> None:
        """Take bytes of a connection."""
        seat = self._by_line.get(line)
        if seat is None:
            return
        events = seat.doorway.receive(seat.link, data, self._loop.time())
        session = seat.doorway.session(seat.link)
        for event in events:
            if not seat.line.closing or isinstance(event, (Closed, Reset)):
                self._heed(seat, session, event)
        self._touch(seat.link)

    def eased(self, line: Line) -> None:
        """Write on."""
        seat = self._by_line.get(line)
        if seat is not None:
            self._touch(seat.link)

    def gone(self, line: Line, why: str) -> None:
        """Note that a connection is no more."""
        seat = self._by_line.pop(line, None)
        if seat is None:
            return
        if seat.link.closed is None:
            self._log.often("losses", f"lost {_whom(seat)}: {why or 'it hung up'}")
        del self._seats[seat.link]
        self._features.pop(seat.link, None)
        self._touched.pop(seat.link, None)
        session = seat.doorway.session(seat.link)
        seat.doorway.lost(seat.link)
        self._circle.leave(session)
        self._left.ring()
        self._loop.call_soon(self._tick)  # from now on its session is kept for a while

    # events

    def _heed(self, seat: Seat, session: Session | None, event: Event) -> None:
        if isinstance(event, Closed):
            self._closed(event)
        elif isinstance(event, Fence):
            self._fence(seat, event)
        elif session is not None:
            self._in_session(seat, session, event)

    def _in_session(self, seat: Seat, session: Session, event: Event) -> None:
        if isinstance(event, Opened):
            self._opened(seat, session, event)
        elif isinstance(event, BeatDue):
            session.heartbeat(self._answers.state(), self._loop.time())
        elif isinstance(event, Reset):
            self._circle.lose(session)
        else:
            talk = self._circle.of(session)
            peer = seat.peer
            talk.heed(
                event,
                Asker(name=peer.name, role=peer.role, serial=peer.serial, session=talk.key),
            )

    def _opened(self, seat: Seat, session: Session, event: Opened) -> None:
        self._log.often(
            "arrivals", f"{_whom(seat)} is here{', and goes on' if event.resumed else ''}"
        )
        session.heartbeat(self._answers.state(), self._loop.time())
        self._circle.keep(self._entrances.sessions)
        if seat.peer.role == LEADER:
            self.proven, self.unkept = seat.line.context, ""
            self._features[seat.link] = event.features
            self._circle.of(session).tell()

    def _fence(self, seat: Seat, event: Fence) -> None:
        """Keep a higher lease on disk; without that nothing is done for who holds it."""
        try:
            self._leases.keep(seat.doorway.leases)
        except OSError as error:
            seat.doorway.leases.clear()
            seat.doorway.leases.update(self._leases.known)
            self._turn_away(seat, event, str(error.strerror or error))
        else:
            self._log.often(
                "leases", f"{_whom(seat)} holds lease {event.lease} of {event.cluster[:64]}"
            )

    def _turn_away(self, seat: Seat, event: Fence, why: str) -> None:
        """Part with somebody whose lease cannot be kept; the log is told once, for he comes again and again."""
        if why != self.unkept:
            self.unkept = why
            self._log.often(
                "leases",
                f"cannot keep lease {event.lease} of {_whom(seat)}: {why}; does nothing for it until it can",
            )
        goodbye = Goodbye(reason="closing", message=f"cannot keep on disk that it may act: {why}")
        seat.link.refuse(goodbye)
        self._leave(seat, ours=True)

    def _closed(self, event: Closed) -> None:
        seat = self._seats.get(event.link)
        if seat is not None:
            self._part(seat, event.goodbye, ours=event.ours)

    def _part(self, seat: Seat, goodbye: Goodbye, *, ours: bool) -> None:
        """Write what is left, and close."""
        words = f"{goodbye.reason}{': ' if goodbye.message else ''}{goodbye.message[:200]}"
        by = "goodbye to" if ours else "goodbye from"
        self._log.often("goodbyes", f"{by} {_whom(seat)}: {words}")
        self._leave(seat, ours=ours)

    def _leave(self, seat: Seat, *, ours: bool) -> None:
        while ours and (left := seat.link.take()):
            seat.line.write(left)
        seat.line.close()

    def _farewell(self, seat: Seat, goodbye: Goodbye) -> None:
        session = seat.doorway.session(seat.link)
        if session is not None and session.link is seat.link:
            for event in session.close(goodbye):
                self._heed(seat, session, event)
        else:
            seat.link.close(goodbye, say=True)
            self._part(seat, goodbye, ours=True)

    # time and bytes out

    def _touch(self, link: Link | None) -> None:
        """Write to a connection once all that is at hand is done, many messages at once."""
        if link is None:
            return
        self._touched[link] = None
        if not self._flush_soon:
            self._flush_soon = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_soon = False
        touched, self._touched = self._touched, {}
        for link in touched:
            seat = self._seats.get(link)
            while seat is not None and not seat.line.paused and not seat.line.closing:
                data = link.take()
                if not data:
                    break
                seat.line.write(data)
        self._arm()

    def _arm(self) -> None:
        """See that `_tick` is called when the next thing is due."""
        due = self._entrances.deadline()
        at = max(due or 0.0, self._loop.time() + SPACE)
        if self._timer is not None:
            if due is not None and self._timer.when() <= at:
                return  # it will look again
            self._timer.cancel()
            self._timer = None
        if due is not None and not self._closed_down:
            self._timer = self._loop.call_at(at, self._tick)

    def _tick(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for session, event in self._entrances.tick(self._loop.time()):
            self._ticked(session, event)
        for session in self._entrances.sessions:
            self._touch(session.link)
        self._circle.keep(self._entrances.sessions)
        self._arm()

    def _ticked(self, session: Session | None, event: Event) -> None:
        link = session.link if session is not None else None
        if isinstance(event, Closed):
            link = event.link
        seat = self._seats.get(link) if link is not None else None
        if seat is not None:
            self._heed(seat, session, event)


def _whom(seat: Seat) -> str:
    return f"{seat.peer.role} {seat.peer.name} at {seat.line.where}"
