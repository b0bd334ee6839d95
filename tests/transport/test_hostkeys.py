import socket
import subprocess
from pathlib import Path

import asyncssh
import pytest

from controller.errors import TransportError, Unreachable, UsageError
from controller.model.inventory import Server, Ssh
from controller.transport import loopback
from controller.transport.hostkeys import PinnedKeys, SshKeyScanner, host_key, scan
from controller.transport.keys import HostKey, line
from tests.fakes.sshd import Sshd, dialer, with_ssh

KEYS = [asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode() for _ in "abc"]
A, B, C = (key.strip() for key in KEYS)


def server(name: str = "web", address: str = "10.0.0.1", port: int = 22, **ssh: object) -> Server:
    return Server(name=name, address=address, ssh=Ssh(port=port, **ssh))  # type: ignore[arg-type]


def pinned(known_hosts: str, one: Server) -> set[str]:
    """The keys a server may show, as text."""
    keys = PinnedKeys(known_hosts.encode()).of(one)[0]
    return {key.export_public_key().decode().strip() for key in keys}


@pytest.mark.parametrize(
    ("known", "one", "expected"),
    [
        ("web KEY-A", server(), "A"),
        ("10.0.0.1 KEY-A", server(), "A"),
        ("web,10.0.0.1 KEY-A\nweb KEY-B", server(), "AB"),
        ("other KEY-A", server(), ""),
        ("[web]:2222 KEY-A", server(port=2222), "A"),
        ("[web]:2222 KEY-A", server(port=2200), ""),
        ("web KEY-A", server(port=2222), "A"),  # a line without port is for every port
        ("*.example.com KEY-A", server(address="a.example.com"), "A"),
        ("*.example.com,!a.example.com KEY-A", server(address="a.example.com"), ""),
        ("", server(), ""),
        ("# a remark\n\n", server(), ""),
    ],
)
def test_keys_are_found_by_name_address_and_port(known: str, one: Server, expected: str) -> None:
    text = known.replace("KEY-A", A).replace("KEY-B", B)
    assert pinned(text, one) == {{"A": A, "B": B}[letter] for letter in expected}


def test_declared_keys_alone_count_where_there_are_any() -> None:
    assert pinned(f"web {A}", server(host_keys=(B,))) == {B}


def test_revoked_keys_are_told_apart() -> None:
    trusted, _, revoked = PinnedKeys(f"web {A}\n@revoked web {B}".encode()).of(server())
    assert [key.export_public_key().decode().strip() for key in trusted] == [A]
    assert [key.export_public_key().decode().strip() for key in revoked] == [B]


@pytest.mark.real
def test_hashed_names_are_found(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"web {A}\n[far]:2222 {B}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    text = file.read_text()
    assert "web" not in text
    assert pinned(text, server()) == {A}
    assert pinned(text, server(name="far", port=2222)) == {B}
    assert pinned(text, server(name="no")) == set()


def test_a_file_that_is_no_text_is_a_fault_of_usage() -> None:
    with pytest.raises(UsageError, match="cannot read the pinned host keys"):
        PinnedKeys(b"\xff\xfe")


def test_a_line_that_holds_no_key_pins_nothing() -> None:
    assert pinned(f"web ssh-ed25519 no-base64!\nweb {A}", server()) == {A}


def test_a_declared_key_that_is_none_is_a_fault_of_usage() -> None:
    with pytest.raises(UsageError, match="declared host key"):
        PinnedKeys(b"").of(server(host_keys=("ssh-ed25519 nonsense",)))


def test_a_line_that_pins_is_read_again() -> None:
    key = host_key(asyncssh.import_public_key(A))
    assert key.fingerprint.startswith("SHA256:")
    for port in (22, 2222):
        written = line(["web", "10.0.0.1", "web"], port, key)
        assert written.count("web") == 1
        assert pinned(written, server(port=port)) == {A}
        assert pinned(written, server(name="else", port=port)) == {A}


@pytest.mark.real
async def test_a_server_is_asked_for_its_key_without_login(sshd: Sshd) -> None:
    (key,) = await scan(sshd.server)
    assert f"{key.algorithm} {key.encoded}" == sshd.loopback.host_key
    assert isinstance(key, HostKey)


@pytest.mark.real
async def test_a_key_that_was_scanned_and_pinned_lets_in(sshd: Sshd) -> None:
    undeclared = with_ssh(sshd.server, host_keys=())
    (key,) = await scan(undeclared)
    known = line(["127.0.0.1"], sshd.loopback.port, key).encode()
    assert SshKeyScanner(known).pinned(undeclared) == (key,)
    made = dialer(sshd.key, known_hosts=known)
    assert (await made.open(undeclared)).facts.base
    await made.close()


@pytest.mark.real
async def test_a_scan_of_nobody_tells_the_cause(sshd: Sshd) -> None:
    with pytest.raises(TransportError) as caught:
        await scan(with_ssh(sshd.server, port=loopback.free_port()))
    assert caught.value.cause is Unreachable.TCP


@pytest.mark.real
async def test_a_scan_of_a_mute_port_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.transport.hostkeys.SCAN_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(TransportError) as caught:
        await scan(server(address="127.0.0.1", port=mute.getsockname()[1]))
    assert caught.value.cause is Unreachable.TIMEOUT
