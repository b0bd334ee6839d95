"""Programs that others would use instead, in a throw-away environment under `build/bench`."""

import subprocess
import sys
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "build" / "bench" / "ansible"
SECONDS = 300


@cache
def ansible(program: str) -> Path | None:
    """Find a program of ansible-core, installing it first where that is possible; None where it is not."""
    found = FOLDER / "bin" / program
    if found.is_file():
        return found
    python = FOLDER / "bin" / "python"
    try:
        subprocess.run([sys.executable, "-m", "venv", FOLDER], check=True, timeout=SECONDS)
        subprocess.run(
            [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "ansible-core"],
            check=True,
            timeout=SECONDS,
            capture_output=True,
        )
    except (subprocess.SubprocessError, OSError):
        return None
    return found if found.is_file() else None
