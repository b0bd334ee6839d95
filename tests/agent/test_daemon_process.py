"""The daemon as a process: signals, kills, descriptors, memory, and the oldest Python."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import resource
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import controller
from controller.pki.role import Role
from controller.wire.messages.attempts import Attempt, Start
from controller.wire.messages.server import Failed, GetPool, Pool
from tests.agent.daemon_room import PATIENCE, Room, make_room
from tests.fakes.agents import Caller, dial, who
from tests.wire.test_oldest_python import oldest

PROGRAM = Path(__file__).with_name("daemon_process.py")
SOURCES = str(Path(controller.__file__).parents[1])

pytestmark = pytest.mark.real


@dataclass
class Running:
    """One daemon process, and what it wrote."""

    process: asyncio.subprocess.Process
    port: int
    lines: list[str] = field(default_factory=list)

    def has(self, *words: str) -> bool:
        return any(all(word in line for word in words) for line in self.lines)

    async def until(self, true: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < end, self.lines
            await asyncio.sleep(0.01)

    async def end(self) -> int:
        return await asyncio.wait_for(self.process.wait(), PATIENCE)


@contextlib.asynccontextmanager
async def running(
    room: Room,
    *more: str,
    before: tuple[str, ...] = (),
    python: str = sys.executable,
    files: int = 0,
) -> AsyncIterator[Running]:
    """Run a daemon in a process meanwhile."""

    def limit() -> None:
        if files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    settings = [f"--pki={room.settings.pki}", f"--state={room.settings.state}", *more]
    process = await asyncio.create_subprocess_exec(
        python,
        "-S",
        "-B",
        str(PROGRAM),
        SOURCES,
        *before,
        "--listen=127.0.0.1:0",
        *settings,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=limit,
    )
    found = Running(process, 0)
    assert process.stderr is not None
    stderr = process.stderr

    async def read() -> None:
        while line := await stderr.readline():
            found.lines.append(line.decode().rstrip("\n"))

    reading = asyncio.ensure_future(read())
    try:
        await found.until(lambda: found.has("listens on") or process.returncode is not None)
        found.port = int(re.findall(r":(\d+)$", found.lines[0])[0])
        yield found
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return make_room(tmp_path)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_with_a_goodbye_and_code_0(room: Room, end: signal.Signals) -> None:
    caller = Caller(who(room.place, "main"))
    async with running(room, before=("--busy",)) as daemon, caller.connected(daemon.port):
        daemon.process.send_signal(end)
        await caller.until(lambda: bool(caller.goodbyes))
        assert caller.goodbyes[-1].reason == "restarting"
        assert await daemon.end() == 0
    assert daemon.has("ctl-agent: stops; attempts go on")


async def test_told_to_drain_it_serves_on_but_starts_nothing_new(room: Room) -> None:
    caller = Caller(who(room.place, "main"))
    async with (
        running(room, "--drain", before=("--busy",)) as daemon,
        caller.connected(daemon.port),
    ):
        assert isinstance(await caller.ask(Start(id="j.1", job="j")), Attempt)
        daemon.process.send_signal(signal.SIGTERM)
        await daemon.until(lambda: daemon.has("takes no more work"))
        refused = await caller.ask(Start(id="j.2", job="j"))
        assert isinstance(refused, Failed)
        assert refused.code == "draining"
        assert await caller.ask(GetPool()) == Pool(workers=1)
        assert daemon.process.returncode is None
        daemon.process.send_signal(signal.SIGTERM)
        await caller.until(lambda: bool(caller.goodbyes))
        assert await daemon.end() == 0


async def test_told_to_drain_it_ends_when_all_is_done(room: Room) -> None:
    async with running(room, "--drain") as daemon:
        daemon.process.send_signal(signal.SIGTERM)
        assert await daemon.end() == 0


async def test_after_a_kill_it_refuses_what_it_refused_before(room: Room) -> None:
    me = who(room.place, "main")
    caller = Caller(me, cluster="c", lease=5)
    async with running(room) as daemon, caller.connected(daemon.port):
        daemon.process.kill()
        await caller.until(lambda: bool(caller.goodbyes))
        assert caller.goodbyes[-1].reason == "lost"
    async with running(room) as daemon:
        async with caller.connected(daemon.port):
            assert not caller.opened[-1].resumed
            assert await caller.ask(GetPool()) == Pool(workers=1)
        old = Caller(me, cluster="c", lease=4)
        async with old.connected(daemon.port):
            assert old.goodbyes[-1].reason == "stale-lease"


async def test_leases_that_cannot_be_read_let_nobody_act(room: Room) -> None:
    state = Path(room.settings.state)
    os.mkdir(state, 0o700)  # noqa: PTH102 — a moment, in an async function
    await asyncio.to_thread((state / "leases.json").write_text, '{"c": "many"}')
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-S", "-B", str(PROGRAM), SOURCES, "--listen=127.0.0.1:0",
        f"--pki={room.settings.pki}", f"--state={state}",
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 1
    assert b"it does not hold leases" in said


@contextlib.contextmanager
def silence(port: int, number: int) -> Iterator[None]:
    """Open connections that say nothing."""
    with contextlib.ExitStack() as stack:
        for _ in range(number):
            plain = stack.enter_context(socket.socket())
            plain.setblocking(False)
            plain.connect_ex(("127.0.0.1", port))
        yield


async def test_without_descriptors_a_real_client_is_served_within_a_second(room: Room) -> None:
    async with running(room, before=("--hold", "30"), files=50) as daemon:
        with silence(daemon.port, 120):
            await daemon.until(lambda: daemon.has("cannot accept"))
            took = []  # the quickest of three: the machine may have much else to do
            for _ in range(3):
                begun = time.monotonic()
                async with dial(daemon.port, who(room.place, "main")) as peer:
                    assert await peer.ask(GetPool()) == Pool(workers=1)
                took.append(time.monotonic() - begun)
            assert min(took) < 1, took
    assert daemon.has("too many open files") or daemon.has("others wait")
    assert sum("cannot accept" in line for line in daemon.lines) <= 30


def resident(pid: int) -> int:
    """Give the resident bytes of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def test_an_idle_connection_costs_little_memory(room: Room) -> None:
    names = [f"person{number}" for number in range(25)]
    for name in names:
        room.place.issue(name, Role.USER)
    async with running(room) as daemon, contextlib.AsyncExitStack() as stack:
        for name in names[:5]:
            await stack.enter_async_context(dial(daemon.port, who(room.place, name)))
        before = resident(daemon.process.pid)
        for name in names * 8:
            await stack.enter_async_context(dial(daemon.port, who(room.place, name)))
        each = (resident(daemon.process.pid) - before) / 200
        assert each < 64 << 10, each


async def test_it_runs_on_the_oldest_python(room: Room) -> None:
    python = oldest()
    if python is None:
        pytest.skip("there is no Python 3.9 on this machine")
    async with (
        running(room, python=python) as daemon,
        dial(daemon.port, who(room.place, "main")) as peer,
    ):
        assert peer.facts.python.startswith("3.9.")
        assert await peer.ask(GetPool()) == Pool(workers=1)
        daemon.process.send_signal(signal.SIGTERM)
        assert await daemon.end() == 0
    assert daemon.has("ctl-agent: stops; attempts go on")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 64, "give exactly one of --listen HOST:PORT and --connect HOST:PORT"),
        (["--listen=127.0.0.1:0", "--scripts-only"], 64, "--scripts DIR says which"),
        (["--listen=127.0.0.1:0", "--pki=/nowhere/pki"], 1, "cannot read /nowhere/pki"),
    ],
)
async def test_what_cannot_run_says_why(words: list[str], code: int, said: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "controller.agent", "run", *words,
        cwd=SOURCES, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, told = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert (process.returncode, said in told.decode()) == (code, True)
    assert "Traceback" not in told.decode()
