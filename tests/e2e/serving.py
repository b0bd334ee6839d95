"""A real `ctl serve` beside a fleet: started as a process, spoken to by the same command line and by bare HTTP."""

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from tests.e2e.fleet import Fleet, Seen, wait_for

URL = re.compile(r"serving (http\S+)")
TOKEN = re.compile(r"admin token, shown this once: (\w+)")
ALONE = re.compile(r"serving .+ as (\w+)")
PATIENCE = 60.0


@dataclass(slots=True, kw_only=True)
class Served:
    """A controller at work; `said` are the lines it wrote so far."""

    fleet: Fleet
    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)
    token: str = ""

    @property
    def url(self) -> str:
        return self._find(URL)

    @property
    def text(self) -> str:
        return "\n".join(self.said)

    def _find(self, pattern: re.Pattern[str]) -> str:
        wait_for(
            lambda: pattern.search(self.text) or self.process.poll() is not None, seconds=PATIENCE
        )
        found = pattern.search(self.text)
        assert found is not None, self.text
        return found[1]

    def ctl(self, *argv: str, stdin: str = "", token: str | None = None) -> Seen:
        """Run one command line through the controller, from a folder that holds no config repository."""
        place = self.fleet.folder / "elsewhere"
        place.mkdir(exist_ok=True)
        variables = {
            **self.fleet.variables,
            "CTL_CONTROLLER": self.url,
            "CTL_TOKEN": token or self.token,
        }
        person = replace(self.fleet, variables=variables)
        return person.ctl(*argv, stdin=stdin, at=place)

    def ask(
        self, path: str, *, token: str | None = "", method: str = "GET", body: object = None
    ) -> tuple[int, object]:
        """Ask the API; give the status and the document."""
        headers = {} if token is None else {"authorization": f"Bearer {token or self.token}"}
        answer = httpx.request(
            method, f"{self.url}{path}", headers=headers, json=body, timeout=PATIENCE
        )
        return answer.status_code, _document(answer.content)

    def look(self) -> None:
        """Have the config repository and all repos looked at now."""
        self.process.send_signal(signal.SIGHUP)

    def sync(self, target: str = "t") -> object:
        """How a target compares; None while nothing is known of it. Asked again and again, so not too often."""
        time.sleep(0.2)
        code, told = self.ask("/api/v1/status")
        if code != 200 or not isinstance(told, dict):
            return None
        return next((one["sync"] for one in told["targets"] if one["target"] == target), None)

    def in_sync(self, target: str = "t") -> bool:
        """Whether a target is known, and in sync."""
        return self.sync(target) == "in-sync"

    def jobs(self) -> list[dict[str, object]]:
        return self.ctl("jobs", "list", "-o", "json").ended(0).rows

    def stop(self, how: signal.Signals = signal.SIGTERM, *, seconds: float = PATIENCE) -> int:
        """Send a signal and wait for the end."""
        self.process.send_signal(how)
        return self.process.wait(timeout=seconds)

    def kill(self) -> None:
        """End it as a power cut would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=PATIENCE)


def _document(data: bytes) -> object:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode("utf-8", "replace")


def begin(
    fleet: Fleet, *words: str, allow: str = "local,file-repos,env,file", token: str = ""
) -> Served:
    """Start a controller on the state of a fleet; it listens when its address is known."""
    process = fleet.spawn("serve", "--listen", "127.0.0.1:0", "--allow", allow, *words)
    made = Served(fleet=fleet, process=process, token=token)
    made.said = begun_reading(process)
    alone = "--role" in words and "api" not in words
    if made._find(ALONE if alone else URL) and not token:
        made.token = made._find(TOKEN)
    return made


def begun_reading(process: subprocess.Popen[str]) -> list[str]:
    """Read what a process writes, line by line, for as long as it lives."""
    said: list[str] = []
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        threading.Thread(target=_read, args=(stream, said), daemon=True).start()
    return said


def _read(stream: object, said: list[str]) -> None:
    with contextlib.suppress(ValueError):
        for line in _lines(stream):
            said.append(line.rstrip("\n"))  # noqa: PERF401  # each at once: somebody waits for it


def _lines(stream: object) -> Iterator[str]:
    yield from stream  # type: ignore[misc]  # a text file


@contextlib.contextmanager
def serving(fleet: Fleet, *words: str, **asked: str) -> Iterator[Served]:
    """Start a controller, and end it with the block."""
    made = begin(fleet, *words, **asked)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(made.process.pid, signal.SIGKILL)
            made.process.wait(timeout=PATIENCE)


def token_of(fleet: Fleet) -> str:
    """The admin's token of a state that served before."""
    return Path(fleet.state / "admin-token").read_text().strip()
