"""A server without an agent, over ssh: work is done, outlives its session, and what a reboot cuts off is interrupted."""

import itertools

import pytest

from tests.e2e.fleet import Fleet, finished
from tests.vm.machine import Machine

pytestmark = pytest.mark.vm

POLITE = "trap 'exit 0' TERM HUP; touch ~/begun-polite; while :; do sleep 0.2; done"
"""Ends well when it is told to end: as many services do, though its work is not done."""


def test_an_apply_does_its_work_and_then_there_is_none_left(site: Fleet, machine: Machine) -> None:
    site.declare(
        "tasks:\n  a: {steps: {one: {run: 'echo hello; echo done >>/root/log'}}}\n"
        "targets:\n  t: {servers: vm, task: a}\n"
    )
    site.ctl("apply", "-y").ended(0)
    assert machine.run("cat /root/log") == "done\n"
    site.ctl("plan", "--detailed-exitcode").ended(0)


def test_a_reboot_interrupts_what_runs_however_it_takes_it(site: Fleet, machine: Machine) -> None:
    site.declare(
        "tasks:\n  both:\n    steps:\n"
        "      plain: {needs: [], run: 'touch ~/begun-plain; sleep 1000; touch ~/went-on'}\n"
        f'      polite: {{needs: [], run: "{POLITE}"}}\n'
        "targets: {t: {servers: both, task: both}}\n"
    )
    applying = site.spawn("apply", "-y")
    for home in ("/root", "/home/deploy"):
        machine.wait(f"test -e {home}/begun-plain -a -e {home}/begun-polite")
    machine.reboot()
    said = finished(applying, seconds=300)
    states = {
        (job["server"], step["name"]): step["state"]
        for job in site.jobs()
        for step in job["steps"]  # type: ignore[attr-defined]
    }
    assert states == dict.fromkeys(
        itertools.product(("vm", "vm-plain"), ("plain", "polite")), "interrupted"
    ), said.all
    assert said.code == 2
    assert machine.ssh("ls /root/went-on /home/deploy/went-on").code != 0


def test_a_power_cut_interrupts_what_runs(site: Fleet, machine: Machine) -> None:
    site.declare(
        "tasks: {plain: {run: 'touch /root/begun-again; sync; sleep 1000'}}\n"
        "targets: {t: {servers: vm, task: plain}}\n"
    )
    applying = site.spawn("apply", "-y")
    machine.wait("test -e /root/begun-again")
    machine.power_cut()
    assert finished(applying, seconds=300).code == 2
    (job,) = site.jobs()
    assert job["state"] == "interrupted"
