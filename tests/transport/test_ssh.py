"""The ssh carrier against real servers: one shared connection each, pinned keys, jump hosts, causes."""

import asyncio
import os
import secrets
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from controller.errors import SecretError, SessionLostError, TransportError, Unreachable
from controller.model.inventory import Server
from controller.transport import loopback
from controller.transport.ambient import Ambient
from controller.transport.port import AttemptSpec, ProbeSpec, Session
from controller.transport.ssh import SshDialer
from tests.fakes import processes
from tests.fakes.sshd import Sshd, dialer, start_sshd, with_ssh

pytestmark = pytest.mark.real


@pytest.fixture
async def one(sshd: Sshd) -> AsyncIterator[SshDialer]:
    made = dialer(sshd.key)
    yield made
    await made.close()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Sshd]:
    if loopback.find_sshd() is None:
        pytest.skip("no sshd here: install openssh-server")
    server = start_sshd(tmp_path / "other", "other")
    yield server
    server.loopback.stop()


async def says(session: Session, text: str = "echo hello") -> bytes:
    """Run something short."""
    return (await session.probe(ProbeSpec(text=text.encode()))).output


async def refused(made: SshDialer, server: Server) -> TransportError:
    """Fail to open; give the error."""
    with pytest.raises(TransportError) as caught:
        await made.open(server)
    assert server.name in caught.value.message
    return caught.value


async def test_another_host_key_is_refused(one: SshDialer, sshd: Sshd) -> None:
    stranger = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    error = await refused(one, with_ssh(sshd.server, host_keys=(stranger.strip(),)))
    assert error.cause is Unreachable.HOST_KEY
    assert error.hint is not None
    assert "ctl trust one" in error.hint


async def test_an_unknown_host_key_is_refused(one: SshDialer, sshd: Sshd) -> None:
    error = await refused(one, with_ssh(sshd.server, host_keys=()))
    assert error.cause is Unreachable.HOST_KEY


async def test_a_port_where_nobody_listens(one: SshDialer, sshd: Sshd) -> None:
    error = await refused(one, with_ssh(sshd.server, port=loopback.free_port()))
    assert error.cause is Unreachable.TCP
    assert "nobody listens" in error.message


async def test_a_name_that_does_not_resolve(one: SshDialer, sshd: Sshd) -> None:
    error = await refused(one, replace(sshd.server, address="no-such-host.invalid"))
    assert error.cause is Unreachable.DNS


async def test_a_key_that_is_not_authorized(sshd: Sshd, tmp_path: Path) -> None:
    loopback.make_key(tmp_path / "wrong")
    made = dialer(tmp_path / "wrong")
    error = await refused(made, sshd.server)
    assert error.cause is Unreachable.AUTH
    assert "tried key login" in error.message


async def test_a_server_that_speaks_no_ssh(one: SshDialer, sshd: Sshd) -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    web = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = web.sockets[0].getsockname()[1]
    error = await refused(one, with_ssh(sshd.server, port=port))
    assert error.cause in {Unreachable.VERSION, Unreachable.TCP}
    web.close()
    await web.wait_closed()


