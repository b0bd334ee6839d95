"""Hostile authors, servers that lie, disks that are full: a clear error or the right outcome, in bounded time."""

import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.transport import loopback
from tests.e2e.fleet import ROOT, Fleet, finished, wait_for
from tests.fakes import processes
from tests.fakes.repositories import Repository

pytestmark = pytest.mark.sweep

ONE = "tasks: {{a: {{run: '{run}'}}}}\ntargets: {{t: {{servers: {server}, task: a}}}}\n"
CONTROL = {"\x1b", "\x07", "\x9b", "\u202e", "\u200b", "\r"}


def clean(text: str) -> str:
    """Demand that a text does nothing to a terminal."""
    assert not CONTROL & set(text), [hex(ord(c)) for c in sorted(CONTROL & set(text))]
    return text


# --- whoever writes to a repository ----------------------------------------------------------------------------------


def test_terminal_commands_in_a_commit_stay_text_and_out_of_the_shell(fleet: Fleet) -> None:
    log = fleet.folder / "log"
    shop = Repository(fleet.folder / "shop")
    message = "\x1b]0;owned\x07\x1b[2J$(touch pwned)`id`\u202e \n\n@x 0 fresh=1\n{{ 7 * 6 }}"
    shop.commit({"a": "1"}, message=message, author="\x1b[31mEvil $(touch pwned)")
    fleet.declare(
        f"repos: {{shop: {{url: {shop.path}}}}}\n"
        f"tasks: {{a: {{run: 'printf %s \"$CTL_COMMIT_MESSAGE$CTL_COMMIT_AUTHOR\" > {log}'}}}}\n"
        "targets: {t: {repo: shop, servers: here, task: a}}\n",
        message="\x1b[2Jdeclare\u202e",
    )
    said = fleet.ctl("plan").ended(0)
    said_too = fleet.ctl("apply", "-y").ended(0)
    for words in (
        ("status",),
        ("check", "repo", "shop"),
        ("jobs", "show", "@last"),
        ("logs", "activity"),
    ):
        clean(fleet.ctl(*words).ended(0).all)
    clean(said.all)
    clean(said_too.all)
    assert "{{ 7 * 6 }}" in log.read_text()
    assert not list(fleet.folder.rglob("pwned"))


def test_terminal_commands_in_output_stay_text_unless_asked_for_raw(
    each: tuple[Fleet, str],
) -> None:
    fleet, server = each
    run = r'printf "\033]0;owned\007\033[2J\033[1;1Hgood \342\200\256 \377\376\r@x 0 phase=ended\n{}"'.replace(
        "{}", ""
    )
    fleet.declare(ONE.format(run=run, server=server))
    fleet.ctl("apply", "-y").ended(0)
    said = clean(fleet.ctl("jobs", "logs", "@last").ended(0).all)
    assert "good" in said
    assert "phase=ended" in said


@pytest.mark.parametrize(
    "text",
    [
        "x" * (10 << 20),
        "tasks: {a: {run: '" + "y" * (10 << 20) + "'}}",
        "tasks:\n" + "".join(f"  t{i}: {{run: 'true'}}\n" for i in range(300_000)),
        "[" * 200_000,
        "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(20)),
    ],
    ids=["text", "command", "tasks", "brackets", "aliases"],
)  # fmt: skip
def test_a_monstrous_file_ends_in_a_located_error_in_bounded_time(fleet: Fleet, text: str) -> None:
    fleet.declare(pipelines__big_yaml=text)
    began = time.monotonic()
    said = fleet.ctl("validate")
    assert said.code == 1
    said.ended(1)
    assert "pipelines/big.yaml" in said.all
    assert time.monotonic() - began < 10
    fleet.ctl("plan").ended(1)


