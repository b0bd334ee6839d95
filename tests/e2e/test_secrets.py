"""Secrets: compared without being shown, read at the last moment, and nowhere else than where the job put them."""

import base64
import os
import shlex
import threading
import time
import urllib.parse
from pathlib import Path

import pytest

from tests.e2e.fleet import Fleet, finished, wait_for
from tests.fakes import processes

CANARY = "Canary'7f\"3 e/é$(x)=+"
TASK = """\
secrets:
  word: {{env: WORD}}
tasks:
  use:
    secrets: {{PASSWORD: word}}
    steps:
      keep: {{run: 'echo run >> {there}/log; printf %s "$PASSWORD" > {there}/kept'}}
targets:
  t: {{servers: {server}, task: use}}
"""


def declare(fleet: Fleet, server: str = "here") -> Path:
    there = fleet.folder / "there"
    there.mkdir(exist_ok=True)
    if server == "here":
        fleet.declare(TASK.format(there=there, server=server))
    else:
        fleet.declare(
            TASK.format(there=there, server=server).replace("secrets:\n  word: {env: WORD}\n", ""),
            inventory__word_yaml="secrets: {word: {env: WORD}}\n",
        )
    return there


def runs(there: Path) -> int:
    log = there / "log"
    return len(log.read_text().split()) if log.exists() else 0


def test_a_changed_value_is_a_change_with_a_reason_and_an_equal_one_is_none(
    each: tuple[Fleet, str],
) -> None:
    fleet, server = each
    there = declare(fleet, server)
    fleet.variables["WORD"] = "first-value"
    fleet.ctl("apply", "-y").ended(0)
    fleet.ctl("plan", "--detailed-exitcode").ended(0)
    fleet.variables["WORD"] = "second-value"
    plan = fleet.ctl("plan", "--detailed-exitcode").ended(2)
    assert "word" in plan.out
    assert "second-value" not in plan.all
    fleet.ctl("apply", "-y").ended(0)
    assert (there / "kept").read_text() == "second-value"
    fleet.ctl("plan", "--detailed-exitcode").ended(0)
    assert runs(there) == 2


def test_a_fresh_clone_compares_by_the_key_in_the_marker(fleet: Fleet) -> None:
    declare(fleet)
    fleet.variables["WORD"] = "first-value"
    fleet.ctl("apply", "-y").ended(0)
    other = fleet.folder / "other"
    fleet.ctl("plan", "--detailed-exitcode", state=other).ended(0)
    fleet.variables["WORD"] = "second-value"
    fleet.ctl("plan", "--detailed-exitcode", state=other).ended(2)


def test_a_secret_that_cannot_be_read_never_fails_a_plan_and_is_said(fleet: Fleet) -> None:
    declare(fleet)
    fleet.ctl("plan", "--detailed-exitcode").ended(2)
    fleet.variables["WORD"] = "first-value"
    fleet.ctl("apply", "-y").ended(0)
    del fleet.variables["WORD"]
    plan = fleet.ctl("plan", "--detailed-exitcode").ended(0)
    assert "not compared" in plan.all
    assert "WORD" in plan.all


def test_a_missing_secret_refuses_the_apply_before_anything_is_touched(fleet: Fleet) -> None:
    there = declare(fleet)
    said = fleet.ctl("apply", "-y").ended(1)
    assert "WORD" in said.err
    assert runs(there) == 0
    assert fleet.jobs() == []
    assert not fleet.marker("t").exists()


def forms(value: str) -> list[bytes]:
    """How a value could be written down."""
    raw = value.encode()
    return [
        raw,
        base64.b64encode(raw).rstrip(b"="),
        base64.urlsafe_b64encode(raw).rstrip(b"="),
        urllib.parse.quote(value, safe="").encode(),
        shlex.quote(value).encode(),
        raw.hex().encode(),
        value.encode("unicode_escape"),
    ]


def holding(folder: Path, words: list[bytes], *, besides: tuple[Path, ...] = ()) -> list[Path]:
    """Every file below a folder that holds one of the words."""
    found = []
    for path in folder.rglob("*"):
        inside = any(path == one or one in path.parents for one in besides)
        if path.is_file() and not path.is_symlink() and not inside:
            data = path.read_bytes()
            found += [path for word in words if word in data][:1]
    return found


