"""A real agent on this machine: the process that a server runs, with folders and an authority of its own."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

from controller.pki.role import Role
from tests.pki.place import Place, founded

NAME = "agent-1"
HUB = "hub"
PATIENCE = 20.0


@dataclass(slots=True)
class AgentProcess:
    """One agent: where it keeps what, whom it knows, and the process while it runs."""

    folder: Path
    place: Place
    words: tuple[str, ...] = ()
    groups: Path | None = None
    process: "subprocess.Popen[bytes] | None" = None
    said: list[str] = field(default_factory=list)
    reading: threading.Thread | None = None
    changed: threading.Condition = field(default_factory=threading.Condition)
    port: int = 0

    @property
    def base(self) -> Path:
        """Where markers and locks of targets lie."""
        return self.folder / "ctl"

    def listen(self) -> None:
        """Start it, and wait until it listens: at the same port as before."""
        self._start("--listen", f"127.0.0.1:{self.port}")
        self.wait_for(r"listens on 127\.0\.0\.1:(\d+)")
        found = re.findall(r"listens on 127\.0\.0\.1:(\d+)", "\n".join(self.said))
        self.port = int(found[-1])

    def connect(self, port: int) -> None:
        """Start it, and have it dial a controller."""
        self._start("--connect", f"127.0.0.1:{port}")

    def kill(self) -> None:
        """End it without a word; attempts go on."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        if self.reading is not None:
            self.reading.join()
            self.reading = None

    def wait_for(self, pattern: str) -> None:
        """Wait until its log has a line."""

        def there() -> bool:
            assert self.process is not None
            return bool(re.search(pattern, "\n".join(self.said))) or self.process.poll() is not None

        with self.changed:
            self.changed.wait_for(there, PATIENCE)
        assert re.search(pattern, "\n".join(self.said)), self.said

    def remove(self) -> None:
        """Leave no trace."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.groups is not None:
            for folder, _, _ in os.walk(self.groups, topdown=False):
                with contextlib.suppress(OSError):  # somebody still lives there
                    Path(folder).rmdir()

    def _start(self, *how: str) -> None:
        assert self.process is None
        self.said.clear()
        self.process = subprocess.Popen(
            [
                sys.executable,
                *("-m", "controller.agent", "run"),
                *how,
                *("--name", NAME),
                *("--pki", str(self.folder / "pki")),
                *("--state", str(self.folder / "state")),
                *("--base", str(self.base)),
                *self.words,
            ],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={"PATH": os.defpath, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        self.reading = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self.reading.start()

    def _read(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stderr is not None
        with process.stderr as pipe:
            for line in pipe:
                with self.changed:
                    self.said.append(line.decode(errors="replace").rstrip())
                    self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()


def make_agent(*words: str) -> AgentProcess:
    """Make the folders of an agent and the authority that knows it; `words` are further settings."""
    folder = Path(tempfile.mkdtemp(prefix="ctl-agent-"))
    folder.chmod(0o711)  # other users work below
    place = founded(folder / "ca")
    place.issue(NAME)
    place.issue(HUB, Role.CONTROLLER, alternatives=("127.0.0.1",))
    (folder / "pki").mkdir(mode=0o700)
    for name in (f"{NAME}.crt", f"{NAME}.key", "ca.crt"):
        shutil.copy2(place.path / name, folder / "pki" / name)
    groups = make_groups(folder.name)
    if groups is not None:
        words = (*words, "--cgroup", str(groups))
    return AgentProcess(folder=folder, place=place, words=words, groups=groups)


def make_groups(name: str) -> Path | None:
    """Make a folder for cgroups: agents that share one sweep away what another is just making. None where that cannot be."""
    for mount in Path("/proc/mounts").read_text().splitlines():
        place, kind = mount.split()[1:3]
        if kind == "cgroup2":
            with contextlib.suppress(OSError):
                (Path(place) / name).mkdir()
                return Path(place) / name
    return None
