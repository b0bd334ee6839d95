"""Work over ssh on many servers: ours beside bare asyncssh, pyinfra and ansible-core, with the same key exchange.

Ours is the whole path of a job (session, start, wait, output, exit code); the others only run `true`.
"""

import getpass
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from benchmarks import peers
from benchmarks.measure import Row, Spent, milliseconds, run
from controller.transport import loopback

SIZES = (20, 50)
SECONDS = 300
PYINFRA = peers.FOLDER / "pyinfra"
EXCHANGE = "-o KexAlgorithms=curve25519-sha256 -o Ciphers=aes128-gcm@openssh.com"
Figures = Mapping[str, float]


def main(*, rounds: int = 5) -> list[Row]:
    rows: list[Row] = []
    for size in SIZES:
        with tempfile.TemporaryDirectory(prefix="ctl-bench-") as made, farm(Path(made), size):
            rows += beside_asyncssh(Path(made), size, rounds)
            if size == SIZES[0]:
                rows += beside_peers(Path(made), size)
    return rows


@contextmanager
def farm(folder: Path, size: int) -> Iterator[None]:
    """Start some sshds; who they are stands in farm.json."""
    public = loopback.make_key(folder / "key")
    with ExitStack() as stack:
        hosts = []
        for number in range(size):
            name = f"host-{number}"
            one = loopback.start(name, folder / name, user=getpass.getuser(), authorized=public)
            stack.callback(one.stop)
            hosts.append({"name": name, "port": one.port, "host_key": one.host_key})
        told = {"user": getpass.getuser(), "key": str(folder / "key"), "hosts": hosts}
        (folder / "farm.json").write_text(json.dumps(told))
        yield


def beside_asyncssh(folder: Path, size: int, rounds: int) -> list[Row]:
    """Compare with bare asyncssh, in turn, the first round dropped."""
    seen: dict[str, list[Mapping[str, object]]] = {"ours": [], "bare": []}
    for number in range(rounds + 1):
        for kind, figures in seen.items():
            told = client(kind, folder)
            if number:
                figures.append(told)
    ours, bare = (Medians(seen[kind]) for kind in ("ours", "bare"))
    rows = [
        compared(f"{size} servers, {what}", ours.of(key), bare.of(key), height)
        for key, what, height in (
            ("cold", "cold", "CPU ≤ 1.3 x, wall ≤ 1.25 x at 200"),
            ("warm", "warm", "CPU ≤ 2 x"),
            ("ten", "ten steps each, warm", ""),
        )
    ]
    quiet = f"{ours.quiet() * 1000:.1f} ms, bare asyncssh {bare.quiet() * 1000:.1f} ms"
    peak = f"{ours.peak():.0f} MiB, bare asyncssh {bare.peak():.0f} MiB"
    return [
        *rows,
        (f"{size} servers, first command on a quiet one", quiet, "≤ 10 ms"),
        (f"{size} servers, memory", peak, "≤ 90 MiB at 200"),
    ]


class Medians:
    """The medians of what a client said in some rounds."""

    def __init__(self, rounds: list[Mapping[str, object]]) -> None:
        self._rounds = rounds

    def of(self, key: str) -> Figures:
        """Wall and CPU of a part."""
        parts: list[Figures] = [one[key] for one in self._rounds]  # type: ignore[misc]
        return {name: statistics.median(part[name] for part in parts) for name in ("wall", "cpu")}

    def quiet(self) -> float:
        """Seconds of the first command on a quiet connection."""
        tries: list[list[float]] = [one["quiet"] for one in self._rounds]  # type: ignore[misc]
        return statistics.median(taken for one in tries for taken in one)

    def peak(self) -> float:
        """MiB of memory."""
        peaks: list[float] = [one["peak"] for one in self._rounds]  # type: ignore[misc]
        return statistics.median(peaks)


def client(kind: str, folder: Path) -> Mapping[str, object]:
    """Run one client of ours to its end."""
    said = subprocess.run(
        [sys.executable, "-m", "benchmarks.ssh_client", kind, folder / "farm.json"],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        check=True,
        timeout=SECONDS,
    )
    told: Mapping[str, object] = json.loads(said.stdout)
    return told


