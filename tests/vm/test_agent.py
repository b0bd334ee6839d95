"""An agent as systemd runs it, installed over ssh on a server that had nothing: reached by TLS, limits held, restarts outlived."""

import io
import itertools
import re
import subprocess
import zipfile
from collections.abc import Iterator

import pytest

from controller.agent.packing import pack_agent
from controller.agent.unit import HOLDER, PROGRAM, PYTHON, UNIT
from tests.e2e.agents import Authority
from tests.e2e.fleet import Fleet, finished, launched
from tests.vm.conftest import PLAIN, inventory
from tests.vm.machine import Machine, MachineError

pytestmark = pytest.mark.vm

EXPOSURE = 9.5
"""What `systemd-analyze security` may say of the unit at most; 10 is a unit that says nothing."""
POLITE = "trap 'exit 0' TERM HUP; echo >>~/begun; while :; do sleep 0.2; done"
"""Ends well when it is told to end: as many services do, though its work is not done."""
TICKS = (
    "echo begun >>/root/starts; i=0;"
    " until [ -e /root/release ]; do i=$((i+1)); echo tick $i; echo $i >/root/tick; sleep 0.3; done; echo over; exit 0"
)
WAYS = ("vm", "vm-root", "vm-plain")
"""The machine by its agent, and by ssh as root and as a plain user."""


