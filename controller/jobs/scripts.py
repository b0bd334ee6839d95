"""The texts that deliver files and trees, and that undo a change nobody confirms.

Pure but for reading the package. Called by `delivery` and `confirm`. The texts are plain POSIX sh and lie beside this file; what a job
needs of them is said in the lines that are put behind them, quoted here.
"""

import shlex
from functools import cache
from importlib.resources import files
from typing import Final

from controller.errors import DeclarationError

FILES: Final = ("folders", "files")
CHECKOUT: Final = ("folders", "checkout")
CONFIRM: Final = ("confirm",)


@cache
def script(parts: tuple[str, ...]) -> bytes:
    """Join the parts of a text; comments and blank lines stay behind."""
    folder = files("controller.jobs").joinpath("scripts")
    text = b"".join(folder.joinpath(f"{part}.sh").read_bytes() for part in parts)
    lines = (line.lstrip(b" ") for line in text.split(b"\n"))
    return b"\n".join(line for line in lines if line and not line.startswith(b"#")) + b"\n"


def call(name: str, *words: str | int) -> bytes:
    """Write the line that calls a function of a text.

    Raises:
        DeclarationError: a word holds a NUL character, which no shell can be told.
    """
    quoted = [shlex.quote(str(word)) for word in words]
    if any("\0" in word for word in quoted):
        raise DeclarationError(f"cannot {name.replace('_', ' ')}: a value holds a NUL character")
    return " ".join([name, *quoted]).encode("utf-8", "surrogateescape") + b"\n"