@pytest.mark.parametrize(
    "run",
    [
        "{{ 'x' * 10 ** 10 }}",
        "{% for a in range(10 ** 9) %}{% for b in range(10 ** 9) %}x{% endfor %}{% endfor %}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.popen(1) }}",
        "{{ 9 ** (9 ** 9) }}",
        "{% set x = [1] %}{% for i in range(99) %}{% set x = x + x %}{% endfor %}{{ namespace(a=1) }}{{ missing }}",
        "{{ ('%9999999999d' | format(1)) }}",
    ],
)
def test_a_template_bomb_is_one_located_error(fleet: Fleet, run: str) -> None:
    fleet.declare(
        "tasks:\n  a:\n    run: " + json.dumps(run) + "\ntargets: {t: {servers: here, task: a}}\n"
    )
    began = time.monotonic()
    said = fleet.ctl("plan").ended(1)
    assert "pipelines/main.yaml:3" in said.err
    assert time.monotonic() - began < 15
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 800 << 10


def test_a_symlink_out_of_the_repository_is_not_followed(fleet: Fleet) -> None:
    secret = fleet.folder / "outside.sh"
    secret.write_text("echo outside\n")
    scripts = fleet.config.path / "scripts"
    scripts.mkdir(parents=True)
    (scripts / "x.sh").symlink_to(secret)
    (scripts / "dir").symlink_to(fleet.folder)
    for path in ("scripts/x.sh", "scripts/dir/outside.sh", "../outside.sh", str(secret)):
        fleet.declare(
            f"tasks:\n  a:\n    script: {path}\ntargets: {{t: {{servers: here, task: a}}}}\n"
        )
        said = fleet.ctl("plan").ended(1)
        assert "pipelines/main.yaml:3" in said.err
    (fleet.config.path / "pipelines/main.yaml").unlink()
    (fleet.config.path / "pipelines/main.yaml").symlink_to(secret)
    fleet.ctl("validate").ended(1)


def test_odd_names_in_an_application_repository_change_nothing(fleet: Fleet) -> None:
    shop = Repository(fleet.folder / "shop")
    shop.commit({"app/a": "1"})
    log = fleet.folder / "log"
    fleet.declare(
        f"repos: {{shop: {{url: {shop.path}}}}}\ntasks: {{a: {{run: 'echo x >> {log}'}}}}\n"
        "targets: {t: {repo: shop, paths: ['app/**'], servers: here, task: a}}\n"
    )
    fleet.ctl("apply", "-y").ended(0)
    shop.planted({b"a\nb\x1b[2J": b"1", b"-rf": b"2", b"$(touch pwned)": b"3", b"\xff\xfe": b"4"})
    said = fleet.ctl("plan")
    assert said.code in {0, 1}
    clean(said.all)
    assert not list(fleet.folder.rglob("pwned"))


# --- servers that lie ------------------------------------------------------------------------------------------------

MARKERS = {
    "nothing": b"",
    "garbage": b"\0\xff garbage \x1b[2J",
    "not ours": b'{"format": 1}',
    "huge": b"[" * (8 << 20),
    "deep": b'{"a":' * 60_000,
    "other format": b'{"format": 99, "target": "t", "server": "web-1"}',
    "wrong types": b'{"format": 1, "target": 7, "server": [], "applied": {}}',
}


@pytest.mark.parametrize(
    "data",
    [pytest.param(data, id=name) for name, data in MARKERS.items()],
)
def test_a_marker_that_is_not_one_never_fails_a_plan_and_is_replaced(
    ships: Fleet, data: bytes
) -> None:
    log = ships.folder / "log"
    ships.declare(ONE.format(run=f"echo x >> {log}", server="web-1"))
    ships.ctl("apply", "-y").ended(0)
    ships.marker("t", "web-1").write_bytes(data)
    plan = ships.ctl("plan", "--detailed-exitcode")
    assert plan.code in {2, 4}, plan.all
    clean(plan.ended(plan.code).all)
    if plan.code == 2:
        ships.ctl("apply", "-y").ended(0)
        assert log.read_text() == "x\nx\n"
        ships.ctl("plan", "--detailed-exitcode").ended(0)