@pytest.fixture(scope="module")
def site(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A controller that has installed the agent of `vm` over ssh, and reaches it by TLS from now on."""
    folder = tmp_path_factory.mktemp("site")
    authority = Authority(folder=folder / "pki").found()
    with launched(folder) as fleet:
        own = fleet.home / ".config/ctl/config.yaml"
        own.parent.mkdir(parents=True)
        own.write_text(f"pki: {{dir: {authority.folder / 'named/main'}}}\n")
        fleet.declare(inventory__servers_yaml=inventory(machine, {"vm": "root"}))
        words = (
            *("--on", "vm", "--dir", str(authority.folder), "--set", "workers=4"),
            *("--listen", f"0.0.0.0:{machine.ports['agent']}"),
            *("--set", "base=/var/lib/ctl-vm"),  # or `vm-root` would be found to be the same server
        )
        fleet.ctl("agent", "install", *words).ended(0)
        by_agent = f"  vm: {{address: 127.0.0.1, groups: [both], agent: {{port: {machine.ports['agent']}}}}}\n"
        by_ssh = inventory(machine, {"vm-root": "root", "vm-plain": PLAIN})
        servers = by_ssh.replace("servers:\n", f"servers:\n{by_agent}")
        fleet.declare(inventory__servers_yaml=servers)
        yield fleet


def await_there(machine: Machine, command: str, working: subprocess.Popen[str]) -> None:
    """Wait until a command on the machine goes well; if it does not, tell what the controller said."""
    try:
        machine.wait(command)
    except MachineError as error:
        working.terminate()
        raise AssertionError(f"{error}: {finished(working).all}") from error


def states(site: Fleet, jobs: int) -> dict[tuple[object, object], object]:
    """How each step of the last jobs ended, by server and step."""
    return {
        (job["server"], step["name"]): step["state"]
        for job in site.jobs()[:jobs]
        for step in job["steps"]  # type: ignore[attr-defined]
    }


def test_an_installed_agent_is_reached_and_does_its_work(site: Fleet, machine: Machine) -> None:
    seen = site.ctl("run", "--on", "vm", "--", "sh", "-c", "echo from $(uname -n); id -un")
    assert "from vm\n" in seen.ended(0).out
    assert "root" in seen.out
    assert machine.run(f"systemctl is-enabled {UNIT} {HOLDER}") == "enabled\nenabled\n"
    assert f"listens on 0.0.0.0:{machine.ports['agent']}" in machine.run(
        "journalctl -u ctl-agent --no-pager"
    )


def test_systemd_finds_nothing_wrong_with_its_units(site: Fleet, machine: Machine) -> None:
    done = machine.ssh(f"systemd-analyze verify {UNIT} {HOLDER}")
    assert (done.code, done.out, done.err) == (0, b"", b"")
    said = machine.run(f"systemd-analyze security --no-pager {UNIT}")
    (exposure,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert float(exposure) <= EXPOSURE, said


def test_limits_that_are_declared_hold_and_what_they_end_is_named(
    site: Fleet, machine: Machine
) -> None:
    site.declare(
        "tasks:\n  hungry:\n    limits: {memory: 32M, cpu: 50%, pids: 50, io: 20M}\n"
        "    run: exec python3 -c 'x = bytearray(128 << 20)'\n"
        "targets: {t: {servers: vm, task: hungry}}\n"
    )
    said = site.ctl("apply", "-y").ended(2)
    assert "out of memory" in said.all
    (job,) = site.jobs()[:1]
    assert (job["state"], job["exit_code"]) == ("failed", 137)
    assert machine.run("systemctl is-active ctl-agent") == "active\n"


def test_work_outlives_restart_upgrade_and_kill_of_its_agent(site: Fleet, machine: Machine) -> None:
    site.declare(
        f"tasks: {{tick: {{run: '{TICKS}'}}}}\ntargets: {{t: {{servers: vm, task: tick}}}}\n"
    )
    applying = site.spawn("apply", "-y")
    await_there(machine, "test -e /root/starts", applying)
    leaf = machine.run(
        "cat $(grep -l '^CTL_MARK=' -z /proc/[0-9]*/environ | head -1 | sed s/environ/cgroup/)"
    ).strip()
    assert f"/system.slice/{HOLDER}/attempt-" in leaf
    for disturb in (
        "systemctl restart ctl-agent",
        f"cat >/root/new && {PYTHON} -I -S /root/new compile {PROGRAM} && systemctl restart ctl-agent",
        "systemctl kill --kill-whom=main --signal=KILL ctl-agent",
    ):
        before = machine.run("systemctl show -P MainPID ctl-agent")
        machine.run(disturb, stdin=upgraded())
        machine.wait(
            f"systemctl is-active ctl-agent && test $(systemctl show -P MainPID ctl-agent) -ne {before}"
        )
        tick = machine.run("cat /root/tick").strip()
        machine.wait(f"test $(cat /root/tick) -gt {tick}")
    machine.run("touch /root/release")
    assert finished(applying, seconds=200).code == 0
    assert machine.run("cat /root/starts") == "begun\n"
    said = site.ctl("jobs", "logs", "@last").ended(0).out
    lines = [line for line in said.splitlines() if line.startswith(("tick", "over"))]
    assert lines == [*(f"tick {n}" for n in range(1, len(lines))), "over"]
    assert len(lines) > 5


def upgraded() -> bytes:
    """The packed agent with one entry more."""
    packed = io.BytesIO(pack_agent())
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("newer.txt", "yes")
    return packed.getvalue()


def test_a_reboot_interrupts_what_runs_however_it_is_reached(site: Fleet, machine: Machine) -> None:
    site.declare(
        "tasks:\n  both:\n    steps:\n"
        "      plain: {needs: [], run: 'echo >>~/begun; sleep 1000; touch ~/went-on'}\n"
        f'      polite: {{needs: [], run: "{POLITE}"}}\n'
        "targets: {t: {servers: both, task: both}}\n"
    )
    applying = site.spawn("apply", "-y")
    there = f"test $(wc -l </root/begun) = 4 -a $(wc -l </home/{PLAIN}/begun) = 2"
    await_there(machine, there, applying)
    machine.reboot()
    said = finished(applying, seconds=300)
    told = states(site, len(WAYS))
    assert told == dict.fromkeys(itertools.product(WAYS, ("plain", "polite")), "interrupted"), (
        said.all
    )
    assert said.code == 2
    assert machine.ssh(f"ls /root/went-on /home/{PLAIN}/went-on").code != 0


def test_a_power_cut_interrupts_what_runs_however_it_is_reached(
    site: Fleet, machine: Machine
) -> None:
    site.declare(
        "tasks: {again: {steps: {again: {run: 'date >>~/again; sync; sleep 1000'}}}}\n"
        "targets: {t: {servers: both, task: again}}\n"
    )
    applying = site.spawn("apply", "-y")
    await_there(machine, f"test $(wc -l </root/again) = 2 -a -s /home/{PLAIN}/again", applying)
    machine.power_cut()
    said = finished(applying, seconds=300)
    assert states(site, len(WAYS)) == {(way, "again"): "interrupted" for way in WAYS}, said.all
    assert machine.run("wc -l </root/again").strip() == "2"
