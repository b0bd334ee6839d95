"""Agents with good certificates that lie: every command ends in time and in bounds, and says why; nothing leaves its folder."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.agents import Authority, free_port
from tests.e2e.fleet import Fleet, Seen, finished, wait_for
from tests.e2e.lying_agent import LIES
from tests.e2e.test_hostile import clean, listens

ROOM = 1 << 30
"""Bytes of address space that a command gets: twice what it maps by itself."""
LONG = frozenset(
    {"mute", "garbage", "nobody", "negative", "wrong", "gone", "crc", "empty", "flood"}
)
"""Lies that cost the patience that a network needs."""
SECONDS = 100.0


@contextlib.contextmanager
def lied_to(fleet: Fleet, authority: Authority, kind: str) -> Iterator[None]:
    """Declare a server whose agent lies."""
    folder = authority.folder / "named/liar"
    if not folder.exists():
        authority.issue("liar", "agent")
    own = fleet.home / ".config/ctl/config.yaml"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(f"pki: {{dir: {authority.folder / 'named/main'}}}\n")
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.lying_agent", str(folder), "liar", str(port), kind],
        cwd=Path(__file__).parents[2],
    )
    fleet.declare(
        "tasks: {a: {run: 'true', timeout: 20s}, keep: {run: 'true'}}\n"
        "targets:\n  t: {servers: here, task: keep}\n  u: {servers: liar, task: a}\n",
        inventory__servers_yaml="servers:\n  here: {local: {}}\n"
        f"  liar: {{address: 127.0.0.1, agent: {{port: {port}}}}}\n",
    )
    try:
        wait_for(lambda: listens(port))
        yield
    finally:
        process.kill()
        process.wait()


def bounded(fleet: Fleet, *words: str, seconds: float = SECONDS) -> Seen:
    """Run a command that may neither grow nor hang, nor move the terminal."""
    began = time.monotonic()
    prefix = (sys.executable, "-c", LIMITED, str(ROOM))
    seen = finished(fleet.spawn(*words, prefix=prefix), seconds=seconds)
    assert time.monotonic() - began < seconds
    clean(seen.all)
    assert "Traceback" not in seen.all, seen.all
    assert "unforeseen" not in seen.all, seen.all
    return seen


LIMITED = (
    "import os, resource, sys; room = int(sys.argv[1]);"
    "resource.setrlimit(resource.RLIMIT_AS, (room, -1)); os.execv(sys.argv[2], sys.argv[2:])"
)


WORDS = {
    "escape": "u202e",
    "endless": "more than 50000",
    "fat": "more than 50000",
    "mute": "no answer within 60 s",
}
"""What is told of the lie, somewhere."""
OWN = (
    ("jobs", "list"),
    ("jobs", "show", "@last"),
    ("jobs", "logs", "@last"),
    ("jobs", "artifacts", "@last"),
    ("jobs", "workspace", "ls", "@last"),
    ("logs", "activity"),
    ("logs", "connectivity"),
)


@pytest.mark.sweep  # each run tries peers that lie without processes: `test_peer`, and what is shown: `test_safe_text`
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", LIES)
def test_what_a_lying_agent_says_is_bounded_told_and_harms_nobody_else(
    fleet: Fleet, authority: Authority, kind: str
) -> None:
    out = fleet.folder / "out"
    with lied_to(fleet, authority, kind):
        seen = [bounded(fleet, "plan").ended(0), bounded(fleet, "inspect", "dump", "--on", "liar")]
        if kind not in LONG:
            seen.append(bounded(fleet, "tasks", "--on", "liar"))
            bounded(fleet, "check", "server", "liar")
            bounded(fleet, "run", "dump", "--on", "liar", "--outdir", str(out))
            bounded(fleet, "apply", "-y", "--timeout", "40s")
            assert fleet.marker("t", "here").exists()
            seen += [bounded(fleet, *words) for words in OWN]
            bounded(fleet, "jobs", "artifacts", "@last", "--outdir", str(out))
            bounded(fleet, "jobs", "workspace", "get", "@last", "--outdir", str(out))
    assert WORDS.get(kind, "") in "".join(one.all for one in seen)
    assert "+ t (keep) on here" in seen[0].out
    assert not list(fleet.folder.parent.glob("pwned*"))
    assert not Path("/etc/pwned").exists()
    for one in fleet.folder.rglob("*"):
        clean(one.name)
        if one.is_file() and out in one.parents:
            assert one.stat().st_size < 1 << 20
