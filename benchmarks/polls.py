"""Looking at repos in which nothing happened: how many a minute, and what one look costs beside a bare `git ls-remote`.

The repos are distinct, on one server on this machine that takes its share of the processors: over http with a token, and over ssh with a
connection that is kept, beside one that is not.
"""

import asyncio
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Row, Spent, median, run
from controller.model.declaration import Repo
from controller.source.access import Credentials
from controller.source.connections import Connections
from controller.source.mirrors import Mirrors
from tests.fakes.repositories import Repository
from tests.fakes.sshd import start_sshd

ROUNDS = 5
REPOS = 60
AT_ONCE = 8
"""As many as the controller asks at the same time."""
HEIGHT = 600
TOKEN = "polling"  # noqa: S105 - of a server on loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """Repos that were looked at before, and what opens them."""

    mirrors: Mirrors
    repos: tuple[Repo, ...]
    credentials: Credentials

    async def look(self, repo: Repo) -> None:
        """Look at one of them; it must have nothing new."""
        found = await self.mirrors.look(repo, self.credentials, accepted=None, signers=None)
        if found.fetched:
            raise RuntimeError(f"{repo.name} was not idle")

    async def look_at_all(self) -> float:
        """Look at all of them, some at a time; give the seconds."""
        turn = asyncio.Semaphore(AT_ONCE)

        async def one(repo: Repo) -> None:
            async with turn:
                await self.look(repo)

        started = time.perf_counter()
        await asyncio.gather(*(one(repo) for repo in self.repos))
        return time.perf_counter() - started

    async def costs(self) -> Spent:
        """Look at each in turn; give what one look took, of this process and of the programs it ran."""
        before, started = cpu(), time.perf_counter()
        for repo in self.repos:
            await self.look(repo)
        count = len(self.repos)
        wall = (time.perf_counter() - started) / count
        return Spent(cpu=(cpu() - before) / count, wall=wall, peak=0.0)


def cpu() -> float:
    """Give the processor seconds of this process and of all its children that ended."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, who))


@contextmanager
def http_server(root: Path) -> Iterator[str]:
    argv = [sys.executable, "-m", "benchmarks.polls_server", str(root), TOKEN]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        if server.stdin is None or server.stdout is None:
            raise RuntimeError("the server has no pipes")
        yield server.stdout.readline().strip()
        server.stdin.close()


async def seen(idle: Idle) -> Idle:
    """Look at all of them for the first time."""
    for repo in idle.repos:
        await idle.mirrors.look(repo, idle.credentials, accepted=None, signers=None)
    return idle


def bare(url: str, *, rounds: int, environment: dict[str, str]) -> Spent:
    """Ask as a shell would, with nothing around it."""
    argv = ["git", "ls-remote", "--quiet", url, "refs/heads/*"]
    return median([run(argv, environment=environment) for _ in range(rounds)])


def row(what: str, spent: Spent, floor: Spent, height: str) -> Row:
    seen = f"{spent.cpu * 1000:.1f} ms CPU = {spent.cpu / floor.cpu:.2f} x git ls-remote, {spent.wall * 1000:.0f} ms wall"
    return what, seen, height


def over_http(folder: Path, *, rounds: int) -> list[Row]:
    root = folder / "srv"
    origin = Repository(root / "one")
    origin.commit({"a": "1"})
    for number in range(REPOS):
        (root / f"r{number}").symlink_to(origin.path)
    with http_server(root) as server:
        idle = Idle(
            mirrors=Mirrors(folder / "http"),
            repos=tuple(
                Repo(name=f"r{number}", url=f"{server}/r{number}/.git") for number in range(REPOS)
            ),
            credentials=Credentials(token=TOKEN),
        )
        asyncio.run(seen(idle))
        askpass = folder / "askpass"
        askpass.write_text(f"#!/bin/sh\necho {TOKEN}\n")
        askpass.chmod(0o700)
        environment = {"GIT_ASKPASS": str(askpass), "GIT_CONFIG_GLOBAL": "/dev/null"}
        floor = bare(idle.repos[0].url, rounds=rounds * 4, environment=environment)
        cost = median([asyncio.run(idle.costs()) for _ in range(rounds)])
        seconds = statistics.median(asyncio.run(idle.look_at_all()) for _ in range(rounds))
    cores = len(os.sched_getaffinity(0))
    return [
        row("git ls-remote over http, bare", floor, floor, "the floor"),
        row("an idle look over http", cost, floor, "≤ 2 x git ls-remote"),
        (
            f"idle looks a minute over http, {AT_ONCE} at once",
            f"{REPOS / seconds * 60:.0f} with the server on the same {cores} cores",
            f"≥ {HEIGHT}",
        ),
    ]


def over_ssh(folder: Path, *, rounds: int) -> list[Row]:
    origin = Repository(folder / "origin")
    origin.commit({"a": "1"})
    sshd = start_sshd(folder / "sshd", "git")
    one = sshd.loopback
    credentials = Credentials(
        ssh_key=sshd.key.read_bytes(),
        known_hosts=f"[127.0.0.1]:{one.port} {one.host_key}".encode(),
    )
    url = f"ssh://{one.user}@127.0.0.1:{one.port}{origin.path}"
    repos = tuple(Repo(name=f"r{number}", url=url) for number in range(REPOS // 4))
    kept = Connections()
    taken: dict[str, Spent] = {}
    try:
        for name, connections in (("a new connection each", None), ("a kept connection", kept)):
            mirrors = Mirrors(folder / name.replace(" ", "-"), kept=connections)
            idle = Idle(mirrors=mirrors, repos=repos, credentials=credentials)
            asyncio.run(seen(idle))
            taken[name] = median([asyncio.run(idle.costs()) for _ in range(rounds)])
    finally:
        kept.close()
        one.stop()
    return [
        (
            f"an idle look over ssh, {name}",
            f"{spent.cpu * 1000:.1f} ms CPU, {spent.wall * 1000:.0f} ms wall",
            "",
        )
        for name, spent in taken.items()
    ]


def main(*, rounds: int = ROUNDS) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="polls") as made:
        folder = Path(made)
        return [*over_http(folder, rounds=rounds), *over_ssh(folder, rounds=rounds)]
