"""The game of `wire`: one controller and one agent that never lose, repeat or reorder anything, whatever their connections do.

The cores are `Session` on both ends and the `Doorway` of the agent. Connections break anywhere, come late, are replayed; both
processes die; time passes.
"""

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Final

from controller.wire.doorway import Doorway
from controller.wire.events import Closed, Event, Fence
from controller.wire.limits import Limits
from controller.wire.session import Session
from tests.faults.oracle import demand, some, started_once
from tests.simulation.cores.ends import Disk, FarEnd, NearEnd, Rows, output_of
from tests.simulation.cores.menu import Menu
from tests.simulation.cores.pipes import Pipe
from tests.wire.ends import controller, doorway

TIGHT: Final = Limits(
    window=4096, buffer=8192, messages=64, requests=6, streams=3, chunk=512, credit=2048
)
"""Bounds that are met all the time."""
OPEN: Final = 8
"""Attempts that are wanted at once."""
PIPES: Final = 4
"""Connections that are kept in mind, those that were given up included."""
HEALED: Final = 400
"""Rounds in which everything comes to its end on a good connection."""


class WireGame:
    """Two ends, their connections and what is lost of them."""

    def __init__(
        self,
        rng: Random,
        *,
        disk_of: Callable[[], Disk] = Disk,
    ) -> None:
        self.happened: Counter[str] = Counter()
        self.now = 0.0
        self._rng = rng
        self._disk = disk_of()
        self._rows = Rows()
        self._lives = 0
        self._agents = 0
        self._pipes: list[Pipe] = []
        self._near, self._shell = self._controller()
        self._door, self._far = self._agent()
        acts = {
            "flow": (40, lambda: self._flow(self._pipes[-1])),
            "trickle": (20, self._trickle),
            "want": (12, self._want),
            "end": (12, self._end),
            "wait": (6, self._wait),
            "cut": (4, self._cut),
            "dial": (5, self._dial),
            "late": (4, lambda: self._flow(rng.choice(self._pipes))),
            "replay": (1, self._replay),
            "controller dies": (1, self._controller_dies),
            "agent dies": (1, self._agent_dies),
        }
        self._menu = Menu(rng, acts)
        self._dial()

    def play(self) -> None:
        act = self._menu.draw(self.happened)
        act()

    def close(self) -> None:
        """Nothing is held."""

    def heal(self) -> None:
        for pipe in self._pipes:
            self._lose(pipe)
        self._pipes.clear()
        self._dial()
        for _ in range(HEALED):
            self._end_all()
            self._flow(self._pipes[-1])
            self.now += 1.0
            self._tick()
            if self._near.link is None and self._pipes[-1].near.closed is not None:
                self._dial()
            if self._done:
                break
        self._at_last()

    @property
    def _done(self) -> bool:
        return not self._rows.open and self._shell.idle and not self._disk.news

    def _end_all(self) -> None:
        for attempt, ended in list(self._disk.ledger.items()):
            if not ended:
                self._disk.end(attempt)

    def _at_last(self) -> None:
        demand(not self._rows.open, "I9", f"never ended: {some(self._rows.open)}")
        demand(self._shell.idle, "I9", "something is still under way")
        demand(not self._disk.news, "I9", f"never noted: {some(self._disk.news)}")
        started_once(self._disk.starts.elements())
        lost = set(self._rows.wanted) - set(self._disk.starts)
        demand(not lost, "I1", f"wanted, and never begun: {some(lost)}")
        for attempt in self._rows.wanted:
            good = self._rows.output[attempt] == output_of(attempt)
            demand(good, "I5", f"the output of {attempt} is not what it wrote")

    # the two ends

    def _controller(self) -> tuple[Session, NearEnd]:
        self._lives += 1
        session = controller(TIGHT, f"c{self._lives}", lease=self._lives)
        return session, NearEnd(session, self._rows)

    def _agent(self) -> tuple[Doorway, dict[Session, FarEnd]]:
        self._agents += 1
        return doorway(TIGHT, **self._disk.leases), {}

    def _tell_near(self, events: list[Event]) -> None:
        for event in events:
            self._shell.hear(event)
        self._shell.speak()
        self._hold_bounds(self._near)

    def _tell_far(self, session: Session | None, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Fence):
                self._disk.leases[event.cluster] = event.lease
            elif session is not None and not isinstance(event, Closed):
                self._end_of(session).hear(event)
        if session is not None:
            self._end_of(session).speak(self.now)
            self._hold_bounds(session)

    def _end_of(self, session: Session) -> FarEnd:
        if session not in self._far:
            self._far[session] = FarEnd(session, self._disk)
        return self._far[session]

    def _hold_bounds(self, session: Session) -> None:
        outbox = session._talk.outbox
        fits = len(outbox) <= 2 * TIGHT.messages and outbox.size <= TIGHT.buffer + 2 * TIGHT.chunk
        demand(fits, "bounds", f"{len(outbox)} messages of {outbox.size} bytes wait")

    # what happens

    def _want(self) -> None:
        if len(self._rows.open) < OPEN:
            self._shell.want(f"a{len(self._rows.wanted) + 1}")
            self._tell_near([])

    def _end(self) -> None:
        running = [one for one, ended in self._disk.ledger.items() if not ended]
        if running:
            self._disk.end(self._rng.choice(running))
        for session in self._door.sessions:
            self._tell_far(session, [])

    def _flow(self, pipe: Pipe) -> None:
        """Let all arrive that both had to say."""
        self.happened["doubled"] += pipe.load(self._rng)
        self._carry(pipe, len(pipe.to_near), len(pipe.to_far))

    def _trickle(self) -> None:
        """Let some bytes arrive, wherever messages begin and end."""
        pipe = self._pipes[-1]
        self.happened["doubled"] += pipe.load(self._rng)
        self._carry(pipe, self._rng.randrange(300), self._rng.randrange(300))

    def _carry(self, pipe: Pipe, near: int, far: int) -> None:
        data, pipe.to_far[:far] = bytes(pipe.to_far[:far]), b""
        events = self._door.receive(pipe.far, data, self.now)
        self._tell_far(self._door.session(pipe.far), events)
        data, pipe.to_near[:near] = bytes(pipe.to_near[:near]), b""
        self._tell_near(self._near.receive(pipe.near, data, self.now))

    def _wait(self) -> None:
        self.now += self._rng.choice((0.01, 0.3, 3.0, 40.0))
        self._tick()
        if self._near.link is None:
            self._dial()

    def _tick(self) -> None:
        self._tell_near(self._near.tick(self.now))
        for session, event in self._door.tick(self.now):
            self._tell_far(session, [event])
        for gone in self._far.keys() - set(self._door.sessions):
            del self._far[gone]

    def _dial(self) -> None:
        far = self._door.connect("control", self.now, leads=True)
        self._pipes.append(Pipe(self._near.connect(self.now), far))
        while len(self._pipes) > PIPES:
            self._lose(self._pipes.pop(0))

    def _cut(self) -> None:
        """Break a connection after some of what was on its way arrived."""
        pipe = self._rng.choice(self._pipes)
        self._carry(pipe, self._rng.randrange(200), self._rng.randrange(200))
        self._lose(pipe)
        if pipe is self._pipes[-1]:
            self._dial()

    def _lose(self, pipe: Pipe) -> None:
        pipe.to_far.clear()
        pipe.to_near.clear()
        session = self._door.session(pipe.far)
        self._tell_far(session, self._door.lost(pipe.far))
        self._tell_near(self._near.lost(pipe.near))

    def _replay(self) -> None:
        """Say to the agent once more what a controller said to it before."""
        pipe = self._rng.choice(self._pipes)
        link = self._door.connect("control", self.now, leads=True)
        before = self._disk.starts.total()
        events = self._door.receive(link, pipe.said, self.now)
        self._tell_far(self._door.session(link), events)
        demand(self._disk.starts.total() == before, "replay", "something began by it")
        self._tell_far(self._door.session(link), self._door.lost(link))

    def _controller_dies(self) -> None:
        """Begin another life; what the last one said may still arrive, and its connections end then."""
        for pipe in self._pipes:
            events = self._door.receive(pipe.far, bytes(pipe.to_far), self.now)
            self._tell_far(self._door.session(pipe.far), events)
            self._tell_far(self._door.session(pipe.far), self._door.lost(pipe.far))
        self._pipes.clear()
        self._near, self._shell = self._controller()
        self._dial()

    def _agent_dies(self) -> None:
        """Begin another life of the agent's process; its disk is what it was."""
        for pipe in self._pipes:
            self._tell_near(self._near.lost(pipe.near))
        self._pipes.clear()
        self._door, self._far = self._agent()
        self._dial()
