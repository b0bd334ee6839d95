"""A real `ctl serve`: from a signed push to the first byte of its job, from a commit to its job by polling, and memory over many jobs.

The remote is a repository of this machine, as a `git fetch` over a network is not ours to measure. Servers are this machine and an
OpenSSH on loopback. The clock of the job's first command is the clock of the push.
"""

import asyncio
import hashlib
import hmac
import json
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import httpx

from benchmarks.measure import Row
from tests.e2e.fleet import Fleet, launched, wait_for
from tests.e2e.serving import Served, serving
from tests.fakes.repositories import Repository
from tests.fakes.sshd import start_sshd

PUSHES = 11
APART = 5.3
"""Seconds between two pushes: those that come sooner are one."""
JOBS = 10_000
AT_ONCE = 40
PATIENCE = 60.0
"""Seconds that one job may take."""
SECRET = "benchmark"  # noqa: S105  # of a repository that lives for a minute
DECLARED = """\
repos: {{app: {{url: "{url}", webhook: hook, interval: 1m}}}}
secrets: {{hook: {{env: HOOK_SECRET}}}}
tasks: {{a: {{run: 'date +%s.%N >> {log}'}}}}
targets: {{t: {{repo: app, servers: {server}, task: a}}}}
"""


def main(rounds: int = PUSHES) -> list[Row]:
    """Measure all of it."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as place:
        sshd = start_sshd(Path(place) / "sshd", "web-1")
        try:
            for name in ("here", "web-1"):
                folder = Path(place) / name
                folder.mkdir()
                with launched(folder, {"web-1": sshd}) as fleet:
                    rows += _latency(fleet, name, rounds)
        finally:
            sshd.loopback.stop()
        (Path(place) / "many").mkdir()
        with launched(Path(place) / "many") as fleet:
            rows += asyncio.run(_many(fleet))
    return rows


def _latency(fleet: Fleet, server: str, rounds: int) -> list[Row]:
    """Measure pushes and one poll, with the jobs on one server."""
    app, log = Repository(fleet.folder / "app"), fleet.folder / "log"
    app.commit({"a": "0"})
    fleet.variables["HOOK_SECRET"] = SECRET
    fleet.declare(DECLARED.format(url=app.path, log=log, server=server))
    with serving(fleet) as served:
        wait_for(lambda: served.in_sync() and log.exists(), seconds=60)
        seconds = []
        for number in range(rounds):
            time.sleep(APART)
            seconds.append(_pushed(served, app, log, number))
        app.commit({"a": "by poll"})
        polled = _next_line(log, time.time(), patience=120)
    found = sorted(seconds)
    said = f"p50 {statistics.median(found) * 1000:.0f} ms, most {found[-1] * 1000:.0f} ms"
    way = "this machine" if server == "here" else "ssh"
    return [
        (f"push to first byte of its job, {way}", f"{said} of {rounds}", "p50 <= 250 ms"),
        (f"commit to its job by poll every minute, {way}", f"{polled:.1f} s, once", "<= 66 s"),
    ]


def _pushed(served: Served, app: Repository, log: Path, number: int) -> float:
    """Commit and tell of it; give the seconds until the job's first command ran."""
    sha = app.commit({"a": f"push {number}"})
    body = json.dumps({"ref": "refs/heads/main", "after": sha}).encode()
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/json",
        "x-github-event": "push",
        "x-hub-signature-256": f"sha256={digest}",
    }
    began = time.time()
    answer = httpx.post(f"{served.url}/hooks/app", content=body, headers=headers, timeout=30)
    answer.raise_for_status()
    return _next_line(log, began, patience=60)


def _next_line(log: Path, began: float, *, patience: float) -> float:
    """Wait for a line that was written after a moment; give the seconds between."""

    def newest() -> float:
        lines = log.read_text().split()
        return float(lines[-1]) if lines else 0.0

    wait_for(lambda: newest() > began, seconds=patience)
    return newest() - began


async def _many(fleet: Fleet) -> list[Row]:
    """Run many small jobs one after the other, and look how large the controller has become."""
    fleet.declare(
        "tasks: {a: {run: 'true'}}\ntargets: {t: {servers: here, task: a}}\n",
        inventory__servers_yaml=f"servers: {{here: {{local: {{}}, concurrency: {AT_ONCE}}}}}\n",
    )
    with serving(fleet) as served:
        await asyncio.to_thread(wait_for, served.in_sync, seconds=60)
        await asyncio.sleep(5)
        before, began = resident(served), time.perf_counter()
        await _post_all(served)
        took = time.perf_counter() - began
        after = resident(served)
    return [
        ("memory at start", f"{before:.0f} MiB", ""),
        (f"memory after {JOBS:,} further jobs", f"{after:.0f} MiB", "no slope"),
        (f"jobs posted and run here, {AT_ONCE} at once", f"{JOBS / took:.0f}/s", ""),
    ]


async def _post_all(served: Served) -> None:
    turn, ends = asyncio.Semaphore(AT_ONCE), defaultdict[str, asyncio.Event](asyncio.Event)
    headers = {"authorization": f"Bearer {served.token}"}
    limits = httpx.Limits(max_keepalive_connections=AT_ONCE + 1)
    async with httpx.AsyncClient(
        base_url=served.url, headers=headers, timeout=PATIENCE, limits=limits
    ) as client:

        async def one() -> None:
            async with turn:
                while True:
                    body = {"on": "here", "run": "true"}
                    answer = await client.post("/api/v1/jobs", json=body)
                    if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                        break
                    await asyncio.sleep(0.2)
                answer.raise_for_status()
                run = answer.json()["run"]
                await asyncio.wait_for(ends[run].wait(), PATIENCE)
                del ends[run]

        following = asyncio.create_task(_follow(client, ends))
        try:
            await asyncio.gather(*(one() for _ in range(JOBS)))
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def _follow(client: httpx.AsyncClient, ends: Mapping[str, asyncio.Event]) -> None:
    """Hear of every run that has ended, as a browser does: over one stream."""
    async with client.stream("GET", "/api/v1/events", timeout=None) as answer:
        async for line in answer.aiter_lines():
            if not line.startswith("data:"):
                continue
            news = json.loads(line.removeprefix("data:"))
            if news.get("kind") == "run" and news["data"].get("state") == "finished":
                ends[news["name"]].set()


def resident(served: Served) -> float:
    """Give the resident memory of a controller in MiB."""
    said = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(served.process.pid)],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(said.stdout) / 1024
