"""Every message arrives exactly once and in order, whatever happens to connections."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st

from controller.wire.errors import WindowFullError
from controller.wire.events import (
    Event,
    Notified,
    Opened,
    Replied,
    Requested,
    Reset,
    StreamData,
    StreamEnded,
    StreamOpened,
)
from controller.wire.limits import Limits
from controller.wire.messages.files import GetSize, Size
from controller.wire.messages.news import Changed
from controller.wire.messages.streams import OpenFile
from controller.wire.session import Session
from tests.wire.ends import SMALL, Pair, Wire

CONTENT = bytes(range(256)) * 24


class World:
    """A pair whose shells behave: the agent answers, streams a file and tells news; the controller asks and reads."""

    def __init__(self, limits: Limits) -> None:
        self.pair = Pair(limits)
        self.wires = [self.pair.wire]
        self.asked: list[int] = []
        self.told: list[int] = []
        self.heard: list[int] = []
        self.noticed: list[int] = []
        self.answered: list[tuple[int, int | None]] = []
        self.waiting: list[tuple[int, int]] = []  # requests the agent has not answered yet
        self.read = bytearray()
        self.ends = 0
        self.stream = 0
        self.place = 0
        self.served = 0  # the stream at the agent
        self.ended = False
        self.stream = self.pair.near.open(OpenFile(path="/f"))
        self.pair.near.grant(self.stream, 700)

    def far(self) -> Session | None:
        """Give the agent's session, on whichever connection it is."""
        guest = self.pair.door._guests.get(("control", "c1"))
        return guest.session if guest else None

    def ask(self) -> None:
        number = len(self.asked) + 1
        try:
            self.pair.near.request(GetSize(path=str(number)))
        except WindowFullError:
            return
        self.asked.append(number)

    def tell(self) -> None:
        session = self.far()
        if session is None:
            return
        number = len(self.told) + 1
        news = Changed(number=number, attempt="j.a.1", job="j", phase="ended")
        try:
            session.notify(news)
        except WindowFullError:
            return
        self.told.append(number)

    def dial(self) -> None:
        self.wires.append(self.pair.dial())

    def cut(self, wire: Wire) -> None:
        self.pair.near_events += self.pair.near.lost(wire.near)
        self.pair.far_events += self.pair.door.lost(wire.far)
        wire.to_far.clear()
        wire.to_near.clear()

    def replay(self, wire: Wire) -> None:
        """A connection with the bytes of one that was: nobody may believe it."""
        far = self.pair.door.connect("control", self.pair.now, leads=True)
        self.pair.far_events += self.pair.door.receive(far, bytes(wire.far_log), self.pair.now)
        assert far is not self.pair.wire.far
        if wire.far_log.count(b'"hello"'):
            assert far.closed is None or far.closed.reason == "stale-epoch"
        self.pair.far_events += self.pair.door.lost(far)

    def act(self) -> None:
        """Let both shells act on what they were told."""
        for event in self.pair.far_events:
            assert not isinstance(event, Reset)
            if isinstance(event, Requested):
                assert isinstance(event.message, GetSize)
                self.heard.append(int(event.message.path))
                self.waiting.append((event.call, int(event.message.path)))
            elif isinstance(event, StreamOpened):
                self.served = event.stream
        for event in self.pair.near_events:
            assert not isinstance(event, Reset)
            self._hear(event)
        self.pair.near_events.clear()
        self.pair.far_events.clear()
        self._serve()

    def _hear(self, event: Event) -> None:
        if isinstance(event, Replied):
            assert isinstance(event.message, Size)
            self.answered.append((event.call, event.message.size))
        elif isinstance(event, Notified):
            assert isinstance(event.message, Changed)
            self.noticed.append(event.message.number)
        elif isinstance(event, StreamData):
            assert event.offset == len(self.read)
            self.read += event.data
            self.pair.near.grant(event.stream, len(event.data))
        elif isinstance(event, StreamEnded):
            self.ends += 1

    def _serve(self) -> None:
        session = self.far()
        if session is None:
            return
        try:
            while self.waiting:
                session.reply(self.waiting[0][0], Size(size=self.waiting[0][1]))
                self.waiting.pop(0)
            while self.served and (room := session.room(self.served)) and not self.ended:
                piece = CONTENT[self.place : self.place + room]
                if piece:
                    session.send(self.served, piece)
                    self.place += len(piece)
                else:
                    session.end(self.served, length=self.place)
                    self.ended = True
        except WindowFullError:
            return

    def check_bounds(self) -> None:
        limits = self.pair.limits
        far = self.far()
        for session in (self.pair.near, far):
            if session is not None:
                outbox = session._talk.outbox
                assert len(outbox) <= 2 * limits.messages
                assert outbox.size <= limits.buffer + 2 * limits.chunk
                assert len(session._greeting) <= len(self.wires)


