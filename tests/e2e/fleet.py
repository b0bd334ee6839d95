"""A small world to play in: a config repository, this machine as a server, real ssh servers, and `ctl` as a person types it.

Commands run in this process (`ctl`), or as processes of their own that can be killed (`spawn`). Everything of a fleet
bears a random project name, so that tests share servers without meeting, and is taken away again.
"""

import contextlib
import getpass
import io
import json
import os
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from controller.cli.app import run
from controller.cli.context import OpenRequest, Surroundings
from controller.cli.doorway import open_against, options_of
from controller.cli.port import Controller
from controller.cli.remote.opening import open_remote
from controller.clock import SystemClock
from controller.service.local import open as open_service
from tests.fakes import processes
from tests.fakes.repositories import Repository
from tests.fakes.sshd import Sshd

PATIENCE = 30.0
"""Seconds that a command of a test may take at most."""
ROOT = os.geteuid() == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a person saw of one command."""

    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return self.out + self.err

    @property
    def summary(self) -> str:
        """The one line that sums a plan up."""
        lines = [one for one in self.out.splitlines() if one.startswith(("Plan:", "No changes."))]
        assert lines, self.all
        return lines[-1]

    @property
    def json(self) -> dict[str, object]:
        made = json.loads(self.out)
        assert isinstance(made, dict), made
        return made

    @property
    def rows(self) -> list[dict[str, object]]:
        made = json.loads(self.out)
        assert isinstance(made, list), made
        return made

    def ended(self, code: int) -> "Seen":
        """Demand an exit code, and that nobody was shown the inside of the program."""
        assert self.code == code, f"exit {self.code} instead of {code}\n{self.all}"
        assert "Traceback" not in self.all, self.all
        assert "unforeseen" not in self.all, self.all
        return self


@dataclass(slots=True, kw_only=True)
class Fleet:
    """The world of one test."""

    folder: Path
    config: Repository
    servers: Mapping[str, Sshd] = field(default_factory=dict)
    agents: dict[str, tuple[int, Path]] = field(default_factory=dict)
    """Port and state folder of each server that is reached by an agent."""
    project: str = field(default_factory=lambda: f"e2e-{secrets.token_hex(5)}")
    variables: dict[str, str] = field(default_factory=dict)
    spawned: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.config.path / ".ctl"

    @property
    def home(self) -> Path:
        """The home folder of whoever runs `ctl`, and of the local server."""
        return self.folder / "home"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of `ctl`: little, so that nothing of the person who runs the tests shows."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return {**kept, "HOME": str(self.home), "USER": getpass.getuser(), **self.variables}

    def base(self, server: str = "here") -> Path:
        """Where the state folder of a server is, seen from here."""
        if server in self.servers:
            return self.servers[server].base
        if server in self.agents:
            return self.agents[server][1]
        return Path("/var/lib/ctl") if ROOT else self.home / ".local/state/ctl"

    def marker(self, target: str, server: str = "here") -> Path:
        return self.base(server) / self.project / "targets" / f"{target}.json"

    def declare(
        self, text: str = "", /, *, settings: str = "", message: str = "declare", **files: str
    ) -> str:
        """Write `pipelines/main.yaml` (and other files, "/" written as "__") and commit everything."""
        named = {name.replace("__", "/").replace("_yaml", ".yaml"): t for name, t in files.items()}
        wanted = {"ctl.yaml": f"settings: {{name: {self.project}}}\n{settings}", **named}
        if text:
            wanted["pipelines/main.yaml"] = text
        if not (self.config.path / "inventory").exists():
            wanted.setdefault("inventory/servers.yaml", self.inventory())
        return self.config.commit(wanted, message=message, author="Operations")

    def inventory(self, *names: str) -> str:
        """Write down the servers: this machine, and the ssh servers of the fleet."""
        lines = ["servers:", "  here: {local: {}}"]
        for name in names or self.servers:
            one = self.servers[name].loopback
            key = self.servers[name].key
            lines += [
                f"  {name}:",
                "    address: 127.0.0.1",
                "    groups: [fleet]",
                f'    ssh: {{user: {one.user}, port: {one.port}, key: login-{name}, host_key: "{one.host_key}"}}',
                f"secrets_of_{name}: {key}",
            ]
        lines += [
            f"  {name}: {{address: 127.0.0.1, groups: [fleet], agent: {{port: {port}}}}}"
            for name, (port, _) in self.agents.items()
        ]
        text = "\n".join(one for one in lines if not one.startswith("secrets_of_"))
        keys = [
            f"  login-{name}: {{file: {self.servers[name].key}}}" for name in names or self.servers
        ]
        return text + ("\nsecrets:\n" + "\n".join(keys) if keys else "") + "\n"

    def ctl(
        self, *argv: str, stdin: str = "", state: Path | None = None, at: Path | None = None
    ) -> Seen:
        """Run one command line in this process."""
        out, err = io.StringIO(), io.StringIO()
        place = at or self.config.path
        around = Surroundings(
            stdin=io.StringIO(stdin),
            stdout=out,
            stderr=err,
            environment=self.environment,
            cwd=place,
            clock=SystemClock(),
            open=self._open,
        )
        words = [*argv, *([] if state is None else ["--state", str(state)])]
        with contextlib.redirect_stdout(out):
            code = run(["-C", str(place), *words], around)
        return Seen(code=code, out=out.getvalue(), err=err.getvalue())

    def _open(self, request: OpenRequest) -> AbstractAsyncContextManager[Controller]:
        if request.way is not None and not request.against:
            return open_remote(request.way, request.listener)
        if request.way is not None:
            return open_against(request, request.way)
        return open_service(replace(options_of(request), variables=self.environment))

    def spawn(
        self, *argv: str, state: Path | None = None, prefix: tuple[str, ...] = ()
    ) -> subprocess.Popen[str]:
        """Start one command line as a process in a session of its own."""
        words = [*argv, *([] if state is None else ["--state", str(state)])]
        process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "controller", "-C", str(self.config.path), *words],
            env={**self.environment, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        self.spawned.append(process)
        return process

    def run(self, *argv: str, state: Path | None = None) -> Seen:
        """Run one command line as a process and wait for it."""
        return finished(self.spawn(*argv, state=state))

    def events(self, state: Path | None = None) -> list[dict[str, object]]:
        """The activity log as it is now; a line that is being written is left out."""
        found: list[dict[str, object]] = []
        for file in sorted(((state or self.state) / "logs").glob("activity-*.log")):
            lines = file.read_bytes().splitlines(keepends=True)
            found += [json.loads(line) for line in lines if line.endswith(b"\n")]
        return found

    def jobs(self, state: Path | None = None) -> list[dict[str, object]]:
        made = json.loads(self.ctl("jobs", "list", "-o", "json", state=state).ended(0).out)
        assert isinstance(made, list)
        return made

    def clean(self) -> None:
        """Kill what was spawned and everything its jobs left running, and take away what they left on servers."""
        for process in self.spawned:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        ids = self._job_ids()
        for pid in [p for one in ids for p in processes.marked(f"CTL_MARK=:{one}.".encode())]:
            processes.send(pid, signal.SIGKILL)
        for base in {self.base(name) for name in ("here", *self.servers, *self.agents)}:
            shutil.rmtree(base / self.project, ignore_errors=True)
            for one in ids:
                shutil.rmtree(base / "jobs" / one, ignore_errors=True)
                for attempt in (base / "attempts").glob(f"{one}.*"):
                    shutil.rmtree(attempt, ignore_errors=True)

    def _job_ids(self) -> set[str]:
        found: set[str] = set()
        for database in self.folder.rglob("state.db"):
            with (
                contextlib.suppress(sqlite3.Error),
                contextlib.closing(sqlite3.connect(database)) as shelf,
            ):
                found |= {str(row[0]) for row in shelf.execute("SELECT id FROM jobs")}
        return found


def finished(process: subprocess.Popen[str], *, seconds: float = PATIENCE) -> Seen:
    """Wait for a process; one that hangs fails the test."""
    out, err = process.communicate(timeout=seconds)
    return Seen(code=process.returncode, out=out, err=err)


def wait_for(holds: Callable[[], object], *, seconds: float = 10.0) -> None:
    """Wait until something holds.

    Raises:
        TimeoutError: it does not within this time.
    """
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.01)


@contextlib.contextmanager
def launched(folder: Path, servers: Mapping[str, Sshd] | None = None) -> Iterator[Fleet]:
    """Make a fleet in a folder, and take it down."""
    (folder / "home").mkdir()
    fleet = Fleet(folder=folder, config=Repository(folder / "config"), servers=dict(servers or {}))
    try:
        yield fleet
    finally:
        fleet.clean()
