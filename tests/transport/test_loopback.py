import os
import socket
import stat
from pathlib import Path

import pytest

from controller.errors import StateError
from controller.transport import loopback
from tests.fakes.sshd import start_sshd

pytestmark = pytest.mark.real


@pytest.mark.parametrize("openssh", [True, False])
def test_a_server_greets_on_loopback_alone_until_it_is_stopped(
    tmp_path: Path, openssh: bool
) -> None:
    running = start_sshd(tmp_path, openssh=openssh).loopback
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as link:
        assert link.recv(4) == b"SSH-"
    listening = Path("/proc/net/tcp").read_text()
    assert f"0100007F:{running.port:04X} 00000000:0000 0A" in listening
    running.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", running.port), timeout=5)


def test_two_servers_have_their_own_keys_ports_and_homes(tmp_path: Path) -> None:
    one, two = start_sshd(tmp_path / "a"), start_sshd(tmp_path / "b")
    assert one.loopback.port != two.loopback.port
    assert one.loopback.host_key != two.loopback.host_key
    assert one.base != two.base
    for each in (one, two):
        each.loopback.stop()


def test_a_key_is_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    public = loopback.make_key(tmp_path / "key")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert public.startswith("ssh-ed25519 ")
    with pytest.raises(FileExistsError):
        loopback.make_key(tmp_path / "key")


def test_a_server_that_cannot_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(loopback, "free_port", lambda: port)
        monkeypatch.setattr(loopback, "START_SECONDS", 1.0)
        with pytest.raises(StateError, match=str(port)):
            start_sshd(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has /var/lib/ctl")
def test_root_s_servers_see_their_own_state_folder(tmp_path: Path) -> None:
    server = start_sshd(tmp_path)
    (server.base / "canary").touch()
    inside = Path(f"/proc/{server.loopback.process.pid}/root/var/lib/ctl/canary")
    assert inside.exists()
    assert not Path("/var/lib/ctl/canary").exists()
    server.loopback.stop()