ACTIONS = st.one_of(
    st.sampled_from(["ask", "tell", "dial", "load", "act", "settle"]).map(
        lambda name: (name, 0, 0)
    ),
    st.tuples(st.just("carry"), st.integers(0, 900), st.integers(0, 900)),
    st.tuples(st.sampled_from(["cut", "old", "replay"]), st.integers(0, 5), st.integers(0, 900)),
)


def step(world: World, action: tuple[str, int, int]) -> None:
    name, first, second = action
    wire = world.wires[-1 - first % len(world.wires)]
    if name in ("ask", "tell", "dial", "act"):
        getattr(world, name)()
    elif name in ("cut", "replay"):
        getattr(world, name)(wire)
    elif name == "load":
        world.pair.load(world.pair.wire)
    elif name == "settle":
        world.pair.settle()
    elif name == "carry":
        world.pair.carry(world.pair.wire, first, second)
    else:  # bytes of an earlier connection, late
        world.pair.load(wire)
        world.pair.carry(wire, second, second)
    world.pair.now += 0.01


@settings(max_examples=300, deadline=None)
@given(st.lists(ACTIONS, max_size=60), st.booleans())
def test_any_loss_duplication_and_reorder_of_connections_delivers_each_message_once_in_order(
    actions: list[tuple[str, int, int]], small: bool
) -> None:
    world = World(SMALL if small else Limits())
    for action in actions:
        step(world, action)
        world.act()
        world.check_bounds()
    world.dial()
    for _ in range(200):
        world.pair.settle()
        world.act()
        world.pair.now += 1
        world.pair.near_events += world.pair.near.tick(world.pair.now)
        world.pair.far_events += [event for _, event in world.pair.door.tick(world.pair.now)]
    assert world.heard == world.asked
    assert world.noticed == world.told
    assert world.answered == [(number, number) for number in world.asked]
    assert bytes(world.read) == CONTENT
    assert world.ends == 1


@given(st.integers(0, 4000), st.integers(0, 4000))
@settings(max_examples=150, deadline=None)
def test_a_cut_at_any_byte_is_made_good_by_the_next_connection(near: int, far: int) -> None:
    world = World(Limits())
    world.ask()
    world.pair.load(world.pair.wire)
    world.pair.carry(world.pair.wire, 0, far)
    world.pair.load(world.pair.wire)
    world.pair.carry(world.pair.wire, near, far)
    world.tell()
    world.act()
    world.pair.load(world.pair.wire)
    world.pair.carry(world.pair.wire, near, far)
    world.cut(world.pair.wire)
    world.ask()
    world.dial()
    for _ in range(40):
        world.pair.settle()
        world.act()
    assert world.heard == world.asked == [1, 2]
    assert world.noticed == world.told
    assert world.answered == [(1, 1), (2, 2)]
    assert bytes(world.read) == CONTENT


def test_both_ends_open_and_resume_as_told() -> None:
    world = World(Limits())
    world.pair.settle()
    world.cut(world.pair.wire)
    world.dial()
    world.pair.settle()
    opened = [event.resumed for event in world.pair.near_events if isinstance(event, Opened)]
    assert opened == [False, True]


def test_what_came_on_the_old_connection_after_the_new_hello_is_dropped_once() -> None:
    world = World(Limits())
    world.pair.settle()
    world.act()
    old = world.pair.wire
    world.tell()
    world.dial()
    world.pair.load(world.pair.wire)  # the hello counts what was received so far
    world.pair.load(old)
    world.pair.carry(old, 1 << 20, 1 << 20)
    world.pair.settle()
    world.act()
    assert world.noticed == world.told == [1]
