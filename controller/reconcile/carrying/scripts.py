"""Scripts of the config repository that are run by their name: `scripts/NAME`, executable, with header lines.

Called by `running` for servers whose agents offer none of that name; pure but for reading the tree. The header says that a file is
meant to be run so; the others in that folder are parts of tasks.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from controller.declaration.headers import read_headers
from controller.errors import UsageError
from controller.model.task import Result, ResultType
from controller.model.tree import Tree
from controller.transport.port import ScriptSource, ServerScript

FOLDER: Final = "scripts"
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
LARGEST: Final = 1 << 20
"""Bytes of one script, as of those that tasks name."""


def find_script(tree: Tree | None, name: str) -> ScriptSource | None:
    """Give a script by its name, with or without the final `.sh`; None where there is no such file.

    Raises:
        UsageError: there is one that cannot be run.
    """
    if tree is None or not NAME.fullmatch(name):
        return None
    paths = (f"{FOLDER}/{name}", f"{FOLDER}/{name}.sh")
    path = next((one for one in paths if one in tree.entries), None)
    if path is None:
        return None
    entry = tree.entries[path]
    if not entry.mode & 0o111:
        raise UsageError(f"cannot run {path}: it is not executable", hint=f"chmod +x {path}")
    if not 0 < entry.size <= LARGEST:
        raise UsageError(f"cannot run {path}: it has {entry.size} bytes, not 1 to {LARGEST}")
    text = tree.read([path])[path]
    headers = read_headers(text)
    if not headers:
        raise UsageError(
            f"cannot run {path} by its name: it has no header line",
            hint="add one, such as #::CTL::title=What it does, or declare a task with `script:`",
        )
    check_text(path, text)
    script = ServerScript(
        name=name,
        sha256=hashlib.sha256(text).hexdigest(),
        size=len(text),
        title=headers.get("title", ""),
        result=result_of(headers),
    )
    return ScriptSource(script=script, headers=headers, text=text)


def check_text(path: str, text: bytes) -> None:
    """Refuse what is no text.

    Raises:
        UsageError: it is not.
    """
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot run {path}: byte {error.start} is no UTF-8") from error


def result_of(headers: Mapping[str, str]) -> Result:
    """Say what comes back, as the agent will read the same headers; what makes no sense counts as text."""
    kind, path = headers.get("result-type", ""), headers.get("file-name")
    if kind not in set(ResultType) or (kind == ResultType.FILE and not path):
        return Result()
    return Result(type=ResultType(kind), path=path if kind == ResultType.FILE else None)
