"""The two shells of a wire game: an agent that keeps a ledger on its disk, and a controller that keeps rows.

They behave as the real ones do as far as `wire` can tell: whoever begins anew asks again for what is not certain, and the ledger
decides what begins. What they hold beside ledger and rows dies with them.
"""

from collections import Counter, deque
from dataclasses import dataclass, field

from controller.wire.errors import UnknownCallError, WindowFullError
from controller.wire.events import (
    BeatDue,
    Event,
    Notified,
    Replied,
    Requested,
    Reset,
    StreamCancelled,
    StreamData,
    StreamEnded,
    StreamOpened,
)
from controller.wire.messages.attempts import Attempt, Start
from controller.wire.messages.greetings import HostState
from controller.wire.messages.news import Changed, Noted
from controller.wire.messages.streams import OpenOutput
from controller.wire.session import Session
from tests.faults.oracle import demand

Phases = dict[str, bool]
"""Attempts, and whether each has ended."""


def output_of(attempt: str) -> bytes:
    """Say what an attempt writes."""
    return attempt.encode() * (7 + len(attempt) * int(attempt[1:]) % 400)


@dataclass(slots=True)
class Disk:
    """What an agent does not forget."""

    ledger: Phases = field(default_factory=dict)
    news: dict[int, str] = field(default_factory=dict)
    """Ends that no controller has noted, by number."""
    told: int = 0
    leases: dict[str, int] = field(default_factory=dict)
    starts: Counter[str] = field(default_factory=Counter)
    """What really began: the world counts it, the agent cannot see it."""

    def begin(self, attempt: str) -> bool:
        """Claim an attempt and begin it, once."""
        if attempt in self.ledger:
            return False
        self.ledger[attempt] = False
        self.starts[attempt] += 1
        return True

    def end(self, attempt: str) -> None:
        """Have an attempt end; that is news."""
        self.ledger[attempt] = True
        self.told += 1
        self.news[self.told] = attempt


@dataclass(slots=True)
class Rows:
    """What a controller does not forget: what is wanted, what ended, and the output so far."""

    wanted: list[str] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    output: dict[str, bytearray] = field(default_factory=dict)
    epoch: int = 0

    @property
    def open(self) -> list[str]:
        """What is wanted and not known to have ended."""
        return [one for one in self.wanted if one not in self.ended]


class FarEnd:
    """What an agent's process does for one session."""

    def __init__(self, session: Session, disk: Disk) -> None:
        self.session = session
        self.disk = disk
        self.heard = 0
        """The last request, by the number that the controller gave it among all it ever made in one life."""
        self._fresh = True
        self._beat = False
        self._answers: deque[tuple[int, Attempt]] = deque()
        self._said = 0  # news said in this session
        self._reads: dict[int, tuple[bytes, int]] = {}

    def hear(self, event: Event) -> None:
        """Act on what the session tells."""
        match event:
            case Reset():
                self._fresh = True
                self._answers.clear()
                self._reads.clear()
                self._said = 0
            case Requested(call=call, message=Start() as asked):
                self._asked(call, asked)
            case Notified(message=Noted(number=number)):
                for old in [one for one in self.disk.news if one <= number]:
                    del self.disk.news[old]
            case StreamOpened(stream=stream, message=OpenOutput() as asked):
                self._reads[stream] = (output_of(asked.attempt), asked.offset)
            case StreamCancelled(stream=stream):
                self._reads.pop(stream, None)
            case BeatDue():
                self._beat = True
            case _:
                pass

    def _asked(self, call: int, asked: Start) -> None:
        number = int(asked.job)
        good = number > self.heard if self._fresh else number == self.heard + 1
        demand(good, "order", f"request {number} came after {self.heard}")
        self.heard, self._fresh = number, False
        fresh = self.disk.begin(asked.id)
        phase = "ended" if self.disk.ledger[asked.id] else "running"
        answer = Attempt(id=asked.id, phase=phase, fresh=fresh)  # type: ignore[arg-type]
        self._answers.append((call, answer))

    def speak(self, now: float) -> None:
        """Say what there is to say, as far as there is room."""
        if self.session.link is None:
            return
        if self._beat:
            self.session.heartbeat(HostState(), now)
            self._beat = False
        try:
            while self._answers:
                self.session.reply(*self._answers[0])
                self._answers.popleft()
            for number in sorted(one for one in self.disk.news if one > self._said):
                attempt = self.disk.news[number]
                self.session.notify(Changed(number=number, attempt=attempt, job="", phase="ended"))
                self._said = number
            for stream in list(self._reads):
                self._write(stream)
        except WindowFullError:
            return

    def _write(self, stream: int) -> None:
        data, at = self._reads[stream]
        while room := self.session.room(stream):
            piece = data[at : at + room]
            if not piece:
                self.session.end(stream, length=len(data))
                del self._reads[stream]
                return
            self.session.send(stream, piece)
            at += len(piece)
            self._reads[stream] = (data, at)


