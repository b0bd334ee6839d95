"""Work for a controller that is being killed: targets that follow a repo, commits, and commands posted over the API.

Called by the tests that kill. Every command says in a file, once, that it began, and writes output that its attempt alone
determines, so that afterwards everything can be compared.
"""

import contextlib
import errno
import itertools
import os
import random
import secrets
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import IO, Self

import httpx

from controller.model.ids import AttemptId
from tests.e2e.fleet import Fleet
from tests.e2e.serving import Served, token_of
from tests.fakes.repositories import Repository
from tests.faults.books import Watched

LINES = 40
"""Lines that a command writes."""
ASK_SECONDS = 10.0
CANARY = "FAULT_CANARY"


def output_of(attempt: str) -> bytes:
    """Say what an attempt writes."""
    return b"".join(f"{attempt} line {number}\n".encode() for number in range(LINES))


def command(starts: Path, *, seconds: float = 0.0) -> str:
    """Write a command for sh that says that it began, writes its output and ends well."""
    return (
        f'm=${{CTL_MARK#:}}; m=${{m%:}}; echo "$m" >> {starts}; i=0; while [ $i -lt {LINES} ]; '
        f'do echo "$m line $i"; i=$((i+1)); done; sleep {seconds:.2f}'
    )


@dataclass(slots=True, kw_only=True)
class Load:
    """What is asked of a controller, and what it answered."""

    fleet: Fleet
    seed: int
    targets: int = 3
    concurrency: int = 4
    repo: Repository = field(init=False)
    starts: Path = field(init=False)
    canary: str = field(init=False)
    watched: Watched = field(default_factory=Watched)
    words: Counter[str] = field(default_factory=Counter)
    """Outcomes of what was asked, by status or error."""
    keys: dict[str, str] = field(default_factory=dict)
    """By Idempotency-Key the run that was answered under it."""
    commits: int = 0

    def __post_init__(self) -> None:
        self.repo = Repository(self.fleet.folder / "app")
        self.starts = self.fleet.folder / "starts"
        self.starts.touch()
        self.canary = f"canary-{secrets.token_hex(8)}"
        self.fleet.variables[CANARY] = self.canary
        self.watched.canaries.append(self.canary.encode())

    @property
    def names(self) -> list[str]:
        return [f"t{number}" for number in range(self.targets)]

    def declare(self) -> None:
        """Declare the targets; each follows the same repo and gets a secret that it prints."""
        self.repo.commit({"app.txt": "0"})
        word = command(self.starts, seconds=0.2)
        targets = "".join(f"  {one}: {{servers: here, task: a, repo: app}}\n" for one in self.names)
        self.fleet.declare(
            f"secrets: {{canary: {{env: {CANARY}}}}}\n"
            f"repos: {{app: {{url: 'file://{self.repo.path}', interval: 1m}}}}\n"
            f"tasks:\n  a:\n    secrets: {{TOLD: canary}}\n    run: |\n      {word}\n"
            f"targets:\n{targets}",
            inventory__servers_yaml=(
                f"servers:\n  here: {{local: {{}}, concurrency: {self.concurrency}}}\n"
            ),
        )

    def commit(self) -> None:
        """Let a commit arrive."""
        self.commits += 1
        self.repo.commit({"app.txt": str(self.commits)})

    def post(self, served: Served, rng: random.Random) -> bool:
        """Ask for a command; what is answered well is remembered, whatever else happens is counted; say if it was answered."""
        key = f"key-{rng.getrandbits(48):x}"
        body = {"on": "here", "run": command(self.starts, seconds=rng.choice((0, 0, 0.5, 1.5)))}
        for _ in range(2):  # a person tries once more under the same key
            try:
                answer = httpx.post(
                    f"{served.url}/api/v1/jobs",
                    headers={"authorization": f"Bearer {served.token}", "idempotency-key": key},
                    json=body,
                    timeout=ASK_SECONDS,
                )
            except (httpx.HTTPError, AssertionError) as error:  # it was killed meanwhile
                self.words[type(error).__name__] += 1
                return False
            self.words[str(answer.status_code)] += 1
            if answer.status_code == HTTPStatus.ACCEPTED:
                self._accept(key, answer.json())
        return True

    def _accept(self, key: str, told: dict[str, object]) -> None:
        run = told["run"]
        jobs = told["jobs"]
        assert isinstance(run, str)
        assert isinstance(jobs, list)
        same = self.keys.setdefault(key, run)
        assert same == run, f"{key} was answered with two runs"
        self.watched.accepted |= {run, *(job["id"] for job in jobs)}

    def look(self) -> None:
        """Read what began."""
        self.watched.starts = self.starts.read_text().split()
        self.watched.written = {AttemptId(one): output_of(one) for one in self.watched.starts}

    def in_force(self, served: Served) -> bool:
        """Say whether the newest commit is in force everywhere, and no job is under way."""
        with contextlib.suppress(httpx.HTTPError):
            code, told = served.ask("/api/v1/status")
            if code != HTTPStatus.OK or not isinstance(told, dict):
                return False
            found = {one["target"]: one for one in told["targets"]}
            wanted = {"sync": "in-sync", "wanted": self.repo.head}
            synced = all(wanted.items() <= found.get(one, {}).items() for one in self.names)
            return synced and not self.under_way(served)
        return False

    def under_way(self, served: Served) -> list[str]:
        """List the jobs that have not ended."""
        states = ("pending", "dispatched", "running", "paused", "lost")
        found: list[str] = []
        for state in states:
            code, told = served.ask(f"/api/v1/jobs?state={state}&limit=100")
            assert code == HTTPStatus.OK, told
            assert isinstance(told, dict)
            found += [f"{one['id']} {state} {one['reason']}" for one in told["items"]]
        return found


