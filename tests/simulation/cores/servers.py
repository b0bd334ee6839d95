"""Servers of a jobs game: they begin an attempt at most once, and what they say may come twice, late or never.

A `Wire` is one session: what is asked arrives in order, and so do the answers; when it breaks, what was on its way may have arrived.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from random import Random

from controller.model.ids import AttemptId
from controller.transport.port import AttemptStatus, Ending, Phase

TWICE = 0.05
AT_ONCE = 0.8


@dataclass(slots=True)
class Truth:
    """One attempt as it really is."""

    boot: int
    exit_code: int
    ending: Ending | None = None
    waits: bool = False
    gone: bool = False
    """Whether its supervisor vanished."""


@dataclass(slots=True)
class Server:
    """One machine and the claims on its disk."""

    name: str
    rng: Random
    boot: int = 1
    down: bool = False
    claims: dict[AttemptId, Truth] = field(default_factory=dict)
    starts: Counter[AttemptId] = field(default_factory=Counter)
    """What really began, counted by the world."""

    @property
    def boot_id(self) -> str:
        return f"{self.name}-{self.boot}"

    def start(self, attempt: AttemptId) -> AttemptStatus:
        """Begin an attempt, or say what is known of it."""
        if attempt not in self.claims:
            code = self.rng.choice((0, 0, 0, 1))
            self.claims[attempt] = Truth(self.boot, code, waits=True)
            if self.rng.random() < AT_ONCE:
                self.begin(attempt)
        return self.status(attempt)

    def begin(self, attempt: AttemptId) -> None:
        """Have a worker begin what waits for one."""
        self.claims[attempt].waits = False
        self.starts[attempt] += 1

    def status(self, attempt: AttemptId) -> AttemptStatus:
        """Say what is known of an attempt."""
        truth = self.claims.get(attempt)
        if truth is None:
            return AttemptStatus(id=attempt, phase=Phase.NONE)
        if truth.ending is not None:
            code = {Ending.EXIT: truth.exit_code, Ending.UNSTARTED: None}.get(truth.ending, 143)
            return AttemptStatus(id=attempt, phase=Phase.ENDED, ending=truth.ending, exit_code=code)
        if truth.gone or truth.boot != self.boot:
            return AttemptStatus(id=attempt, phase=Phase.INTERRUPTED)
        return AttemptStatus(id=attempt, phase=Phase.RUNNING, waiting=truth.waits)

    @property
    def running(self) -> dict[AttemptId, Truth]:
        """What runs now, or waits for a worker."""
        return {
            id_: one
            for id_, one in self.claims.items()
            if one.ending is None and not one.gone and one.boot == self.boot
        }

    def stop(self, attempt: AttemptId) -> AttemptStatus:
        """End an attempt that runs."""
        truth = self.running.get(attempt)
        if truth is not None:
            truth.ending = Ending.UNSTARTED if truth.waits else Ending.STOP
        return self.status(attempt)

    def reboot(self) -> None:
        """Lose everything that runs."""
        self.boot += 1


@dataclass(slots=True)
class Ask:
    """One question on its way: what, of which attempt, under which number."""

    what: str
    attempt: AttemptId
    number: int


@dataclass(slots=True)
class Answer:
    """One answer on its way."""

    number: int
    status: AttemptStatus
    boot_id: str


class Wire:
    """One session with one server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.boot_id = server.boot_id
        self._there: deque[Ask] = deque()
        self._back: deque[Answer] = deque()

    def ask(self, ask: Ask) -> None:
        """Put a question on its way, sometimes twice."""
        self._there.append(ask)
        if self.server.rng.random() < TWICE:
            self._there.append(ask)

    def arrive(self) -> AttemptId | None:
        """Have the oldest question arrive; give the attempt that it speaks of."""
        if not self._there or self.server.boot_id != self.boot_id:
            return None
        ask = self._there.popleft()
        act = {"start": self.server.start, "status": self.server.status, "stop": self.server.stop}
        status = act[ask.what](ask.attempt)
        self._back.append(Answer(ask.number, status, self.boot_id))
        return ask.attempt

    def answer(self) -> Answer | None:
        """Have the oldest answer arrive."""
        return self._back.popleft() if self._back else None

    def break_off(self) -> None:
        """End it after some of what was on its way arrived there."""
        for _ in range(self.server.rng.randrange(len(self._there) + 1)):
            self.arrive()
        self._there.clear()
        self._back.clear()
