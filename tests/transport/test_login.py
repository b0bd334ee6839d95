import asyncio
import subprocess
import time
from pathlib import Path

import pytest

from controller.errors import SecretError, TransportError, Unreachable
from controller.model.inventory import Server, Ssh
from controller.transport.ambient import Ambient
from controller.transport.login import Logins
from controller.transport.loopback import make_key


def server(**ssh: object) -> Server:
    return Server(name="web", address="10.0.0.1", ssh=Ssh(**ssh))  # type: ignore[arg-type]


def person(home: Path, agent: str | None = None) -> Ambient:
    return Ambient(agent=agent, home=home, user="person")


def no_secrets(name: str) -> bytes:
    raise AssertionError(name)


async def test_a_declared_key_is_the_only_thing_offered(tmp_path: Path) -> None:
    make_key(tmp_path / "key")
    (tmp_path / ".ssh").mkdir()
    make_key(tmp_path / ".ssh" / "id_ed25519")
    reads: list[str] = []

    def read(name: str) -> bytes:
        reads.append(name)
        return (tmp_path / "key").read_bytes()

    logins = Logins(read, person(tmp_path, agent="/agent"))
    for _ in range(3):
        login = await logins.of(server(user="deploy", key="deploy_key"))
        assert (login.user, len(login.keys), login.agent) == ("deploy", 1, None)
    assert reads == ["deploy_key"]


async def test_a_key_that_takes_long_to_read_holds_nobody_and_is_read_once(tmp_path: Path) -> None:
    make_key(tmp_path / "key")
    reads = 0

    def read(_: str) -> bytes:
        nonlocal reads
        reads += 1
        time.sleep(0.2)
        return (tmp_path / "key").read_bytes()

    logins = Logins(read, None)
    dials = [asyncio.ensure_future(logins.of(server(user="x", key="k"))) for _ in range(20)]
    await asyncio.sleep(0.05)  # others go on
    assert not any(dial.done() for dial in dials)
    assert [len((await dial).keys) for dial in dials] == [1] * 20
    assert reads == 1


async def test_the_agent_is_offered_alone_where_it_is_declared(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    make_key(tmp_path / ".ssh" / "id_ed25519")
    login = await Logins(no_secrets, person(tmp_path, agent="/agent")).of(server(use_agent=True))
    assert (login.user, login.keys, login.agent) == ("person", (), "/agent")


async def test_by_hand_agent_and_usual_keys_are_offered(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    make_key(tmp_path / ".ssh" / "id_ed25519")
    login = await Logins(no_secrets, person(tmp_path, agent="/agent")).of(server())
    assert (len(login.keys), login.agent) == (1, "/agent")
    assert login.tried == "the ssh agent, ~/.ssh/id_ed25519"


@pytest.mark.real
async def test_a_usual_key_with_a_passphrase_is_left_out_and_named(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    path = tmp_path / ".ssh" / "id_ed25519"
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "a passphrase", "-f", str(path)]
    await asyncio.to_thread(subprocess.run, make, check=True)
    login = await Logins(no_secrets, person(tmp_path)).of(server())
    assert login.keys == ()
    assert "needs a passphrase" in login.tried


async def test_a_key_file_is_read_from_home(tmp_path: Path) -> None:
    make_key(tmp_path / "deploy")
    login = await Logins(no_secrets, person(tmp_path)).of(server(key_file="~/deploy"))
    assert (len(login.keys), login.tried) == (1, "~/deploy")


async def test_a_key_file_that_is_not_there_is_a_secret_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="gone"):
        await Logins(no_secrets, person(tmp_path)).of(server(key_file="~/gone"))


async def test_a_secret_that_is_no_key_is_not_shown() -> None:
    with pytest.raises(SecretError) as caught:
        await Logins(lambda _name: b"hunter2-canary", None).of(server(user="x", key="bad"))
    assert "secret bad" in caught.value.message
    assert "canary" not in caught.value.message


@pytest.mark.parametrize("ssh", [{}, {"user": "deploy"}, {"use_agent": True}])
async def test_nobody_s_keys_are_used_where_there_is_nobody(ssh: dict[str, object]) -> None:
    with pytest.raises(TransportError, match="cannot log in to web") as caught:
        await Logins(no_secrets, None).of(server(**ssh))
    assert caught.value.cause is Unreachable.AUTH