@pytest.mark.parametrize("server", ["here", "web-1"])
def test_a_canary_is_found_nowhere_but_where_the_job_put_it(  # noqa: PLR0915
    ships: Fleet, server: str
) -> None:
    value = f"{CANARY}{os.urandom(4).hex()}"
    there = ships.folder / "there"
    there.mkdir()
    ships.variables["WORD"] = value
    ships.declare(
        "tasks:\n  use:\n    secrets: {PASSWORD: word}\n    steps:\n"
        f"      put: {{run: 'printf %s \"$PASSWORD\" > {there}/kept'}}\n"
        '      show: {run: \'echo "<$PASSWORD>"; printf %s "$PASSWORD" | base64; '
        'printf "k=%s\\n" "$PASSWORD" >> "$CTL_OUTPUT"; sleep 0.3\'}\n'
        "      fail: {run: 'echo \"$PASSWORD\" >&2; exit 3'}\n"
        f"targets: {{t: {{servers: {server}, task: use}}}}\n",
        inventory__word_yaml="secrets: {word: {env: WORD}}\n",
    )
    words = forms(value)
    seen: list[bytes] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            lists = processes.arguments()
            seen.extend(word for word in words if word in lists)
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        applied = ships.run("apply", "-y", "--debug", "-v")
    finally:
        done.set()
        watcher.join()
    assert applied.code == 2, applied
    typed = (
        ("plan",), ("plan", "-o", "json"), ("jobs", "logs", "@last"), ("jobs", "show", "@last", "-o", "json"),
        ("jobs", "list", "-o", "json"), ("logs", "activity"), ("status",), ("why", "t", server),
        ("get", "secrets", "-o", "json"), ("get", "servers", "-o", "json"), ("inventory", "--list"),
    )  # fmt: skip
    said = [applied.all, *(ships.ctl(*one).all for one in typed)]
    shown = "\n".join(said)
    assert "****" in shown  # the output was there, and hidden
    assert [word for word in words if word in shown.encode()] == []
    assert (there / "kept").read_text() == value
    assert seen == []
    assert holding(ships.folder, words, besides=(there,)) == []
    base = ships.base(server)
    jobs = [str(job["id"]) for job in ships.jobs()]
    left = holding(base / ships.project, words)
    left += [
        p for one in jobs for a in (base / "attempts").glob(f"{one}.*") for p in holding(a, words)
    ]
    left += [p for one in jobs for p in holding(base / "jobs" / one, words)]
    assert left == []


def test_a_secret_is_masked_across_the_pieces_it_arrives_in(fleet: Fleet) -> None:
    fleet.variables["WORD"] = "correct-horse"
    fleet.declare(
        "secrets: {word: {env: WORD}}\n"
        "tasks: {use: {secrets: {PASSWORD: word}, "
        "run: 'printf correct-; sleep 0.4; printf \"horse.\\n\"; echo end'}}\n"
        "targets: {t: {servers: here, task: use}}\n"
    )
    fleet.ctl("apply", "-y").ended(0)
    said = fleet.ctl("jobs", "logs", "@last").ended(0).out
    assert "*************.\nend" in said


def test_output_is_followed_while_the_job_runs(fleet: Fleet) -> None:
    go = fleet.folder / "go"
    fleet.declare(
        f"tasks: {{a: {{run: 'echo begun; while ! test -e {go}; do sleep 0.05; done; echo over'}}}}\n"
        "targets: {t: {servers: here, task: a}}\n"
    )
    first = fleet.spawn("apply", "-y")
    wait_for(lambda: [e for e in fleet.events() if e["event"] == "job-starting"])
    follower = fleet.spawn("jobs", "logs", "-f", "@last")
    assert follower.stdout is not None
    assert [follower.stdout.readline() for _ in range(2)] == ["== main\n", "begun\n"]
    assert first.poll() is None
    go.touch()
    finished(first).ended(0)
    out, _ = follower.communicate(timeout=10)
    assert "over" in out
    assert follower.returncode == 0
