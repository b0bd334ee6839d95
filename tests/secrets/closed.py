"""Files in tests that the real `age` 1.1 and `sops` 3.11 have closed for a key that is good for nothing else."""

import shutil
import sys
from pathlib import Path
from typing import Final

from controller.secrets.age import AgeKey, read_keys

KNOWN: Final = Path(__file__).parent / "known"
KEYS: Final = read_keys((KNOWN / "key.txt").read_bytes())
RECIPIENT: Final = KEYS[0].recipient


def known(name: str) -> bytes:
    """Give a file that a real program has made."""
    return (KNOWN / name).read_bytes()


def key_in(folder: Path, keys: tuple[AgeKey, ...] = KEYS) -> Path:
    """Put a key where only we can read it."""
    file = folder / "key.txt"
    file.write_text("".join(f"{key.identity}\n" for key in keys))
    file.chmod(0o600)
    return file


def program(name: str) -> str | None:
    """Find a real program: of this machine, or beside this Python."""
    return shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