class NearEnd:
    """What a controller's process does."""

    def __init__(self, session: Session, rows: Rows) -> None:
        self.session = session
        self.rows = rows
        self._made = 0
        self._calls: dict[int, str] = {}
        self._asks: deque[str] = deque(rows.open)
        self._noted = 0
        self._notes: deque[int] = deque()
        self._news = 0  # the last heard in this session
        self._reads: dict[int, str] = {}
        self._to_read: deque[str] = deque(self._unread())

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not (self._calls or self._asks or self._notes or self._reads or self._to_read)

    def want(self, attempt: str) -> None:
        """Have an attempt begun; it stands in its row before."""
        self.rows.wanted.append(attempt)
        self._asks.append(attempt)

    def hear(self, event: Event) -> None:
        """Act on what the session tells."""
        match event:
            case Reset():
                self._begin_anew()
            case Replied(call=call, message=Attempt() as told):
                asked = self._calls.pop(call, None)
                demand(asked == told.id, "answers", f"{asked} is answered with {told.id}")
            case Notified(message=Changed() as news):
                self._learn(news)
            case StreamData():
                self._keep(event)
            case StreamEnded(stream=stream, length=length):
                attempt = self._reads.pop(stream)
                kept = len(self.rows.output[attempt])
                demand(kept == length, "I5", f"{attempt}: {kept} bytes of {length}")
            case _:
                pass

    def _begin_anew(self) -> None:
        """Ask again for everything of which nothing is certain."""
        self._calls.clear()
        self._asks = deque(self.rows.open)
        self._reads.clear()
        self._to_read = deque(self._unread())
        self._notes.clear()
        self._news = 0

    def _unread(self) -> list[str]:
        output = self.rows.output
        return [one for one in output if len(output[one]) < len(output_of(one))]

    def _learn(self, news: Changed) -> None:
        good = self._news == 0 or news.number == self._news + 1
        demand(good, "order", f"news {news.number} came after {self._news}")
        self._news = news.number
        self.rows.ended.add(news.attempt)
        if news.attempt not in self.rows.output:
            self.rows.output[news.attempt] = bytearray()
            self._to_read.append(news.attempt)
        self._notes.append(news.number)

    def _keep(self, event: StreamData) -> None:
        attempt = self._reads[event.stream]
        kept = self.rows.output[attempt]
        demand(event.offset == len(kept) and not event.gap, "I5", f"{attempt} at {event.offset}")
        kept += event.data
        self.session.grant(event.stream, len(event.data))

    def speak(self) -> None:
        """Say what there is to say, as far as there is room."""
        try:
            while self._asks:
                call = self.session.request(Start(id=self._asks[0], job=str(self._made + 1)))
                self._calls[call] = self._asks.popleft()
                self._made += 1
            while self._notes:
                self.session.notify(Noted(number=self._notes[-1]))
                self._notes.clear()
            while self._to_read:
                attempt = self._to_read[0]
                at = len(self.rows.output[attempt])
                stream = self.session.open(OpenOutput(attempt=attempt, offset=at))
                self._reads[stream] = self._to_read.popleft()
                self.session.grant(stream, 700)
        except (WindowFullError, UnknownCallError):
            return
