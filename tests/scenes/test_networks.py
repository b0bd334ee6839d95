"""Agents that only dial out, across networks: behind a router that hides them, over lines that die, and through a proxy."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.agents import AgentHost, Authority, agent_on
from tests.e2e.fleet import Fleet, wait_for
from tests.e2e.serving import Served, serving
from tests.e2e.test_serve_pull import declare
from tests.scenes import networks
from tests.scenes.conftest import program
from tests.scenes.networks import EDGE, GATE, HUB, INSIDE, Networks

pytestmark = [pytest.mark.real, pytest.mark.sweep]

PORT = 9444
PROXY = 8888
COUNTING = (
    "echo begun >> LOG; for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 1; done; echo ended >> LOG"
)
LINES = [f"line {number}" for number in range(1, 9)]
TINYPROXY = f"""\
Port {PROXY}
Listen {INSIDE}
Timeout 600
MaxClients 20
Allow {EDGE}
ConnectPort {PORT}
LogLevel Connect
LogFile "LOG"
PidFile "PID"
"""


@pytest.fixture
def nets() -> Iterator[Networks]:
    with networks.made() as made:
        yield made


@contextlib.contextmanager
def served(nets: Networks, fleet: Fleet, authority: Authority) -> Iterator[Served]:
    """Serve on the machine outside, and be there."""
    folder = authority.folder / "named" / "outside"
    if not folder.exists():
        authority.issue("outside", "controller", "--san", HUB)
    with (
        nets.hub.entered(),
        serving(fleet, "--agent-listen", f"{HUB}:{PORT}", "--pki", str(folder)) as made,
    ):
        wait_for(lambda: "taking agents" in made.text)
        yield made


@contextlib.contextmanager
def dialling(
    nets: Networks, fleet: Fleet, authority: Authority, *words: str
) -> Iterator[AgentHost]:
    """Run an agent on the machine behind the router that dials the one outside."""
    with contextlib.ExitStack() as stack:
        with nets.edge.entered():
            made = stack.enter_context(
                agent_on(fleet, authority, "edge-1", *words, connect=PORT, hub=HUB)
            )
        yield made


def output(made: Served) -> list[str]:
    """Give what the only job said, without the names of its steps."""
    said = made.ctl("jobs", "logs", "@last").ended(0).out.splitlines()
    return [line for line in said if not line.startswith("==")]


def only_job(made: Served) -> dict[str, object]:
    (job,) = made.jobs()
    return job


def peers(nets: Networks) -> set[str]:
    """Give the addresses whose connections to the agents' port are established, as the controller's machine sees them."""
    told = nets.hub.run("ss", "-Htn", "state", "established", f"sport = :{PORT}")
    return {line.split()[-1].rpartition(":")[0] for line in told.splitlines()}


def test_an_agent_behind_a_router_that_hides_it_does_its_work(
    nets: Networks, fleet: Fleet, authority: Authority
) -> None:
    nets.nat()
    log = declare(fleet, "echo one >> LOG; echo said")
    with served(nets, fleet, authority) as made, dialling(nets, fleet, authority):
        wait_for(lambda: made.in_sync() and log.read_text() == "one\n", seconds=40)
        assert peers(nets) == {GATE}, "it appears as the router"
        with pytest.raises(AssertionError, match="unreachable"):
            nets.hub.run("ip", "route", "get", EDGE)
        assert output(made) == ["said"]
        declare(fleet, "echo two >> LOG; echo again")
        made.look()
        wait_for(lambda: log.read_text() == "one\ntwo\n", seconds=40)
        wait_for(made.in_sync, seconds=40)
        made.ctl("check", "server", "edge-1").ended(0)


def test_a_router_that_forgets_every_connection_costs_a_job_nothing(
    nets: Networks, fleet: Fleet, authority: Authority
) -> None:
    nets.nat()
    log = declare(fleet, COUNTING)
    with served(nets, fleet, authority) as made, dialling(nets, fleet, authority):
        wait_for(lambda: log.read_text() == "begun\n", seconds=40)
        nets.move("203.0.113.77")
        wait_for(lambda: log.read_text() == "begun\nended\n", seconds=40)
        wait_for(made.in_sync, seconds=90)
        assert output(made) == LINES
        assert only_job(made)["state"] == "succeeded"
        assert "203.0.113.77" in peers(nets), "it came back from the new address"


def test_a_line_that_is_dead_longer_than_anybody_waits_costs_a_job_nothing(
    nets: Networks, fleet: Fleet, authority: Authority
) -> None:
    nets.nat()
    log = declare(fleet, COUNTING)
    with served(nets, fleet, authority) as made, dialling(nets, fleet, authority) as agent:
        wait_for(lambda: log.read_text() == "begun\n", seconds=40)
        nets.cut()
        wait_for(lambda: log.read_text() == "begun\nended\n", seconds=40)
        wait_for(lambda: "dials again" in agent.log, seconds=150)
        time.sleep(10)  # and some dials are in vain
        assert only_job(made)["state"] == "running", "nobody can know yet, and nobody guesses"
        nets.mend()
        wait_for(made.in_sync, seconds=150)
        assert output(made) == LINES
        assert only_job(made)["state"] == "succeeded"
    assert log.read_text() == "begun\nended\n"


@contextlib.contextmanager
def tinyproxy(nets: Networks, folder: Path) -> Iterator[Path]:
    """Run a proxy on the router; give its log."""
    found = program("tinyproxy", "tinyproxy")
    log, settings = folder / "proxy.log", folder / "proxy.conf"
    settings.write_text(TINYPROXY.replace("LOG", str(log)).replace("PID", str(folder / "pid")))
    with nets.gate.entered():
        process = subprocess.Popen([found, "-d", "-c", str(settings)])
    try:
        wait_for(lambda: str(PROXY) in nets.gate.run("ss", "-Htln"))
        yield log
    finally:
        process.kill()
        process.wait(timeout=10)


def test_an_agent_whose_only_way_out_is_a_proxy_does_its_work_across_its_restarts(
    nets: Networks, fleet: Fleet, authority: Authority, tmp_path: Path
) -> None:
    log = declare(fleet, COUNTING)
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(served(nets, fleet, authority))
        with tinyproxy(nets, tmp_path) as asked:
            stack.enter_context(dialling(nets, fleet, authority, "--proxy", f"{INSIDE}:{PROXY}"))
            wait_for(lambda: log.read_text() == "begun\n", seconds=40)
            assert f"CONNECT {HUB}:{PORT}" in asked.read_text()
            assert peers(nets) == {GATE}
        wait_for(lambda: log.read_text() == "begun\nended\n", seconds=40)
        assert not made.in_sync(), "nobody led out what it said"
        with tinyproxy(nets, tmp_path):
            wait_for(made.in_sync, seconds=90)
            assert output(made) == LINES
            assert only_job(made)["state"] == "succeeded"
