"""Tokens, keys and host keys: delivered to git, and to be found nowhere else."""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.errors import SourceError
from controller.model.declaration import Repo
from controller.source.access import Credentials, access_to
from controller.source.mirrors import Mirrors
from controller.source.url import parse
from controller.source.visit import Look
from tests.fakes.git_http import GitHttp, git_http
from tests.fakes.repositories import Repository, ssh_key

pytestmark = pytest.mark.real
TOKEN, WRONG = "canary-4711-token", "wrong-canary"


@pytest.fixture
def origin(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "srv" / "shop")
    made.commit({"a": "1"})
    return made


@pytest.fixture
def server(origin: Repository) -> Iterator[GitHttp]:
    with git_http(origin.path.parent, TOKEN) as running:
        yield running


def repo_at(url: str) -> Repo:
    return Repo(name="shop", url=url)


async def look(tmp_path: Path, url: str, credentials: Credentials) -> Look:
    mirrors = Mirrors(tmp_path / "mirrors")
    return await mirrors.look(repo_at(url), credentials, accepted=None, signers=None)


def everything_of_all_processes() -> bytes:
    seen = b""
    for folder in Path("/proc").glob("[0-9]*"):
        if folder.name == str(os.getpid()):
            continue
        for name in ("cmdline", "environ"):
            try:
                seen += (folder / name).read_bytes()
            except OSError:
                continue
    return seen


async def test_a_token_opens_a_remote_and_is_seen_nowhere_else(
    tmp_path: Path, origin: Repository, server: GitHttp
) -> None:
    credentials = Credentials(token=f"{TOKEN}\n")
    task = asyncio.create_task(look(tmp_path, f"{server.url}/shop/.git", credentials))
    seen, samples = b"", 0
    while not task.done():
        seen += await asyncio.to_thread(everything_of_all_processes)
        samples += 1
    found = await task
    assert found.revision.sha == origin.head
    assert set(server.logins) == {"x-access-token"}
    assert samples > 1
    assert b"ls-remote" in seen or b"git-remote-http" in seen
    assert TOKEN.encode() not in seen
    for file in (tmp_path / "mirrors").rglob("*"):
        assert file.is_dir() or TOKEN.encode() not in file.read_bytes()
    assert not list((tmp_path / "mirrors").rglob("askpass"))
    assert TOKEN not in repr(credentials)


async def test_the_user_of_the_address_goes_with_the_token(tmp_path: Path, server: GitHttp) -> None:
    url = server.url.replace("http://", "http://bot@")
    await look(tmp_path, f"{url}/shop/.git", Credentials(token=TOKEN))
    assert set(server.logins) == {"bot"}


async def test_a_wrong_token_is_refused_without_being_shown(
    tmp_path: Path, server: GitHttp
) -> None:
    with pytest.raises(SourceError, match="Authentication failed") as refusal:
        await look(tmp_path, f"{server.url}/shop/.git", Credentials(token=WRONG))
    assert refusal.value.hint == "the server does not take the token of this repo"
    assert WRONG not in str(refusal.value)


async def test_without_a_token_the_remedy_is_named(tmp_path: Path, server: GitHttp) -> None:
    with pytest.raises(SourceError) as refusal:
        await look(tmp_path, f"{server.url}/shop/.git", Credentials())
    assert "token:" in (refusal.value.hint or "")


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "a\x00b"])
async def test_what_cannot_be_a_token_is_refused(tmp_path: Path, token: str) -> None:
    with pytest.raises(SourceError, match="cannot use the token"):
        await look(tmp_path, "https://git.example.com/x", Credentials(token=token))


async def test_a_redirect_is_not_followed(
    tmp_path: Path, server: GitHttp, origin: Repository
) -> None:
    with git_http(origin.path.parent, TOKEN) as other:
        server.redirect = other.url
        with pytest.raises(SourceError, match="cannot reach"):
            await look(tmp_path, f"{server.url}/shop/.git", Credentials(token=TOKEN))
        assert other.logins == []


