"""The HTTP API with 5,000 servers declared: requests a second and the 99th percentile of reading status, targets and servers.

A client of its own process asks over kept connections, as fast as it is answered. What is not kept between requests, such as the
first status after a change, is measured apart.
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Row
from controller.api.settings import ApiSettings, Rate
from controller.model.token import Role
from tests.api.serving import House, house
from tests.e2e.fleet import launched

SERVERS = 5_000
SECONDS = 4.0
CONNECTIONS = 8
PLENTY = Rate(second=1e9, burst=10**9)
SETTINGS = ApiSettings(per_token=PLENTY, per_address=PLENTY)
DECLARED = f"""\
servers:
  web-[0001:{SERVERS}].example.com: {{groups: [web], active: true}}
tasks: {{hello: {{run: echo hello}}}}
targets:
  shop: {{servers: web, task: hello}}
  blog: {{servers: "web-00*", task: hello}}
"""
PATHS = (
    ("GET status", "/api/v1/status"),
    ("GET targets", "/api/v1/targets"),
    ("GET servers, 100 of them", "/api/v1/servers?limit=100"),
    ("GET a server", "/api/v1/servers/web-0042.example.com"),
    ("GET heartbeat", "/heartbeat"),
)


def main(rounds: int = 1) -> list[Row]:
    """Measure all of it; each path is asked for some seconds a round."""
    del rounds
    return asyncio.run(_measure())


async def _measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, launched(Path(folder)) as fleet:
        async with house(fleet, SETTINGS, declared=DECLARED) as home:
            token = await home.token("bench", Role.ADMIN)
            rows = [await _first(home, token)]
            for name, path in PATHS:
                rows.append(await _load(home, name, path, token))
            return rows


async def _first(home: House, token: str) -> Row:
    began = time.perf_counter()
    got = await home.ask("GET", "/api/v1/status", token=token)
    assert got.status_code == 200, got.text
    took = time.perf_counter() - began
    return (f"API, {SERVERS} servers: the first status after a change", f"{took:.2f} s", "")


async def _load(home: House, name: str, path: str, token: str) -> Row:
    host, port = home.server.address
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.api_client", host, str(port), path, token,
        str(CONNECTIONS), str(SECONDS), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    told = json.loads(out)
    took = sorted(told["took"])
    p99 = took[int(len(took) * 0.99)] * 1000
    seen = f"{len(took) / told['seconds']:,.0f}/s, median {took[len(took) // 2] * 1000:.1f} ms, p99 {p99:.1f} ms"
    return (f"API, {SERVERS} servers: {name}", seen, "p99 300 ms")
