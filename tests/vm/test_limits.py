"""Attempts in a delegated folder of a real systemd: limits hold, and what they end is named; nothing outlives its end."""

import itertools
import json
from pathlib import Path
from typing import cast

import pytest

from controller.agent.packing import pack_agent
from tests.vm.machine import Machine

pytestmark = pytest.mark.vm

PACKED = "/opt/ctl-agent.pyz"
DRIVER = "/opt/driver.py"
MEGABYTE = 1 << 20
OWN = "/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)"
numbers = itertools.count()
Told = dict[str, object]


@pytest.fixture(scope="module")
def room(machine: Machine) -> Machine:
    """The machine with what it needs to run attempts."""
    machine.put(PACKED, pack_agent())
    machine.put(DRIVER, Path(__file__).with_name("driver.py").read_bytes())
    return machine


def drive(
    machine: Machine, *orders: tuple[str, dict[str, object]], name: str = "a.1"
) -> list[Told]:
    """Carry out orders about one attempt, in a unit and a folder of their own."""
    number = next(numbers)
    sent = json.dumps([(verb, name, arguments) for verb, arguments in orders])
    said = machine.run(
        f"systemd-run --quiet --pipe --wait --collect --unit=try-{number} -p Delegate=yes"
        f" python3 -I -S {DRIVER} {PACKED} /var/lib/try-{number}",
        stdin=sent.encode(),
    )
    return cast("list[Told]", json.loads(said))


def attempt(machine: Machine, text: str, **limits: float) -> Told:
    """Run one attempt to its end."""
    return drive(machine, ("start", {"text": text, "limits": limits}), ("wait", {}))[-1]


def end(told: Told) -> Told:
    assert told["phase"] == "ended", told
    return cast("Told", told["end"])


def means(told: Told) -> Told:
    return cast("Told", told["means"])


def test_too_much_memory_ends_the_whole_attempt_and_is_named(room: Machine) -> None:
    text = "python3 -c 'x = bytearray(128 << 20)'; echo went on"
    told = attempt(room, text, memory=32 * MEGABYTE)
    assert means(told)["memory"] == "cgroup"
    assert end(told)["oom"] is True
    assert end(told)["exit_code"] == 137
    assert end(told)["message"] == "killed: out of memory"
    assert told["output"] == ""


def test_as_much_memory_as_is_granted_can_be_used(room: Machine) -> None:
    told = attempt(room, "python3 -c 'x = bytearray(32 << 20)'; echo went on", memory=64 * MEGABYTE)
    assert end(told)["exit_code"] == 0, told
    assert end(told)["oom"] is False
    assert told["output"] == "went on\n"


def test_a_busy_attempt_gets_no_more_than_its_share_of_a_processor(room: Machine) -> None:
    text = (
        f"cat /proc/uptime; timeout 3 sh -c 'while :; do :; done'; cat {OWN}/cpu.stat /proc/uptime"
    )
    told = attempt(room, text, cpu=0.2)
    assert means(told)["cpu"] == "cgroup"
    (began, _), *stat, (ended, _) = (line.split() for line in str(told["output"]).splitlines())
    used = {name: int(value) for name, value in stat}
    assert used["nr_throttled"] > 0
    assert used["usage_usec"] / 1e6 < 0.25 * (float(ended) - float(began))


def test_processes_past_the_limit_are_refused_by_the_kernel(room: Machine) -> None:
    text = """exec python3 -c '
import os, time
made = 0
try:
    for _ in range(50):
        if os.fork() == 0:
            time.sleep(1)
            os._exit(0)
        made += 1
except BlockingIOError:
    print(made)
'"""
    told = attempt(room, text, pids=8)
    assert means(told)["pids"] == "cgroup"
    assert told["output"] == "7\n"