async def test_ssh_without_pinned_hosts_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not pinned") as refusal:
        await look(tmp_path, "git@git.example.com:x.git", Credentials(ssh_key=b"key"))
    assert "ctl trust repo/" in (refusal.value.hint or "")


def handles() -> set[Path]:
    return set(Path("/proc/self/fd").iterdir())


def test_nothing_lent_is_open_afterwards(tmp_path: Path) -> None:
    before = handles()
    credentials = Credentials(ssh_key=b"key", known_hosts=b"host key")
    with access_to(parse("git@git.example.com:x.git"), credentials, tmp_path) as access:
        assert access.protocol == "ssh"
        assert "StrictHostKeyChecking=yes" in access.environment["GIT_SSH_COMMAND"]
        assert len(handles()) > len(before)
    assert handles() == before
    assert list(tmp_path.iterdir()) == []


@contextmanager
def ssh_server(folder: Path, allowed: Path) -> Iterator[tuple[int, str]]:
    """Run OpenSSH on loopback as the present user; gives the port and the public host key."""
    host = ssh_key(folder, "host")
    (folder / "authorized").write_text(allowed.with_suffix(".pub").read_text())
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = [
        f"ListenAddress=127.0.0.1:{port}",
        f"HostKey={host}",
        f"AuthorizedKeysFile={folder / 'authorized'}",
        f"PidFile={folder / 'pid'}",
        "StrictModes=no",
        "UsePAM=no",
        "PermitRootLogin=yes",
    ]
    program = shutil.which("sshd", path="/usr/sbin:/usr/bin:/sbin")
    if program is None:
        pytest.skip("OpenSSH's server is not installed")
    command = [program, "-D", "-e", "-f", "/dev/null"]
    for setting in settings:
        command += ["-o", setting]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as server:
        try:
            assert server.stderr is not None
            line = server.stderr.readline()
            if b"listening" not in line:
                pytest.skip(f"sshd does not start here: {line.decode(errors='replace')}")
            yield port, host.with_suffix(".pub").read_text()
        finally:
            server.terminate()


async def test_ssh_takes_the_declared_key_and_only_the_pinned_host(
    tmp_path: Path, origin: Repository
) -> None:
    key, other = ssh_key(tmp_path, "deploy"), ssh_key(tmp_path, "other")
    with ssh_server(tmp_path, key) as (port, public):
        url = f"ssh://127.0.0.1:{port}{origin.path}"
        pinned = f"[127.0.0.1]:{port} {public}".encode()
        credentials = Credentials(ssh_key=key.read_bytes().rstrip(), known_hosts=pinned)
        assert (await look(tmp_path, url, credentials)).revision.sha == origin.head
        wrong = f"[127.0.0.1]:{port} {other.with_suffix('.pub').read_text()}".encode()
        with pytest.raises(SourceError, match="cannot reach") as refusal:
            await look(tmp_path, url, Credentials(ssh_key=key.read_bytes(), known_hosts=wrong))
        assert "ctl trust repo/NAME" in (refusal.value.hint or "")
        with pytest.raises(SourceError) as refusal:
            await look(tmp_path, url, Credentials(ssh_key=other.read_bytes(), known_hosts=pinned))
        assert "does not take the key" in (refusal.value.hint or "")


@pytest.mark.parametrize(
    ("url", "credentials", "message"),
    [
        ("git@git.example.com:x.git", Credentials(token=TOKEN), "tokens go with https"),
        ("/srv/git/x.git", Credentials(token=TOKEN), "tokens go with https"),
        ("https://git.example.com/x", Credentials(ssh_key=b"key"), "not reached over ssh"),
    ],
)
def test_what_would_be_ignored_is_refused(
    tmp_path: Path, url: str, credentials: Credentials, message: str
) -> None:
    with (
        pytest.raises(SourceError, match=message),
        access_to(parse(url), credentials, tmp_path),
    ):
        pass