class Poster:
    """Posts commands from a thread of its own, to whichever controller is up."""

    def __init__(self, load: Load, *, pause: float) -> None:
        self._load = load
        self._pause = pause
        self._rng = random.Random(load.seed)  # noqa: S311 - a test is to be repeated
        self._served: Served | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def to(self, served: Served | None) -> None:
        """Post to this one from now on."""
        self._served = served

    def _run(self) -> None:
        for number in itertools.count():
            served = self._served
            if served is not None and "serving http" in served.text and served.token:
                if number % 3 == 0:
                    self._load.commit()
                answered = self._load.post(served, self._rng)
                if answered and number % 3 == 0:  # before, a signal would end it
                    with contextlib.suppress(ProcessLookupError):
                        served.look()
            if self._ended.wait(self._pause):
                return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(ASK_SECONDS * 3)


GATE = """
import runpy, sys
import controller.cli.app, controller.cli.serve, controller.service.serving
with open(sys.argv[1]) as gate:
    gate.read()
sys.argv = ["ctl", *sys.argv[5:]]
runpy.run_module("controller", run_name="__main__")
"""
"""Imports what `ctl serve` will, which is most of its start and touches nothing, and then waits to be let go."""


@dataclass(slots=True, kw_only=True)
class Waiting:
    """A controller that has imported everything and done nothing."""

    served: Served
    gate: Path

    def go(self) -> Served:
        """Let it start.

        Raises:
            TimeoutError: it never came so far.
        """
        waited(self._open, seconds=ASK_SECONDS * 3, pause=0.01)
        self.gate.unlink()
        return self.served

    def _open(self) -> bool:
        try:
            os.close(os.open(self.gate, os.O_WRONLY | os.O_NONBLOCK))
        except OSError as error:
            if error.errno != errno.ENXIO:  # nobody reads yet
                raise
            return False
        return True


def prepare(fleet: Fleet) -> Waiting:
    """Have a controller ready to start on a state that has served, while another one still lives."""
    gate = fleet.folder / f"gate-{secrets.token_hex(4)}"
    os.mkfifo(gate)
    served = begin_blind(fleet, prefix=(sys.executable, "-c", GATE, str(gate)))
    return Waiting(served=served, gate=gate)


def begin_blind(fleet: Fleet, *, prefix: tuple[str, ...] = ()) -> Served:
    """Start a controller on a state that has served, without waiting until it listens."""
    words = ("serve", "--listen", "127.0.0.1:0", "--allow", "local,file-repos,env,file")
    process = fleet.spawn(*words, prefix=prefix)
    made = Served(fleet=fleet, process=process, token=token_of(fleet))
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        threading.Thread(target=_read, args=(stream, made.said), daemon=True).start()
    return made


def _read(stream: IO[str], said: list[str]) -> None:
    with contextlib.suppress(ValueError):
        said.extend(line.rstrip("\n") for line in stream)


def answers(served: Served) -> bool:
    """Say whether a controller answers."""
    with contextlib.suppress(httpx.HTTPError):
        return served.ask("/healthz")[0] == HTTPStatus.OK
    return False


def waited(holds: object, *, seconds: float, pause: float = 0.1) -> float:
    """Wait until something holds; give the seconds that took.

    Raises:
        TimeoutError: it does not within this time.
    """
    assert callable(holds)
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > seconds:
            raise TimeoutError
        time.sleep(pause)
    return time.monotonic() - began
