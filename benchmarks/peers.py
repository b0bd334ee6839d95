"""Programs that others would use instead, each in a throw-away environment under `build/bench`."""

import subprocess
import sys
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "build" / "bench"
SECONDS = 600


def ansible(program: str) -> Path | None:
    """Find a program of ansible-core, installing it first where that is possible; None where it is not."""
    return found("ansible", program, ("ansible-core",))


def salt(program: str) -> Path | None:
    """Find a program of Salt, likewise."""
    return found("salt", program, ("salt", "psutil"))


@cache
def found(name: str, program: str, packages: tuple[str, ...]) -> Path | None:
    """Find a program, installing the packages that have it first where that is possible; None where it is not."""
    there = FOLDER / name / "bin" / program
    if there.is_file():
        return there
    python = there.with_name("python")
    try:
        subprocess.run([sys.executable, "-m", "venv", FOLDER / name], check=True, timeout=SECONDS)
        subprocess.run(
            [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages],
            check=True,
            timeout=SECONDS,
            capture_output=True,
        )
    except (subprocess.SubprocessError, OSError):
        return None
    return there if there.is_file() else None
