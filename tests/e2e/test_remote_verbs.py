"""Every verb that reaches a controller, once, against a real one with a real agent: done, or refused with the words of the table."""

import contextlib
import hashlib
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from controller.cli.reach import REACH
from tests.e2e.agents import ROOT, Authority, agent_on
from tests.e2e.fleet import Fleet, Seen, wait_for
from tests.e2e.serving import Served, serving

pytestmark = pytest.mark.sweep

SCRIPT = """\
#!/bin/sh
#::CTL::title=Say how much is free
#::CTL::result-type=file
#::CTL::file-name=free.txt
echo "$1" > free.txt
"""
DECLARED = """\
tasks:
  hello: {run: "echo hello"}
  conf: {files: [{path: FOLDER/app.conf, content: "a = 1\\n"}], run: "true"}
  long: {run: "cd $(dirname $CTL_ARTIFACTS)/workspace; head -c 500000 /dev/zero > big; until test -e go; do sleep 0.1; done; cat go"}
repos: {shop: {url: "SHOP", interval: 24h}}
targets:
  greet: {servers: here, task: hello, repo: shop, on_commit: ignore}
  conf: {servers: here, task: conf, on_commit: ignore}
  waits: {servers: here, task: hello, on_commit: ignore, approval: {required: 1}}
"""


