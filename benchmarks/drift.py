"""From a file that was changed by hand to its line in the plan: `ctl plan` over 100 servers, beside bare asyncssh.

All servers are this machine under many names, so that one edit makes them all drift. Bare asyncssh only logs in everywhere and runs `true`.
"""

import json
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.fleet import write_repository
from benchmarks.measure import Row, Spent, median, run
from benchmarks.ssh import client, farm

SERVERS = 100
CTL = (sys.executable, "-m", "controller")
SERVER = """\
  {name}:
    address: 127.0.0.1
    ssh: {{user: {user}, port: {port}, key: login, host_key: {host_key}}}
"""
WORK = """\
secrets:
  login: {{file: {key}}}
tasks:
  shop:
    files:
      - path: {out}/shop.conf
        content: |
          workers = 4
          port = 80
targets:
  shop: {{servers: all, task: shop}}
"""


def main(*, rounds: int = 5) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="ctl-bench-") as made, farm(Path(made), SERVERS):
        folder, project = Path(made), f"bench-{secrets.token_hex(4)}"
        try:
            return drifted(folder, project, rounds)
        finally:
            for base in (Path("/var/lib/ctl"), Path.home() / ".local/state/ctl"):
                shutil.rmtree(base / project, ignore_errors=True)


def drifted(folder: Path, project: str, rounds: int) -> list[Row]:
    """Put all in sync, change the file by hand, and see how long it takes until a plan says so."""
    config = declare(folder, project)
    run([*CTL, "-C", config, "apply", "-y", "-q"])
    with (folder / "out" / "shop.conf").open("a") as file:
        file.write("debug = true\n")
    plan = [*CTL, "-C", config, "plan"]
    said = json.loads(subprocess.run([*plan, "-o", "json"], check=True, capture_output=True).stdout)
    assert said["summary"]["drifted"] == SERVERS, said["summary"]
    ours: list[Spent] = []
    bare: list[Mapping[str, float]] = []
    for _ in range(rounds):
        ours.append(run(plan))
        bare.append(client("bare", folder)["cold"])  # type: ignore[arg-type]
    spent = median(ours)
    cpu, wall = (statistics.median(one[key] for one in bare) for key in ("cpu", "wall"))
    seen = (
        f"wall {spent.wall:.2f} s = {spent.wall / wall:.1f} x, CPU {spent.cpu:.2f} s = "
        f"{spent.cpu / cpu:.1f} x bare asyncssh; {spent.peak:.0f} MiB"
    )
    return [(f"{SERVERS} servers, from a drifted file to its line in ctl plan", seen, "")]


def declare(folder: Path, project: str) -> str:
    """Write a config repository of all the servers."""
    told = json.loads((folder / "farm.json").read_text())
    (folder / "out").mkdir()
    servers = "".join(
        SERVER.format(**{**one, "host_key": json.dumps(one["host_key"])}, user=told["user"])
        for one in told["hosts"]
    )
    files = {
        "ctl.yaml": f"settings: {{name: {project}}}\n".encode(),
        "inventory/servers.yaml": f"servers:\n{servers}".encode(),
        "pipelines/shop.yaml": WORK.format(key=told["key"], out=folder / "out").encode(),
    }
    write_repository(folder / "config", files)
    return str(folder / "config")
