"""Agents that dial a serving controller: enrolled there, reached through proxies, at work across its restarts."""

import asyncio
import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.agents import ROOT, Authority, agent_on, free_port
from tests.e2e.fleet import Fleet, wait_for
from tests.e2e.serving import Served, serving, token_of

pytestmark = pytest.mark.real


def declare(fleet: Fleet, run: str, *, name: str = "edge-1") -> Path:
    """Declare one target on a server whose agent dials; give the file to which its command writes."""
    log = fleet.folder / "log"
    log.touch()
    log.chmod(0o666)
    fleet.folder.chmod(0o711)
    command = run.replace("LOG", str(log))
    fleet.declare(
        f"tasks: {{a: {{run: '{command}'}}}}\ntargets: {{t: {{servers: {name}, task: a}}}}\n",
        inventory__servers_yaml=f"servers: {{{name}: {{pull: {{}}}}}}\n",
    )
    return log


@contextlib.contextmanager
def hub(
    fleet: Fleet, authority: Authority, port: int, *words: str, token: str = ""
) -> Iterator[Served]:
    """Serve with a listener for agents."""
    if not (authority.folder / "named" / "hub").exists():
        authority.issue("hub", "controller", "--san", "127.0.0.1")
    folder = authority.folder / "named" / "hub"
    listen = ("--agent-listen", f"127.0.0.1:{port}", "--pki", str(folder))
    with serving(fleet, *listen, *words, token=token) as served:
        yield served


def test_a_target_runs_where_the_agent_dialled_in(fleet: Fleet, authority: Authority) -> None:
    port, log = free_port(), declare(fleet, "echo one >> LOG")
    with hub(fleet, authority, port) as served:
        wait_for(lambda: "taking agents" in served.text)
        served.ctl("get", "servers").ended(0)  # nobody has dialled yet
        with agent_on(fleet, authority, "edge-1", connect=port):
            wait_for(lambda: served.in_sync() and log.read_text() == "one\n", seconds=30)
            said = served.ctl("run", "--on", "edge-1", "--", "echo hello").ended(0).all
            assert "hello" in said or served.jobs()[0]["state"] == "succeeded"
        wait_for(lambda: "away" in served.ctl("check", "server", "edge-1").all, seconds=30)


@pytest.mark.sweep
def test_what_runs_there_outlives_the_controller(fleet: Fleet, authority: Authority) -> None:
    port, log = free_port(), declare(fleet, "echo begun >> LOG; sleep 5; echo ended >> LOG")
    with agent_on(fleet, authority, "edge-1", connect=port):
        with hub(fleet, authority, port) as served:
            wait_for(lambda: log.read_text() == "begun\n", seconds=30)
            served.kill()
        with hub(fleet, authority, port, token=token_of(fleet)) as again:
            wait_for(again.in_sync, seconds=60)
            assert log.read_text() == "begun\nended\n"
            (job,) = again.jobs()
            assert job["state"] == "succeeded"
    fleet.ctl("logs", "verify").ended(0)


@pytest.mark.sweep
def test_a_new_server_enrols_at_the_controller_itself(
    fleet: Fleet, tmp_path_factory: pytest.TempPathFactory
) -> None:
    authority = Authority(folder=tmp_path_factory.mktemp("own") / "authority")
    port, log = free_port(), declare(fleet, "echo one >> LOG", name="edge-9")
    fleet.variables["CTL_HINTS"] = "0"
    place = ("--dir", str(authority.folder))
    fleet.ctl("pki", "init", *place).ended(0)
    issue = ("pki", "issue", "main", "--role", "controller", "--san", "127.0.0.1")
    fleet.ctl(*issue, *place).ended(0)
    listen = ("--agent-listen", f"127.0.0.1:{port}", "--pki", str(authority.folder))
    with serving(fleet, *listen) as served:
        wait_for(lambda: "taking agents" in served.text)
        told = fleet.ctl("pki", "invite", "edge-9", *place, "-o", "json").ended(0).json
        mine = fleet.folder / "enrolled"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "controller.agent", "enroll"),
                *("--connect", f"127.0.0.1:{port}", "--name", "edge-9"),
                *("--token", str(told["token"]), "--ca-pin", str(told["pin"])),
                *("--pki", str(mine)),
            ],
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (authority.folder / "named").mkdir(exist_ok=True)
        mine.rename(authority.folder / "named" / "edge-9")
        with agent_on(fleet, authority, "edge-9", connect=port):
            wait_for(lambda: served.in_sync() and log.read_text() == "one\n", seconds=30)
        assert "enrolment" in served.ctl("logs", "connectivity", "-n", "50").ended(0).out


@dataclass(slots=True)
class Proxy:
    """An HTTP proxy that knows CONNECT and nothing else, and counts what passes."""

    port: int = 0
    asked: list[str] = field(default_factory=list)

    async def serve(self, ready: threading.Event) -> None:
        server = await asyncio.start_server(self._tunnel, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            await server.serve_forever()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(head.splitlines()[0])
        host, _, port = head.split()[1].rpartition(":")
        inside, outside = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(_pour(reader, outside), _pour(inside, writer))


async def _pour(source: asyncio.StreamReader, goal: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        goal.write(data)
        await goal.drain()
    goal.close()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    made, ready = Proxy(), threading.Event()
    loop = asyncio.new_event_loop()
    task = loop.create_task(made.serve(ready))
    thread = threading.Thread(target=_run, args=(loop, task), daemon=True)
    thread.start()
    assert ready.wait(10)
    yield made
    loop.call_soon_threadsafe(task.cancel)
    thread.join(10)


def _run(loop: asyncio.AbstractEventLoop, task: "asyncio.Task[None]") -> None:
    with contextlib.suppress(asyncio.CancelledError):
        loop.run_until_complete(task)
    for left in asyncio.all_tasks(loop):
        left.cancel()
    loop.run_until_complete(asyncio.sleep(0.1))
    loop.close()


@pytest.mark.sweep
def test_an_agent_comes_through_a_proxy(fleet: Fleet, authority: Authority, proxy: Proxy) -> None:
    port, log = free_port(), declare(fleet, "echo one >> LOG")
    with (
        hub(fleet, authority, port) as served,
        agent_on(fleet, authority, "edge-1", "--proxy", f"127.0.0.1:{proxy.port}", connect=port),
    ):
        wait_for(lambda: served.in_sync() and log.read_text() == "one\n", seconds=30)
    assert proxy.asked[0] == f"CONNECT 127.0.0.1:{port} HTTP/1.1"
