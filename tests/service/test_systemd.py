"""What systemd hears."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.errors import UsageError
from controller.service.systemd import Systemd


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind(str(tmp_path / "notify"))
        one.settimeout(5)
        yield one


def heard(ear: socket.socket) -> list[str]:
    return ear.recv(4096).decode().split("\n")


def test_says_when_it_is_ready_lives_and_stops(ear: socket.socket) -> None:
    systemd = Systemd({"NOTIFY_SOCKET": ear.getsockname()})

    systemd.ready("3 targets\nREADY=0")
    assert heard(ear) == ["READY=1", "STATUS=3 targets READY=0"]
    systemd.alive()
    assert heard(ear) == ["WATCHDOG=1"]
    systemd.stopping()
    assert heard(ear)[0] == "STOPPING=1"


def test_speaks_to_an_abstract_socket_as_well() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind("")  # the kernel picks an abstract name
        name = one.getsockname().decode()
        one.settimeout(5)
        Systemd({"NOTIFY_SOCKET": f"@{name[1:]}"}).alive()
        assert heard(one) == ["WATCHDOG=1"]


def test_beats_twice_as_often_as_systemd_waits() -> None:
    told = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "30000000"}
    assert Systemd(told).beat_seconds == 15.0
    assert Systemd({"WATCHDOG_USEC": "30000000"}).beat_seconds is None
    assert Systemd({**told, "WATCHDOG_USEC": "soon"}).beat_seconds is None


def test_is_silent_without_systemd_and_when_it_does_not_listen(tmp_path: Path) -> None:
    Systemd({}).ready("fine")
    Systemd({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("fine")


def test_refuses_an_address_that_is_no_socket() -> None:
    with pytest.raises(UsageError, match="NOTIFY_SOCKET"):
        Systemd({"NOTIFY_SOCKET": "tcp:1"})
