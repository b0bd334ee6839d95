"""Running a text as a server would: by each shell that may be `sh` somewhere, with nothing but what that server has."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.jobs.delivery import Parcel
from tests.transport.way import busybox_tools

SHELLS = ("dash", "bash", "busybox")
JOB = "job000000001"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How a text ended."""

    code: int
    output: str

    @property
    def lines(self) -> list[str]:
        return self.output.splitlines()


@dataclass(slots=True)
class Shell:
    """One shell and its tools."""

    command: tuple[str, ...]
    path: str
    folder: Path

    def prepare(
        self, parcel: Parcel, *, job: str = JOB, env: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        """Start a text with its input in a file, as the runner does."""
        text, stdin = self.folder / "text", self.folder / "stdin"
        text.write_bytes(parcel.text)
        stdin.write_bytes(parcel.stdin)
        variables = {"PATH": self.path, "HOME": str(self.folder), "CTL_JOB": job, **(env or {})}
        with stdin.open("rb") as opened:
            return subprocess.Popen(
                [*self.command, str(text)],
                stdin=opened,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=variables,
                cwd=self.folder,
                start_new_session=True,
            )

    def run(self, parcel: Parcel, *, job: str = JOB) -> Said:
        """Run a text to its end."""
        process = self.prepare(parcel, job=job)
        output, _ = process.communicate(timeout=60)
        return Said(code=process.returncode, output=output.decode(errors="surrogateescape"))

    def without(self, *tools: str) -> None:
        """Take tools away from this server."""
        folder = self.folder / "fewer"
        folder.mkdir()
        for place in self.path.split(":"):
            for tool in Path(place).iterdir() if Path(place).is_dir() else ():
                if tool.name not in tools and not (folder / tool.name).exists():
                    (folder / tool.name).symlink_to(tool)
        self.path = str(folder)


def make_shell(name: str, folder: Path) -> Shell:
    """Give a shell of this machine, or skip the test."""
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"no {name} here")
    folder.mkdir(exist_ok=True)
    if name == "busybox":
        tools = busybox_tools(folder / "bin")
        return Shell((str(tools / "sh"),), str(tools), folder)
    return Shell((program,), os.environ["PATH"], folder)
