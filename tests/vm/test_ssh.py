"""A server with nothing but sshd: work is done there by whoever logs in, and outlives a login.

What a reboot does to it is tried in `test_agent`, with the same reboot.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.fleet import Fleet, finished, launched
from tests.vm.conftest import PLAIN, inventory
from tests.vm.machine import Machine

pytestmark = pytest.mark.vm


@pytest.fixture
def site(machine: Machine, tmp_path: Path) -> Iterator[Fleet]:
    """A controller whose servers are the machine, as root and as a plain user."""
    with launched(tmp_path) as fleet:
        fleet.declare(inventory__servers_yaml=inventory(machine, {"vm": "root", "vm-plain": PLAIN}))
        yield fleet


def test_an_apply_does_its_work_and_then_there_is_none_left(site: Fleet, machine: Machine) -> None:
    site.declare(
        "tasks:\n  a: {steps: {one: {run: 'echo hello; echo done >>~/log'}}}\n"
        "targets:\n  t: {servers: both, task: a}\n"
    )
    site.ctl("apply", "-y").ended(0)
    assert machine.run(f"cat /root/log /home/{PLAIN}/log") == "done\n" * 2
    site.ctl("plan", "--detailed-exitcode").ended(0)


def test_work_outlives_the_login_and_the_controller_that_began_it(
    site: Fleet, machine: Machine
) -> None:
    site.declare(
        "tasks: {a: {run: 'touch ~/began; sleep 6; echo once >>~/ended'}}\n"
        "targets: {t: {servers: both, task: a}}\n"
    )
    applying = site.spawn("apply", "-y")
    machine.wait(f"test -e /root/began -a -e /home/{PLAIN}/began")
    applying.kill()
    finished(applying)
    machine.wait(f"test -e /root/ended -a -e /home/{PLAIN}/ended")
    site.ctl("apply", "-y").ended(0)
    assert machine.run(f"cat /root/ended /home/{PLAIN}/ended") == "once\n" * 2
    assert {job["state"] for job in site.jobs()} == {"succeeded"}


def test_limits_hold_for_root_and_are_refused_where_nothing_holds_them(
    site: Fleet, machine: Machine
) -> None:
    site.declare(
        "tasks:\n  hungry:\n    limits: {memory: 32M}\n"
        "    run: exec python3 -c 'x = bytearray(128 << 20)'\n"
        "targets: {t: {servers: both, task: hungry}}\n"
    )
    site.ctl("apply", "-y").ended(1)
    site.declare(
        "tasks:\n  hungry:\n    limits: {memory: 32M}\n"
        "    run: exec python3 -c 'x = bytearray(128 << 20)'\n"
        "targets: {t: {servers: vm, task: hungry}}\n"
    )
    site.ctl("apply", "-y").ended(2)
    (job,) = site.jobs()[:1]
    assert (job["state"], job["exit_code"]) == ("failed", 137)