class Words:
    """What a person types, verb by verb; remembers which were tried."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.tried: set[str] = set()

    def __call__(self, verb: str, *words: str, code: int = 0, stdin: str = "") -> Seen:
        self.tried.add(verb)
        said = self.served.ctl(*verb.split(), *words, stdin=stdin).ended(code)
        assert "not supported" not in said.all, verb
        assert REACH[verb].there is not None, verb
        return said

    def only(self, verb: str, *words: str, of: str = "json") -> dict[str, object]:
        return self(verb, *words, "-o", of).json

    @property
    def place(self) -> Path:
        return self.served.fleet.folder / "elsewhere"


@pytest.fixture
def ctl(fleet: Fleet, authority: Authority, tmp_path: Path) -> Iterator[Words]:
    scripts = Path("/var/tmp") / f"ctl-scripts-{fleet.project}"
    scripts.mkdir()
    (scripts / "free.sh").write_text(SCRIPT)
    (scripts / "free.sh").chmod(0o755)
    shop = tmp_path / "shop"
    for words in (("init", "-q", "-b", "main", str(shop)), COMMIT, COMMIT):
        git = ("git", *(() if words[0] == "init" else ("-C", str(shop))), *words)
        subprocess.run(git, check=True, capture_output=True, env={**os.environ, **NAMED})
    with ExitStack() as stack:
        host = stack.enter_context(agent_on(fleet, authority, "app-1", "--scripts", str(scripts)))
        declared = DECLARED.replace("FOLDER", str(tmp_path)).replace("SHOP", f"file://{shop}")
        fleet.declare(
            declared,
            inventory__servers_yaml=f"servers:\n  here: {{local: {{}}}}\n  app-1: {{address: 127.0.0.1, agent: {{port: {host.port}}}}}\n",
        )
        pki = str(authority.folder / "named" / "main")
        served = stack.enter_context(serving(fleet, "--pki", pki))
        wait_for(lambda: served.sync("greet") is not None, seconds=30)
        yield Words(served)
    (scripts / "free.sh").unlink()
    scripts.rmdir()


COMMIT = ("commit", "-q", "--allow-empty", "-m", "first")
NAMED = {f"GIT_{who}_{what}": "a@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}  # fmt: skip


def test_every_verb_of_the_table_is_done_or_refused_as_it_says(
    ctl: Words, fleet: Fleet, tmp_path: Path
) -> None:
    look(ctl)
    act(ctl)
    decide(ctl)
    mind(ctl)
    files(ctl)
    drift(ctl, fleet, tmp_path / "app.conf")
    keep(ctl)
    refused(ctl)
    ctl("top", code=64)  # without a terminal; with one see below
    there = {verb for verb, one in REACH.items() if one.there is not None}
    assert ctl.tried == there


def look(ctl: Words) -> None:
    assert "greet" in ctl("status").out
    for kind in ("servers", "groups", "inventories", "repos", "tasks", "targets", "secrets"):
        ctl("get", kind, "-o", "wide")
    assert "Say how much is free" in ctl("tasks", "--on", "app-1").out
    by_name = ctl.only("inspect", "free", "--on", "app-1")
    assert by_name["text"] == SCRIPT
    assert by_name["sha256"] == hashlib.sha256(SCRIPT.encode()).hexdigest()
    ctl("tasks", "--on", "here", code=4)  # it has no agent
    ctl("why", "greet", "here")
    ctl("check server", "app-1")
    ctl("check repo", "shop")
    ctl("check config")
    ctl("plan", "--target", "greet")
    assert ctl("pool show", "--on", "app-1").out.count("\n") == 2
    ctl("pool set", "3", "--on", "app-1")
    assert "is in force" in ctl("doctor").out


def act(ctl: Words) -> None:
    ctl("apply", "-y", "--target", "greet")
    ctl("history", "greet")
    said = ctl("run", "free", "--on", "app-1", "--outdir", "out", "--", "lots")
    assert (ctl.place / "out" / "free.txt").read_text() == "lots\n", said.all
    assert "hello" in ctl("run", "hello", "--on", "here").out


def decide(ctl: Words) -> None:
    ctl("suspend", "greet", "--reason", "audit")
    ctl("resume", "greet")
    ctl("approve", "waits", "-y", "--reason", "read it")
    ctl("rollback", "greet", "--to", "main~1", "--reason", "as it was")
    ctl("rollback", "greet", "--lift", "--reason", "enough")


def mind(ctl: Words) -> None:
    ctl("run", "long", "--on", "app-1", "--detach")
    job = running(ctl)
    ctl("jobs pause", job)
    ctl("jobs resume", job)
    ctl("jobs stop", job, "--grace", "1s")
    ctl("jobs show", job)
    ctl("jobs logs", job)
    ctl("jobs resolve", job, "--as", "failed", "--reason", "saw it", code=4)  # it is not lost
    ctl("run", "hello", "--on", "app-1")
    ctl("jobs retry", "@last")
    ctl("jobs attach", "@last")
    ctl("jobs archive", "@last")


def running(ctl: Words) -> str:
    """Wait until the newest job runs and has written its file."""

    def begun() -> bool:
        return "500000" in ctl.served.ctl("jobs", "workspace", "ls", "@last").out

    wait_for(begun, seconds=30)
    return str(ctl("jobs list", "-o", "json").rows[0]["id"])


def files(ctl: Words) -> None:
    ctl("run", "long", "--on", "app-1", "--detach")
    job = running(ctl)
    assert "big" in ctl("jobs workspace ls", job).out
    part = ctl.place / "got" / ".big.part"
    part.parent.mkdir()
    part.write_bytes(bytes(200_000))
    ctl("jobs workspace get", job, "big", "--outdir", "got")
    assert (ctl.place / "got" / "big").read_bytes() == bytes(500_000)
    ctl("jobs workspace rm", job, "big")
    assert "big" not in ctl("jobs workspace ls", job).out
    (ctl.place / "go").write_text("on we go\n")
    ctl("jobs workspace put", job, "go")
    assert "on we go" in ctl("jobs logs", job, "-f").out
    ctl("jobs artifacts", job)
    for name in ("../out", "/etc/passwd"):
        ctl.served.ctl("jobs", "workspace", "put", job, "go", "--as", name).ended(4)


def drift(ctl: Words, fleet: Fleet, conf: Path) -> None:
    ctl("apply", "-y", "--target", "conf")
    conf.write_text("a = 2\n")
    assert "app.conf" in ctl("drift show", "conf").out
    ctl("drift adopt", "conf", "here", "--out", "p")
    subprocess.run(["git", "apply", str(ctl.place / "p")], cwd=fleet.config.path, check=True)
    assert "a = 2" in (fleet.config.path / "pipelines/main.yaml").read_text()
    ctl("drift ignore", "conf", "here", "--reason", "known", "--until", "1h")


def keep(ctl: Words) -> None:
    for log in ("activity", "connectivity", "verify"):
        ctl(f"logs {log}")
    made = ctl.only("token create", "ci")
    text = str(made["token"])
    ctl("token list")
    again = ctl.only("token rotate", text[:8])
    ctl("token revoke", str(again["token"])[:8])
    ctl("token audit")
    ctl("backup", "state.tar.gz")
    assert "nothing held" in ctl("restore", "--release", "--reason", "to see").out


def refused(ctl: Words) -> None:
    """What the table says is done by hand alone is refused in words."""
    for verb, words in (
        ("plan", ("--out", "x")),
        ("apply", ("-y", "x")),
        ("apply", ("-y", "--allow-dirty")),
        ("run", ("hello", "--addr", "127.0.0.1:1")),
        ("run", ("hello", "--on", "here", "--pki", "/nowhere")),
        ("tasks", ("--addr", "127.0.0.1:1")),
        ("inspect", ("x", "--on", "app-1", "--pki", "/nowhere")),
        ("jobs archive", ("@last", "--out", "x")),
        ("jobs archive", ("--older-than", "30d")),
    ):
        said = ctl.served.ctl(*verb.split(), *words)
        assert said.code in {4, 64}, (verb, words, said.all)
        assert "hint:" in said.err, (verb, words, said.all)


def test_top_shows_what_the_controller_knows(ctl: Words, fleet: Fleet) -> None:
    main, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "controller", "top"],
        env={
            **fleet.environment,
            "PYTHONPATH": str(ROOT),
            "CTL_CONTROLLER": ctl.served.url,
            "CTL_TOKEN": ctl.served.token,
            "TERM": "xterm-256color",
            "COLUMNS": "200",
            "LINES": "50",
        },
        cwd=fleet.folder,
        stdin=side,
        stdout=side,
        stderr=side,
        start_new_session=True,
    )
    os.close(side)
    seen = said_by(main, until=b"servers seen")
    os.write(main, b"q")
    seen += said_by(main)
    process.kill()
    process.wait()
    os.close(main)
    assert b"servers seen" in seen
    assert b"Traceback" not in seen


def said_by(terminal: int, *, until: bytes | None = None) -> bytes:
    """Read what a program writes to its terminal, until it has said something, or has ended."""
    seen, end = b"", time.monotonic() + 30
    with contextlib.suppress(OSError):  # nobody is at the other end any more
        while time.monotonic() < end and (until is None or until not in seen):
            if select.select([terminal], [], [], 0.5)[0]:
                seen += os.read(terminal, 65536)
    return seen