def test_a_marker_of_another_target_says_nothing_of_this_one(ships: Fleet) -> None:
    log = ships.folder / "log"
    ships.declare(
        f"tasks: {{a: {{run: echo x >> {log}}}}}\n"
        "targets: {t: {servers: web-1, task: a}, u: {servers: web-1, task: a}}\n"
    )
    ships.ctl("apply", "-y").ended(0)
    ships.marker("t", "web-1").write_bytes(ships.marker("u", "web-1").read_bytes())
    plan = ships.ctl("plan", "--detailed-exitcode").ended(2)
    assert "t (a) on web-1" in plan.out
    assert "u (a)" not in plan.out
    ships.ctl("apply", "-y").ended(0)
    ships.ctl("plan", "--detailed-exitcode").ended(0)


@pytest.mark.parametrize("holder", [b"", b"\xff garbage", b"{}", b"[" * 100_000, b'{"run":1}'])
def test_a_lock_that_is_not_one_never_fails_the_plan_of_other_servers(
    ships: Fleet, holder: bytes
) -> None:
    ships.declare(ONE.format(run="true", server="fleet"))
    ships.ctl("apply", "-y").ended(0)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().encode()
    born = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19].encode()
    lock = ships.base("web-1") / ships.project / "locks" / "t"
    told = b"%s%d %s\nsomebody\n%s\n.\n" % (boot, os.getpid(), born, holder)
    (lock / "h.000000000099999").write_bytes(told)
    plan = ships.ctl("plan", "--detailed-exitcode")
    clean(plan.ended(plan.code).all)
    assert plan.summary  # it was made, whatever it says of web-1
    assert "web-2" not in plan.out
    ships.declare(ONE.format(run="echo changed", server="fleet"))
    said = ships.ctl("apply", "-y")
    assert said.code in {3, 4}
    said.ended(said.code)
    assert "changed" in json.dumps(ships.ctl("plan", "-o", "json", "-l", "web-1").ended(0).json)
    assert "web-2" not in ships.ctl("plan").ended(0).out


@contextlib.contextmanager
def liar(fleet: Fleet, kind: str) -> Iterator[None]:
    """Declare the server `liar` and one that is honest, and run the first."""
    folder, port = fleet.folder / "liar", loopback.free_port()
    folder.mkdir()
    key = loopback.make_key(folder / "host_key")
    login = fleet.folder / "login"
    loopback.make_key(login)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.liar", str(folder), str(port), kind],
        cwd=Path(__file__).parents[2],
    )
    fleet.declare(
        ONE.format(run="true", server="all"),
        inventory__servers_yaml="servers:\n  here: {local: {}}\n"
        f'  liar: {{address: 127.0.0.1, ssh: {{user: x, port: {port}, key: login, host_key: "{key}"}}}}\n'
        f"secrets: {{login: {{file: {login}}}}}\n",
    )
    try:
        server = loopback.Loopback(
            name="liar", port=port, user="x", host_key=key, home=folder, kind="", process=None,  # type: ignore[arg-type]
        )  # fmt: skip
        wait_for(lambda: listens(server.port))
        yield
    finally:
        process.kill()
        process.wait()


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


