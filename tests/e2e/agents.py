"""Real agents as processes of this machine, with certificates of an authority of their own, for worlds that reach servers by them."""

import contextlib
import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.fleet import Fleet, wait_for
from tests.fakes import processes
from tests.fakes.agent_process import make_groups

ROOT = Path(__file__).parents[2]
MARK = b"CTL_MARK="


@dataclass(slots=True, kw_only=True)
class Authority:
    """An authority made by `ctl pki`, and the folders of those it has named."""

    folder: Path

    def found(self) -> "Authority":
        """Make it, and a controller's certificate."""
        self._pki("init")
        self.issue("main", "controller")
        return self

    def issue(self, name: str, role: str, *words: str) -> Path:
        """Name somebody; give the folder with everything he needs."""
        out = self.folder / "named" / name
        self._pki("issue", name, "--role", role, "--out", str(out), *words)
        return out

    def revoke(self, name: str) -> None:
        """Take a name back."""
        self._pki("revoke", name, "--reason", "key-compromise")

    def _pki(self, *words: str) -> None:
        command = [sys.executable, "-m", "controller", "pki", *words, "--dir", str(self.folder)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "CTL_HINTS": "0"}
        subprocess.run(command, check=True, capture_output=True, env=environment)


@dataclass(slots=True, kw_only=True)
class AgentHost:
    """One agent: where it listens, what it keeps, and its process while it runs."""

    name: str
    folder: Path
    pki: Path
    words: tuple[str, ...] = ()
    shared: Path | None = None
    """The folder of targets that it shares with who comes by ssh."""
    port: int = 0
    program: tuple[str, ...] = ("-m", "controller.agent")
    """How Python finds the agent."""
    connect: int = 0
    """The port of a controller that it dials; 0: it listens itself."""
    hub: str = "127.0.0.1"
    """The address of that controller."""
    process: subprocess.Popen[bytes] | None = None
    logs: list[Path] = field(default_factory=list)

    @property
    def base(self) -> Path:
        return self.shared or self.folder / "base"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def log(self) -> str:
        return "".join(one.read_text() for one in self.logs)

    def start(self) -> "AgentHost":
        """Start the process; where it listens, wait until it does."""
        self.port = self.port or (0 if self.connect else free_port())
        listens, dials = f"--listen=127.0.0.1:{self.port}", f"--connect={self.hub}:{self.connect}"
        self.logs.append(self.folder / f"log-{len(self.logs)}")
        with self.logs[-1].open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, *self.program, "run"),
                    *(dials if self.connect else listens, "--name", self.name),
                    *("--pki", str(self.pki), "--state", str(self.state), "--base", str(self.base)),
                    *self.words,
                ],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            if not self.connect:
                wait_for(self._listens)
        except TimeoutError:
            raise AssertionError(self.log) from None
        return self

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def end(self, by: signal.Signals = signal.SIGTERM) -> None:
        """End the daemon; its attempts go on."""
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(by)
            process.wait(timeout=20)

    def clean(self) -> None:
        """End it, and kill what its attempts left running."""
        self.end(signal.SIGKILL)
        stop = time.monotonic() + 5
        mine = os.fsencode(self.folder)
        while left := [pid for pid in all_pids() if mine in about(pid)]:
            for pid in left:
                processes.send(pid, signal.SIGKILL)
            if time.monotonic() > stop:
                raise AssertionError(left)
            time.sleep(0.01)


def take_away(groups: Path) -> None:
    """Remove a folder of cgroups whose processes are gone; the kernel may need a moment to let go of one that was just killed."""
    stop = time.monotonic() + 10
    for one in (*sorted(groups.rglob("*"), reverse=True), groups):
        while one.is_dir():
            try:
                one.rmdir()
            except OSError as error:
                if error.errno != errno.EBUSY or time.monotonic() > stop:
                    raise
                time.sleep(0.02)


def all_pids() -> list[int]:
    names = (one.name for one in Path("/proc").iterdir())
    return [int(name) for name in names if name.isdecimal() and int(name) != os.getpid()]


def about(pid: int) -> bytes:
    """Give the command line and environment of a process; nothing of one that is gone."""
    with contextlib.suppress(OSError):
        place = Path(f"/proc/{pid}")
        if (place / "stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z":
            return b""
        return (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
    return b""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextlib.contextmanager
def agent_on(
    fleet: Fleet,
    authority: Authority,
    name: str,
    *words: str,
    base: Path | None = None,
    connect: int = 0,
    hub: str = "127.0.0.1",
    program: tuple[str, ...] = ("-m", "controller.agent"),
) -> Iterator[AgentHost]:
    """Run an agent for a world, and let the person who types there be its controller, or the one that it dials."""
    leader = "hub" if connect else "main"
    if not (authority.folder / "named" / leader).exists():
        authority.issue(leader, "controller", "--san", "127.0.0.1")
    own = fleet.home / ".config/ctl/config.yaml"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(f"pki: {{dir: {authority.folder / 'named' / leader}}}\n")
    pki = authority.folder / "named" / name
    if not pki.exists():
        authority.issue(name, "agent")
    # where other users can pass, unlike the folder of a test
    folder = Path(tempfile.mkdtemp(prefix="ctl-agent-", dir="/var/tmp"))
    folder.chmod(0o711)
    groups = make_groups(folder.name)
    if groups is not None:
        words = (*words, "--cgroup", str(groups))
    host = AgentHost(
        program=program,
        name=name,
        folder=folder,
        pki=pki,
        words=words,
        shared=base,
        connect=connect,
        hub=hub,
    )
    try:
        host.start()
        fleet.agents[name] = (host.port, host.base)
        yield host
    finally:
        host.clean()
        shutil.rmtree(folder)
        if groups is not None:
            take_away(groups)


def declared(host: AgentHost) -> str:
    """Write down the server of an agent."""
    return f"servers:\n  {host.name}: {{address: 127.0.0.1, agent: {{port: {host.port}}}}}\n"
