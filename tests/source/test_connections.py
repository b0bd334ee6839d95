"""Ssh connections that are kept: fewer logins, never another's key, and nothing left at the end."""

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.errors import SourceError
from controller.model.declaration import Repo
from controller.source.access import Credentials, identity
from controller.source.connections import LONGEST, Connections
from controller.source.mirrors import Mirrors
from controller.source.url import parse
from tests.fakes.repositories import Repository, ssh_key
from tests.fakes.sshd import Sshd, start_sshd

pytestmark = pytest.mark.real


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    running = start_sshd(tmp_path / "sshd", "git")
    try:
        yield running
    finally:
        running.loopback.stop()


@pytest.fixture
def parent() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="t") as name:
        yield Path(name)


@pytest.fixture
def kept(parent: Path) -> Iterator[Connections]:
    made = Connections(parent)
    yield made
    made.close()


def credentials_of(sshd: Sshd) -> Credentials:
    one = sshd.loopback
    pinned = f"[127.0.0.1]:{one.port} {one.host_key}".encode()
    return Credentials(ssh_key=sshd.key.read_bytes(), known_hosts=pinned)


def repo_on(sshd: Sshd, origin: Repository, name: str = "shop") -> Repo:
    one = sshd.loopback
    return Repo(name=name, url=f"ssh://{one.user}@127.0.0.1:{one.port}{origin.path}")


async def test_looks_share_one_login_until_the_end(
    tmp_path: Path, parent: Path, sshd: Sshd, kept: Connections
) -> None:
    origin = Repository(tmp_path / "origin")
    head = origin.commit({"a": "1"})
    mirrors = Mirrors(tmp_path / "mirrors", kept=kept)
    repo, credentials = repo_on(sshd, origin), credentials_of(sshd)
    seen = await mirrors.look(repo, credentials, accepted=None, signers=None)
    sessions = sshd.sessions()
    assert sessions
    for _ in range(2):
        seen = await mirrors.look(repo, credentials, accepted=head, signers=None)
    assert seen.revision.sha == head
    assert sshd.sessions() == sessions
    folder = only(parent)
    assert folder.stat().st_mode & 0o077 == 0
    kept.close()
    assert list_of(parent) == []
    for _ in range(100):
        if not sshd.sessions():
            break
        await asyncio.sleep(0.05)
    assert sshd.sessions() == []


async def test_another_key_never_comes_over_a_kept_connection(
    tmp_path: Path, sshd: Sshd, kept: Connections
) -> None:
    origin = Repository(tmp_path / "origin")
    origin.commit({"a": "1"})
    mirrors = Mirrors(tmp_path / "mirrors", kept=kept)
    repo, credentials = repo_on(sshd, origin), credentials_of(sshd)
    await mirrors.look(repo, credentials, accepted=None, signers=None)
    stranger = ssh_key(tmp_path, "stranger").read_bytes()
    wrong = replace(credentials, ssh_key=stranger)
    with pytest.raises(SourceError) as refusal:
        await mirrors.look(repo, wrong, accepted=None, signers=None)
    assert "does not take the key" in (refusal.value.hint or "")
    unpinned = replace(credentials, known_hosts=b"[127.0.0.1]:1 ssh-ed25519 AAAA")
    with pytest.raises(SourceError, match="cannot reach"):
        await mirrors.look(repo, unpinned, accepted=None, signers=None)


def list_of(parent: Path) -> list[Path]:
    return list(parent.iterdir())


def only(parent: Path) -> Path:
    (folder,) = list_of(parent)
    return folder


def test_a_folder_that_a_cleaner_took_is_made_anew(parent: Path, kept: Connections) -> None:
    first = kept.options(b"one")
    only(parent).rmdir()
    assert kept.options(b"one") != first
    assert kept.options(b"one") == kept.options(b"one") != kept.options(b"two")
    assert b"one".hex() not in first


def test_a_path_too_long_for_sockets_is_not_used(tmp_path: Path) -> None:
    long = tmp_path / ("x" * LONGEST)
    long.mkdir()
    made = Connections(long)
    assert str(long) not in made.options(b"one")
    assert list_of(long) == []
    made.close()


@pytest.mark.parametrize(
    ("url", "change"),
    [
        ("ssh://git@other.example.com/x", {}),
        ("ssh://git@git.example.com:222/x", {}),
        ("ssh://bot@git.example.com/x", {}),
        ("ssh://git@git.example.com/x", {"ssh_key": b"other"}),
        ("ssh://git@git.example.com/x", {"ssh_key": None, "agent": "/run/agent"}),
        ("ssh://git@git.example.com/x", {"known_hosts": b"other"}),
    ],
)
def test_whatever_says_who_we_are_needs_a_connection_of_its_own(
    url: str, change: dict[str, object]
) -> None:
    usual = Credentials(ssh_key=b"key", known_hosts=b"hosts")
    changed = replace(usual, **change)  # type: ignore[arg-type]
    assert identity(parse("ssh://git@git.example.com/y"), usual) == identity(
        parse("git@git.example.com:z"), usual
    )
    assert identity(parse("ssh://git@git.example.com/x"), usual) != identity(parse(url), changed)