def test_the_disk_is_written_no_faster_than_granted(room: Machine) -> None:
    write = "dd if=/dev/zero of=$CTL_WORKSPACE/f bs=64k count=64 oflag=direct 2>/dev/null"
    text = f"date +%s%N; {write}; date +%s%N"
    slow, fast = attempt(room, text, io=MEGABYTE), attempt(room, text)
    assert means(slow)["io"] == "cgroup"
    assert "io" not in means(fast)
    assert seconds(slow) > 3.0 > seconds(fast)


def seconds(told: Told) -> float:
    began, ended = map(int, str(told["output"]).split())
    return (ended - began) / 1e9


def test_a_stop_ends_processes_that_left_their_session_and_ignore_it(room: Machine) -> None:
    text = """trap '' TERM
setsid sh -c 'trap "" TERM; setsid sleep 1000 & sleep 1000' &
while :; do setsid sleep 1000 & sleep 0.2; touch /tmp/begun; done"""
    started, _, inside, stopped, left = drive(
        room,
        ("start", {"text": text, "limits": {"pids": 200}}),
        ("until", {"path": "/tmp/begun"}),
        ("read", {"path": "/sys/fs/cgroup/system.slice/try-*/attempt-a.1/cgroup.procs"}),
        ("stop", {"grace": 0.5}),
        ("read", {"path": "/sys/fs/cgroup/system.slice/try-*/attempt-a.1/cgroup.procs"}),
    )
    assert means(started)["stop"] == "cgroup"
    assert len(str(inside).split()) >= 4
    assert end(stopped)["ending"] == "stop"
    assert end(stopped)["left"] == []
    assert not left


def test_a_paused_attempt_does_nothing_until_it_is_resumed(room: Machine) -> None:
    text = "setsid sh -c 'while :; do echo x; touch /tmp/counting; sleep 0.1; done'"
    _, _, paused, frozen, _, still, resumed, _, _, stopped = drive(
        room,
        ("start", {"text": text, "limits": {}}),
        ("until", {"path": "/tmp/counting"}),
        ("pause", {}),
        ("read", {"path": "/sys/fs/cgroup/system.slice/try-*/attempt-a.1/cgroup.events"}),
        ("sleep", {"seconds": 2}),
        ("status", {}),
        ("resume", {}),
        ("sleep", {"seconds": 2}),
        ("status", {}),
        ("stop", {"grace": 0.5}),
    )
    assert paused["phase"] == still["phase"] == "paused"
    assert "frozen 1" in str(frozen)
    assert str(still["output"]).count("x") - str(paused["output"]).count("x") <= 1
    assert resumed["phase"] == "running"
    assert str(stopped["output"]).count("x") > str(still["output"]).count("x") + 3


def test_a_paused_attempt_can_be_stopped(room: Machine) -> None:
    *_, stopped = drive(
        room,
        ("start", {"text": "sleep 1000", "limits": {}}),
        ("pause", {}),
        ("stop", {"grace": 5.0}),
    )
    assert end(stopped)["ending"] == "stop"
    assert end(stopped)["exit_code"] == 143


def test_limits_hold_another_user_and_cannot_be_lifted_by_them(room: Machine) -> None:
    text = f"id -un; echo max >{OWN}/memory.max; echo $$ >/sys/fs/cgroup/cgroup.procs; python3 -c 'bytearray(128 << 20)'"
    told = drive(
        room,
        (
            "start",
            {"text": text, "user": "deploy", "workdir": "/", "limits": {"memory": 32 * MEGABYTE}},
        ),
        ("wait", {}),
    )[-1]
    assert str(told["output"]).startswith("deploy\n")
    assert str(told["output"]).count("Permission denied") == 2, told
    assert end(told)["oom"] is True


def test_the_groups_of_ended_attempts_are_gone(room: Machine) -> None:
    *_, left = drive(
        room,
        ("start", {"text": "exit 3", "limits": {"memory": 64 * MEGABYTE}}),
        ("wait", {}),
        ("read", {"path": "/sys/fs/cgroup/system.slice/try-*/attempt-*/cgroup.events"}),
    )
    assert not left