async def test_a_server_that_says_nothing_is_given_up(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.transport.connection.LOGIN_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        error = await refused(dialer(sshd.key), with_ssh(sshd.server, port=mute.getsockname()[1]))
    assert error.cause is Unreachable.TIMEOUT


async def test_a_key_with_a_passphrase_is_refused_with_a_remedy(sshd: Sshd, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "a passphrase", "-f", str(locked)]
    subprocess.run(make, check=True)  # noqa: ASYNC221 - a blink
    with pytest.raises(SecretError) as caught:
        await dialer(locked).open(sshd.server)
    assert caught.value.hint is not None
    assert "agent" in caught.value.hint


@pytest.mark.parametrize(
    ("sudo", "cause"),
    [
        ("echo 'sudo: a password is required' >&2; exit 1", Unreachable.SUDO),
        ('shift; exec "$@"', None),
    ],
)
async def test_sudo_that_asks_for_a_password_is_named(
    tmp_path: Path, sudo: str, cause: Unreachable | None
) -> None:
    (tmp_path / "sudo").write_text(f"#!/bin/sh\n{sudo}\n")
    (tmp_path / "sudo").chmod(0o755)
    stand = start_sshd(tmp_path / "one", path=f"{tmp_path}:/usr/bin:/bin")
    made = dialer(stand.key)
    server = with_ssh(stand.server, sudo=True)
    try:
        if cause is None:
            assert await says(await made.open(server)) == b"hello\n"
        else:
            assert (await refused(made, server)).cause is cause
    finally:
        await made.close()
        stand.loopback.stop()


async def test_all_who_open_at_once_share_one_connection(one: SshDialer, sshd: Sshd) -> None:
    before = len(sshd.sessions())
    sessions = await asyncio.gather(*(one.open(sshd.server) for _ in range(20)))
    assert await asyncio.gather(*(says(session) for session in sessions)) == [b"hello\n"] * 20
    logins = [pid for pid in sshd.sessions() if b"notty" in processes.read(pid, "cmdline")]
    assert len(logins) - before <= 1


async def test_who_goes_away_while_dialling_does_not_stop_the_others(
    one: SshDialer, sshd: Sshd
) -> None:
    first, second, third = (asyncio.create_task(one.open(sshd.server)) for _ in range(3))
    await asyncio.sleep(0.005)
    first.cancel()
    assert await says(await second) == b"hello\n"
    assert await says(await third) == b"hello\n"
    assert first.cancelled()


async def test_when_all_go_away_the_next_one_is_served(one: SshDialer, sshd: Sshd) -> None:
    gone = asyncio.create_task(one.open(sshd.server))
    await asyncio.sleep(0.005)
    gone.cancel()
    await asyncio.wait({gone})
    assert await says(await one.open(sshd.server)) == b"hello\n"


async def test_a_lost_connection_is_dialled_anew(one: SshDialer, sshd: Sshd) -> None:
    session = await one.open(sshd.server)
    sshd.kill_sessions()
    with pytest.raises(SessionLostError):
        await asyncio.wait_for(says(session, "sleep 5"), 5)
    assert await says(await one.open(sshd.server)) == b"hello\n"


async def test_a_failure_is_not_remembered(one: SshDialer, sshd: Sshd) -> None:
    wrong = with_ssh(sshd.server, port=loopback.free_port())
    await refused(one, wrong)
    assert await says(await one.open(sshd.server)) == b"hello\n"


async def test_a_given_back_session_is_kept_for_the_next(one: SshDialer, sshd: Sshd) -> None:
    first = await one.open(sshd.server)
    logins = sshd.sessions()
    await first.close()
    await first.close()
    assert await says(await one.open(sshd.server)) == b"hello\n"
    assert sshd.sessions() == logins


async def test_more_idle_connections_than_wanted_are_closed(sshd: Sshd, other: Sshd) -> None:
    servers = {one.loopback.name: one.server for one in (sshd, other)}
    keys = {"login": sshd.key.read_bytes(), "other": other.key.read_bytes()}
    made = SshDialer(
        keys=keys.__getitem__,
        known_hosts=b"",
        servers=servers,
        ambient=None,
        nonce=lambda: secrets.token_hex(8),
        idle=1,
    )
    second = with_ssh(other.server, key="other")
    held = await made.open(second)
    await (await made.open(sshd.server)).close()
    assert await says(held) == b"hello\n"
    await held.close()
    await (await made.open(second)).close()
    await processes.until(lambda: not sshd.sessions())
    assert other.sessions()
    assert await says(await made.open(sshd.server)) == b"hello\n"
    await made.close()
    await processes.until(lambda: not sshd.sessions() + other.sessions())


async def test_many_servers_at_once(sshd: Sshd) -> None:
    servers = [replace(sshd.server, name=f"server-{n}") for n in range(30)]
    made = dialer(sshd.key, logins=8)
    sessions = await asyncio.gather(*(made.open(one) for one in servers))
    said = await asyncio.gather(*(says(session, f"echo {n}") for n, session in enumerate(sessions)))
    assert said == [b"%d\n" % n for n in range(30)]
    await made.close()
    await processes.until(lambda: not sshd.sessions())


async def test_a_server_behind_a_jump_host(sshd: Sshd, tmp_path: Path) -> None:
    gate = start_sshd(tmp_path / "gate", "gate", forwarding=True)
    try:
        servers = {"gate": with_ssh(gate.server, key="gate")}
        for n in range(3):
            behind = with_ssh(sshd.server, jump="gate")
            servers[f"behind-{n}"] = replace(behind, name=f"behind-{n}")
        keys = {"login": sshd.key.read_bytes(), "gate": gate.key.read_bytes()}
        made = SshDialer(
            keys=keys.__getitem__,
            known_hosts=b"",
            servers=servers,
            ambient=None,
            nonce=lambda: secrets.token_hex(8),
            logins=1,
        )
        opened = await asyncio.gather(*(made.open(one) for one in servers.values()))
        assert await asyncio.gather(*(says(one) for one in opened)) == [b"hello\n"] * 4
        gates = [pid for pid in gate.sessions() if b"notty" in processes.read(pid, "cmdline")]
        assert len(gates) <= 2  # the login's monitor and its process
        await made.close()
        await processes.until(lambda: not gate.sessions())
    finally:
        gate.loopback.stop()


@pytest.mark.parametrize("jump", ["one", "nowhere"])
async def test_a_jump_to_oneself_or_to_nowhere_is_refused(sshd: Sshd, jump: str) -> None:
    server = with_ssh(sshd.server, jump=jump)
    error = await refused(dialer(sshd.key, servers={"one": server}), server)
    assert "jump host" in error.message


async def test_nothing_of_the_surroundings_is_used_unless_asked(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ".ssh"
    folder.mkdir()
    (folder / "id_ed25519").write_bytes(sshd.key.read_bytes())
    (folder / "config").write_text(f"Host *\n  IdentityFile {sshd.key}\n  User nobody\n  Port 1\n")
    asked: list[bool] = []

    async def agent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(True)
        writer.close()

    listening = await asyncio.start_unix_server(agent, tmp_path / "agent")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    loopback.make_key(tmp_path / "wrong")
    error = await refused(dialer(tmp_path / "wrong"), sshd.server)
    assert error.cause is Unreachable.AUTH
    made = dialer(sshd.key)
    assert await says(await made.open(sshd.server)) == b"hello\n"
    await made.close()
    assert asked == []
    listening.close()
    await listening.wait_closed()


async def test_an_agent_is_used_where_asked(sshd: Sshd, tmp_path: Path) -> None:
    path = str(tmp_path / "agent")
    running = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)  # noqa: ASYNC220
    try:
        await processes.until(Path(path).exists)
        environment = {**os.environ, "SSH_AUTH_SOCK": path}
        subprocess.run(  # noqa: ASYNC221 - a blink
            ["ssh-add", "-q", str(sshd.key)], env=environment, check=True
        )
        ambient = Ambient(agent=path, home=tmp_path, user="unused")
        made = dialer(sshd.key, ambient=ambient)
        asked = with_ssh(sshd.server, key=None, use_agent=True)
        assert await says(await made.open(asked)) == b"hello\n"
        await made.close()
    finally:
        running.terminate()
        running.wait()


async def test_an_agent_that_is_gone_is_named(sshd: Sshd, tmp_path: Path) -> None:
    ambient = Ambient(agent=str(tmp_path / "gone"), home=tmp_path, user="unused")
    asked = with_ssh(sshd.server, key=None, use_agent=True)
    with pytest.raises(TransportError, match="agent does not answer") as caught:
        await dialer(sshd.key, ambient=ambient).open(asked)
    assert caught.value.cause is Unreachable.AUTH


async def test_the_first_command_on_a_quiet_connection_is_quick(one: SshDialer, sshd: Sshd) -> None:
    session = await one.open(sshd.server)
    taken = []
    for _ in range(5):
        await asyncio.sleep(0.6)
        begun = time.perf_counter()
        await session.status(AttemptSpec(id="quiet.step.1", job="quiet", text=b"").id)  # type: ignore[arg-type]
        taken.append(time.perf_counter() - begun)
    assert min(taken) < 0.03


@pytest.mark.parametrize("openssh", [False])
async def test_asyncssh_s_server_carries_as_well(tmp_path: Path, openssh: bool) -> None:
    stand = start_sshd(tmp_path, "stand", openssh=openssh)
    try:
        assert stand.loopback.kind == "asyncssh"
        made = dialer(stand.key)
        session = await made.open(stand.server)
        spec = AttemptSpec(id="stand.step.1", job="stand", text=b"cat; exit 3", stdin=b"in\n")  # type: ignore[arg-type]
        assert (await session.start(spec)).fresh
        assert (await session.wait(spec.id)).exit_code == 3
        chunks = [chunk.data async for chunk in session.output(spec.id)]
        assert b"".join(chunks) == b"in\n"
        await made.close()
    finally:
        stand.loopback.stop()


async def test_one_name_at_two_addresses_is_two_servers(sshd: Sshd, other: Sshd) -> None:
    keys = {"login": sshd.key.read_bytes(), "other": other.key.read_bytes()}
    made = SshDialer(
        keys=keys.__getitem__,
        known_hosts=b"",
        servers={},
        ambient=None,
        nonce=lambda: secrets.token_hex(8),
    )
    moved = replace(with_ssh(other.server, key="other"), name=sshd.server.name)
    before, after = await made.open(sshd.server), await made.open(moved)
    assert await says(before) == await says(after) == b"hello\n"
    assert sshd.sessions()
    assert other.sessions()
    await made.close()