def compared(what: str, ours: Figures, bare: Figures, height: str) -> Row:
    """Write one comparison."""
    seen = (
        f"CPU {milliseconds(ours['cpu'])} = {ours['cpu'] / bare['cpu']:.2f} x, "
        f"wall {milliseconds(ours['wall'])} = {ours['wall'] / bare['wall']:.2f} x bare asyncssh"
    )
    return what, seen, height


def beside_peers(folder: Path, size: int) -> list[Row]:
    """Compare whole programs, start-up included, one run each."""
    told = json.loads((folder / "farm.json").read_text())
    ours = run([sys.executable, "-m", "benchmarks.ssh_client", "once", folder / "farm.json"])
    known = "".join(f"[127.0.0.1]:{one['port']} {one['host_key']}\n" for one in told["hosts"])
    (folder / "known_hosts").write_text(known)
    rows: list[Row] = []
    for name, argv, height in (
        ("pyinfra exec", pyinfra(folder, told), "pyinfra ≥ 1.5 x"),
        ("ansible command, pipelining", ansible(folder, told), "Ansible ≥ 18 x"),
    ):
        seen = "skipped: not installable here"
        if argv is not None:
            seen = against(lambda argv=argv: run(argv(), environment=surroundings(folder)), ours)  # type: ignore[misc]
        rows.append((f"{size} servers, {name}", seen, height))
    return rows


def against(program: Callable[[], Spent], ours: Spent) -> str:
    """Run another program once and say how it compares."""
    try:
        spent = program()
    except RuntimeError as error:
        return f"skipped: {str(error)[-60:]}"
    return (
        f"CPU {milliseconds(spent.cpu)} = {spent.cpu / ours.cpu:.1f} x, "
        f"wall {milliseconds(spent.wall)} = {spent.wall / ours.wall:.1f} x ours"
    )


def surroundings(folder: Path) -> Mapping[str, str]:
    """What the peers need to be as quick as they can."""
    return {
        "HOME": str(folder),
        "ANSIBLE_FORKS": "50",
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_SSH_ARGS": f"-o UserKnownHostsFile={folder}/known_hosts {EXCHANGE}",
        "PATH": f"{peers.FOLDER}/ansible/bin:{os.defpath}",
    }


def ansible(folder: Path, told: Mapping[str, object]) -> Callable[[], list[str]] | None:
    """Give the command of ansible-core, None where it is not to be had."""
    program = peers.ansible("ansible")
    if program is None:
        return None
    lines = [
        f"{one['name']} ansible_host=127.0.0.1 ansible_port={one['port']} "
        f"ansible_user={told['user']} ansible_ssh_private_key_file={told['key']}\n"
        for one in told["hosts"]  # type: ignore[attr-defined]
    ]
    (folder / "inventory").write_text("".join(lines))
    inventory = str(folder / "inventory")
    return lambda: [str(program), "all", "-i", inventory, "-m", "command", "-a", "true"]


def pyinfra(folder: Path, told: Mapping[str, object]) -> Callable[[], list[str]] | None:
    """Give the command of pyinfra, None where it is not to be had."""
    program = installed("pyinfra")
    if program is None:
        return None
    common = {
        "ssh_hostname": "127.0.0.1",
        "ssh_user": told["user"],
        "ssh_key": told["key"],
        "ssh_known_hosts_file": str(folder / "known_hosts"),
        "ssh_strict_host_key_checking": "yes",
    }
    hosts = [
        (one["name"], {**common, "ssh_port": one["port"]})
        for one in told["hosts"]  # type: ignore[attr-defined]
    ]
    (folder / "inventory.py").write_text(f"hosts = {hosts!r}\n")
    return lambda: [str(program), "-y", str(folder / "inventory.py"), "exec", "--", "true"]


@cache
def installed(name: str) -> Path | None:
    """Find pyinfra, installing it first where that is possible."""
    program = PYINFRA / "bin" / name
    if program.is_file():
        return program
    pip: list[str | Path] = [
        PYINFRA / "bin" / "python",
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
    ]
    try:
        subprocess.run([sys.executable, "-m", "venv", PYINFRA], check=True, timeout=SECONDS)
        subprocess.run([*pip, name], check=True, timeout=SECONDS, capture_output=True)
    except (subprocess.SubprocessError, OSError):
        return None
    return program if program.is_file() else None
