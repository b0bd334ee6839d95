"""Salt on this machine, where it can be installed: a master and a minion on loopback, in a throw-away folder; `dispatch` shows it.

Through its LocalClient, which needs no start of a program for each command: the fastest way that Salt has.
"""

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import peers
from benchmarks.measure import Row

FEW = 20
PATIENCE = 60.0
LIMIT = 600
WHAT = "Salt, cmd.run through LocalClient, one at a time"
MASTER = """\
interface: 127.0.0.1
publish_port: {port}
ret_port: {next}
root_dir: {folder}
user: {user}
auto_accept: true
worker_threads: 3
log_level: quiet
"""
MINION = """\
id: bench
master: 127.0.0.1
publish_port: {port}
master_port: {next}
root_dir: {folder}/minion-root
user: {user}
log_level: quiet
"""


def rows(rounds: int) -> list[Row]:
    """Measure it, or say why not."""
    program = peers.salt("salt-master")
    if program is None:
        return [(WHAT, "skipped: it cannot be installed here", "")]
    with tempfile.TemporaryDirectory(prefix="ctl-salt-") as made, running(Path(made), program):
        asked = [
            *(str(program.with_name("python")), "-P"),  # beside it lies a `queue.py`
            str(Path(__file__).with_name("saltstack_client.py")),
            *(made, str(rounds), str(FEW)),
        ]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=LIMIT, check=False)
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or ["it failed"])[-1]
        return [(WHAT, f"skipped: {why}", "")]
    said = json.loads(done.stdout.strip().splitlines()[-1])
    cuts = statistics.quantiles(said["spent"], n=100)
    number = len(said["spent"])
    cost = f"CPU each {said['there'] / number * 1000:.1f} ms there, {said['here'] / number * 1000:.1f} here"
    return [
        (
            WHAT,
            f"p50 {cuts[49] * 1000:.1f} ms, p99 {cuts[98] * 1000:.1f} ms; {cost}; load {os.getloadavg()[0]:.0f}",
            "ours ≥ 50 x sooner",
        )
    ]


@contextmanager
def running(folder: Path, program: Path) -> Iterator[None]:
    """Run a master and a minion."""
    said = {"port": 24505, "next": 24506, "folder": folder, "user": os.environ.get("USER", "root")}
    started = []
    for name, text in (("master", MASTER), ("minion", MINION)):
        (folder / name).write_text(text.format(**said))
        words = [str(program.with_name(f"salt-{name}")), "-c", str(folder)]
        started.append(
            subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )
    try:
        yield
    finally:
        for one in started:
            one.terminate()
        end = time.monotonic() + PATIENCE
        for one in started:
            try:
                one.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()