KINDS = [
    "noise",
    "gone",
    "huge",
    "words",
    "escape",
    pytest.param("quiet", marks=[pytest.mark.sweep]),
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_lies_is_one_that_is_not_reached(fleet: Fleet, kind: str) -> None:
    with liar(fleet, kind):
        began = time.monotonic()
        plan = fleet.ctl("plan").ended(0)
        assert "1 unknown" in plan.summary
        clean(plan.all)
        said = fleet.ctl("apply", "-y").ended(3)
        clean(said.all)
        assert fleet.marker("t", "here").exists()
        assert time.monotonic() - began < 70
        clean(fleet.ctl("logs", "connectivity").ended(0).all)


# --- the controller's own machine ------------------------------------------------------------------------------------


@contextlib.contextmanager
def mounted(folder: Path, *, size: str = "1m") -> Iterator[Path]:
    """Mount a small disk."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.skipif(not ROOT, reason="only root can mount")
@pytest.mark.parametrize("free", [0, 4096, 300_000])
def test_a_full_disk_is_an_error_and_loses_nothing_that_was_accepted(
    fleet: Fleet, free: int
) -> None:
    log = fleet.folder / "log"
    run = f'echo x >> {log}; head -c 3000000 /dev/zero | tr "\\\\0" a'
    fleet.declare(ONE.format(run=run, server="here"))
    with mounted(fleet.folder / "disk", size="2m") as disk:
        fleet.ctl("plan", state=disk).ended(0)
        left = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        with contextlib.suppress(OSError):
            (disk / "ballast").write_bytes(b"\0" * max(0, left - free))
        said = fleet.ctl("apply", "-y", state=disk)
        assert said.code in {1, 2, 6}, said.all
        said.ended(said.code)
        (disk / "ballast").unlink(missing_ok=True)
        subprocess.run(["mount", "-o", "remount,size=40m", str(disk)], check=True)
        fleet.ctl("apply", "-y", state=disk).ended(0)
        assert log.read_text() == "x\n"
        fleet.ctl("plan", "--detailed-exitcode", state=disk).ended(0)
        fleet.ctl("logs", "verify", state=disk).ended(0)


@pytest.mark.skipif(not ROOT, reason="only root can mount")
def test_a_state_that_cannot_be_written_is_one_clear_error(fleet: Fleet) -> None:
    fleet.declare(ONE.format(run="true", server="here"))
    with mounted(fleet.folder / "disk", size="8m") as disk:
        fleet.ctl("apply", "-y", state=disk).ended(0)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for words in (("apply", "-y"), ("plan",), ("status",)):
            said = fleet.ctl(*words, state=disk)
            assert said.code in {0, 1}
            said.ended(said.code)
            assert said.code == 0 or str(disk) in said.err


@pytest.mark.parametrize("damage", [b"", b"garbage" * 1000, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_damaged_state_is_one_clear_error(fleet: Fleet, damage: bytes) -> None:
    fleet.declare(ONE.format(run="true", server="here"))
    fleet.ctl("apply", "-y").ended(0)
    for leaf in ("state.db-wal", "state.db-shm"):
        (fleet.state / leaf).unlink(missing_ok=True)
    (fleet.state / "state.db").write_bytes(damage)
    for words in (("plan",), ("apply", "-y"), ("jobs", "list")):
        said = fleet.ctl(*words)
        assert said.code in {0, 1}
        said.ended(said.code)


def test_a_damaged_cache_costs_time_only(fleet: Fleet) -> None:
    fleet.declare(ONE.format(run="true", server="here"))
    fleet.ctl("apply", "-y").ended(0)
    (fleet.state / "cache.db").write_bytes(b"garbage" * 500)
    fleet.ctl("validate").ended(0)
    fleet.ctl("plan", "--detailed-exitcode").ended(0)


def test_large_output_keeps_its_first_and_last_words_and_is_shown_within_bounds(
    each: tuple[Fleet, str],
) -> None:
    fleet, server = each
    fleet.declare(
        ONE.format(
            run='echo first; head -c 40000000 /dev/zero | tr "\\0" a; echo; echo last',
            server=server,
        )
    )
    fleet.ctl("apply", "-y").ended(0)
    said = fleet.ctl("jobs", "logs", "@last").ended(0).out
    assert "first" in said[:2000]
    assert "last" in said[-2000:]
    assert len(said) < 12 << 20


@pytest.mark.sweep  # the grace of ten seconds passes before what ignores TERM is killed
def test_a_job_that_floods_and_forks_is_stopped_by_its_time(each: tuple[Fleet, str]) -> None:
    fleet, server = each
    fleet.declare(
        'tasks: {a: {timeout: 1s, run: \'trap "" TERM; (trap "" TERM; while :; do sleep 0.2; done) & yes\'}}\n'
        f"targets: {{t: {{servers: {server}, task: a}}}}\n"
    )
    applying = fleet.spawn("apply", "-y")
    finished(applying, seconds=25).ended(2)
    (job,) = fleet.jobs()
    assert job["state"] == "timed_out"
    assert processes.marked(f"CTL_MARK=:{job['id']}.".encode()) == []
