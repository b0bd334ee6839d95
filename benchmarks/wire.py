"""The agent protocol without a network: frames, small requests and output, beside `json` and `struct` alone.

Both ends are counted, so a request is written, read, answered and its answer read.
"""

import json
import statistics
import struct
from collections.abc import Callable

from benchmarks.measure import Row, cpu_of
from controller.wire.doorway import Doorway
from controller.wire.events import Requested, StreamData
from controller.wire.frames import Frame, FrameDecoder, FrameType, encode_frame
from controller.wire.handshake import Identity
from controller.wire.link import Link
from controller.wire.messages.attempts import Attempt, GetAttempt
from controller.wire.messages.greetings import HostState
from controller.wire.messages.streams import OpenOutput
from controller.wire.messages.table import To
from controller.wire.session import Session

ROUNDS = 5
REQUESTS = 5_000
FRAMES = 50_000
OUTPUT = 64 << 20
PIECE = 64 << 10


class Ends:
    """A controller and an agent in one process, hands shaken."""

    def __init__(self) -> None:
        self.near = Session(Identity(side=To.CONTROLLER, name="control", instance="c1"), "web-1")
        self.door = Doorway(Identity(side=To.AGENT, name="web-1", instance="a1"), {})
        self.here: Link = self.near.connect(0.0)
        self.there = self.door.connect("control", 0.0, leads=True)
        self.turn()
        self.turn()
        far = self.door.session(self.there)
        assert far is not None
        self.far = far

    def turn(self) -> None:
        """Carry what both have to say."""
        self.door.receive(self.there, self.here.take(), 0.0)
        self.near.receive(self.here, self.there.take(), 0.0)


def ask(ends: Ends, requests: int) -> None:
    for _ in range(requests):
        ends.near.request(GetAttempt(attempt="5k2m9x0p7qrs.build.1"))
        for event in ends.door.receive(ends.there, ends.here.take(), 0.0):
            if isinstance(event, Requested):
                answer = Attempt(id="5k2m9x0p7qrs.build.1", phase="running", length=4096)
                ends.far.reply(event.call, answer)
        assert ends.near.receive(ends.here, ends.there.take(), 0.0)


def floor(requests: int) -> None:
    """The same two messages as lengths and JSON, with nothing checked, counted or kept."""
    prefix = struct.Struct(">4sIIQQ")
    asked = {"kind": "get-attempt", "call": 1, "attempt": "5k2m9x0p7qrs.build.1"}
    answered = {
        "kind": "attempt",
        "answer": 1,
        "id": "5k2m9x0p7qrs.build.1",
        "phase": "running",
        "length": 4096,
    }
    for number in range(requests):
        for message in (asked, answered):
            header = json.dumps(message, separators=(",", ":")).encode()
            data = prefix.pack(b"\xc7\1\2\0", len(header), 0, number, number) + header
            _, length, _, _, _ = prefix.unpack_from(data)
            json.loads(data[prefix.size : prefix.size + length])


def frames(count: int) -> None:
    decoder = FrameDecoder()
    data = b"".join(
        encode_frame(Frame(type=FrameType.MESSAGE, seq=number, header=b"x" * 80))
        for number in range(100)
    )
    for _ in range(count // 100):
        assert sum(1 for _ in decoder.feed(data)) == 100


def beat(ends: Ends, count: int) -> None:
    state = HostState(cpu=0.25, memory_used=1 << 30, memory_total=1 << 32, load=(0.1, 0.2, 0.3))
    for _ in range(count):
        ends.far.heartbeat(state, 0.0)
        ends.near.receive(ends.here, ends.there.take(), 0.0)
        ends.door.receive(ends.there, ends.here.take(), 0.0)


def stream(ends: Ends, size: int) -> None:
    number = ends.near.open(OpenOutput(attempt="5k2m9x0p7qrs.build.1"))
    ends.near.grant(number, 1 << 20)
    ends.turn()
    piece = bytes(PIECE)
    seen = 0
    while seen < size:
        while ends.far.room(number) >= PIECE:
            ends.far.send(number, piece)
        for event in ends.near.receive(ends.here, ends.there.take(1 << 20), 0.0):
            if isinstance(event, StreamData):
                seen += len(event.data)
                ends.near.grant(number, len(event.data))
        ends.door.receive(ends.there, ends.here.take(), 0.0)


def main(*, rounds: int = ROUNDS) -> list[Row]:
    ends = Ends()
    works: dict[str, Callable[[], object]] = {
        "floor": lambda: floor(REQUESTS),
        "request": lambda: ask(ends, REQUESTS),
        "beat": lambda: beat(ends, REQUESTS),
        "frames": lambda: frames(FRAMES),
        "output": lambda: stream(Ends(), OUTPUT),
    }
    taken: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            spent = cpu_of(work)
            if number:
                taken[name].append(spent)
    seen = {name: statistics.median(times) for name, times in taken.items()}
    asked, bare = seen["request"] / REQUESTS * 1e6, seen["floor"] / REQUESTS * 1e6
    return [
        ("small request, json and struct alone, both ends", f"{bare:.1f} µs", "the floor"),
        (
            "small request, two sessions, both ends",
            f"{asked:.1f} µs = {asked / bare:.1f} x floor, {1e6 / asked:,.0f} a second",
            "≤ 5 x floor",
        ),
        (
            "heartbeat and its answer, both ends",
            f"{seen['beat'] / REQUESTS * 1e6:.1f} µs",
            "≤ 60 µs at the controller",
        ),
        ("frames decoded", f"{FRAMES / seen['frames']:,.0f} a second", ""),
        (
            "output by credit, both ends",
            f"{OUTPUT / seen['output'] / 1e6:,.0f} MB/s",
            "≥ 60 MB/s stored, the journal included",
        ),
    ]
