"""Idle agents in one controller: memory of each, processor time of a heartbeat and of a reconnect, beside bare TLS.

The agents live in processes of their own and are counted nowhere; the controller is a process of its own, too.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import Row
from controller.pki import founding, issuing, keys, leaf
from controller.pki.certificate import from_pem, to_pem
from controller.pki.role import Role
from controller.pki.subject import Subject

AGENTS = 5_000
CROWDS = 2
PASSES = 3
ROUNDS = 1
LOOKS, PAUSE = 300, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a hub says of itself at one moment."""

    memory: int
    cpu: float
    here: int
    heard: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one kind of hub took: bytes of an agent, seconds of a heartbeat and of a reconnect."""

    memory: float
    beat: float
    reconnect: float


class Program:
    """A process that is commanded by lines."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def say(self, line: str) -> None:
        """Command."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        """Wait for a line.

        Raises:
            RuntimeError: it ended.
        """
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("a process of the benchmark ended")
        return line.strip()

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()


class Fleet:
    """One hub and its crowds."""

    def __init__(self, hub: Program, crowds: list[Program]) -> None:
        self._hub = hub
        self._crowds = crowds

    def ask(self) -> Told:
        """Ask the hub how it does."""
        self._hub.say("?")
        memory, cpu, here, heard = self._hub.hear().split()
        return Told(memory=int(memory), cpu=float(cpu), here=int(here), heard=int(heard))

    def all(self, line: str) -> None:
        """Command all crowds, and wait until they are done."""
        for crowd in self._crowds:
            crowd.say(line)
        for crowd in self._crowds:
            crowd.hear()

    def settled(self, here: int) -> Told:
        """Wait until so many are here.

        Raises:
            RuntimeError: they are not in time.
        """
        told = self.ask()
        for _ in range(LOOKS):
            if told.here == here:
                return told
            time.sleep(PAUSE)
            told = self.ask()
        raise RuntimeError(f"{told.here} agents are here, not {here}")


def certify(folder: Path, agents: int) -> None:
    """Make an authority, a controller and so many agents; they share a key, which nobody looks at."""
    now = datetime.now(UTC)
    founding.found(folder, now=now, by="bench@here", organisation="Bench")
    wish = issuing.Wish(name="hub", role=Role.CONTROLLER, alternatives=("127.0.0.1",))
    issuing.issue(folder, wish, now=now, by="bench@here")
    issuer = from_pem((folder / "ca.crt").read_text(), where="ca.crt")
    signer = keys.from_pem((folder / "ca.key").read_bytes(), where="ca.key")
    shared = keys.make()
    (folder / "shared.key").write_bytes(keys.to_pem(shared))
    for number in range(agents):
        name = f"a{number}"
        draft = leaf.Draft(
            subject=Subject(name=name, role=Role.AGENT, organisation="Bench"),
            alternatives=(f"DNS:{name}",),
            key=shared.public_key(),
            serial=(1 << 100) + number,
            days=2,
        )
        made = leaf.sign(draft, issuer=issuer, key=signer, now=now)
        (folder / f"{name}.pem").write_text(to_pem(made))


@contextmanager
def fleet(folder: Path, kind: str, agents: int) -> Iterator[Fleet]:
    """Start a hub and its crowds."""
    with ExitStack() as stack:
        hub = Program("benchmarks.agents_hub", str(folder), kind)
        stack.callback(hub.close)
        port = hub.hear()
        share = agents // CROWDS
        crowds = []
        for number in range(CROWDS):
            words = (str(folder), str(number * share), str(share), port, kind)
            crowd = Program("benchmarks.agents_crowd", *words)
            stack.callback(crowd.close)
            crowds.append(crowd)
        yield Fleet(hub, crowds)


def measure(folder: Path, kind: str, agents: int) -> Seen:
    """Connect everybody, beat, and connect everybody anew."""
    with fleet(folder, kind, agents) as here:
        before = here.ask()
        here.all("connect")
        full = here.settled(agents)
        beats = [_beat(here) for _ in range(PASSES)]
        reconnects = [_reconnect(here, agents) for _ in range(PASSES)]
    return Seen(
        memory=(full.memory - before.memory) / agents,
        beat=statistics.median(beats),
        reconnect=statistics.median(reconnects),
    )


def _beat(here: Fleet) -> float:
    before = here.ask()
    here.all("beat 1")
    after = here.ask()
    return (after.cpu - before.cpu) / max(1, after.heard - before.heard)


def _reconnect(here: Fleet, agents: int) -> float:
    here.all("drop")
    away = here.settled(0)
    here.all("connect")
    return (here.settled(agents).cpu - away.cpu) / agents


def main(rounds: int = ROUNDS) -> list[Row]:
    """Measure ours and the floor in turn."""
    ours: list[Seen] = []
    floor: list[Seen] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "pki"
        certify(folder, AGENTS)
        for _ in range(rounds):
            floor.append(measure(folder, "bare", AGENTS))
            ours.append(measure(folder, "ours", AGENTS))
    memory, plain = (statistics.median(one.memory for one in kind) for kind in (ours, floor))
    beat, answer = (statistics.median(one.beat for one in kind) for kind in (ours, floor))
    again, hands = (statistics.median(one.reconnect for one in kind) for kind in (ours, floor))
    what = f"{AGENTS:,} idle agents in one controller"
    return [
        (
            f"{what}: memory of each",
            f"{memory / 1000:.0f} kB = {memory / plain:.2f} x bare TLS",
            "≤ 60 kB",
        ),
        (
            f"{what}: a heartbeat",
            f"{beat * 1e6:.0f} µs CPU = {beat / answer:.2f} x bare TLS echo",
            "≤ 60 µs",
        ),
        (
            f"{what}: a reconnect",
            f"{again * 1e6:.0f} µs CPU = {again / hands:.2f} x bare handshake, {1 / again:.0f} a second of CPU",
            "≥ 700 a second",
        ),
    ]
