"""One script that a server offers: why it can't be run, or its bytes, digest and headers.

**What is executed is what was hashed.** The bytes are read once, through one descriptor, and handed on in memory;
`execution` seals them in a file without a name, which nobody can change, and the interpreter reads that by
`/proc/self/fd`. Executing the opened file of the disk instead would not do: shells read a script while they run it, so
whoever writes to it later would still be obeyed, and the digest would be of other bytes. The price: `$0` is no path. A
script that needs files beside it finds its folder in `CTL_SCRIPTS`.

`scripts` calls it; it calls `headers` and the kernel.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from typing import cast, get_args

from controller.agent.errors import ScriptError
from controller.agent.headers import MARKERS, read_headers
from controller.agent.trust import FILE, distrust
from controller.execution.spec import MAX_TEXT
from controller.wire.messages.server import ResultType, Script
from controller.wire.record import record

BASH = ("/bin/bash",)
PROGRAM = ("/usr/bin/env",)
"""Executes the sealed file itself, so that the kernel decides what it is."""
RESULTS = frozenset(get_args(ResultType))


@record
class Offered:
    """A script as it was at one moment; `text` is exactly what `script.sha256` is of."""

    script: Script
    headers: Mapping[str, str]
    text: bytes

    @property
    def argv(self) -> tuple[str, ...]:
        """Say who reads the text, as `Spec.argv`; empty where its own first line says so, or it is for sh."""
        if self.text.startswith(b"\x7fELF"):
            return PROGRAM
        if not self.text.startswith(b"#!") and MARKERS[0] in self.text:
            return BASH  # scripts made for that tool were always read by bash
        return ()


def find_problem(about: os.stat_result) -> str:
    """Say why something in the folder can't be run; empty when it can."""
    if not stat.S_ISREG(about.st_mode):
        return _kind(about.st_mode)
    mode, links, size = about.st_mode, about.st_nlink, about.st_size
    problems = (
        (mode & (stat.S_ISUID | stat.S_ISGID), "is set-uid or set-gid"),
        (links > 1, f"has {links - 1} other names, which may lie elsewhere"),
        (not mode & 0o111, "is not executable"),
        (not 0 < size <= MAX_TEXT, f"has {size} bytes, not 1 to {MAX_TEXT}"),
    )
    return distrust(about) or next((words for so, words in problems if so), "")


def read_script(name: str, file: str, folder: int) -> Offered:
    """Read a script once, and sum up exactly what was read.

    Args:
        name: what it is offered as.
        file: its name in the folder.
        folder: the open folder.

    Raises:
        ScriptError: it can't be run; the message says why.
    """
    try:
        problem = find_problem(os.stat(file, dir_fd=folder, follow_symlinks=False))
        if problem:  # before it is opened: to open a device may do something
            raise _refusal(name, problem)
        opened = os.open(file, FILE, dir_fd=folder)
    except OSError as error:
        raise _refusal(name, f"cannot be read: {error.strerror}") from error
    try:
        text = _read(name, opened)
    finally:
        os.close(opened)
    return sum_up(name, text)


def sum_up(name: str, text: bytes) -> Offered:
    """Make of the bytes of a script what is known of it.

    Args:
        name: what it is offered as.
        text: all of it.
    """
    headers = read_headers(text)
    kind, path = _result(headers)
    script = Script(
        name=name,
        sha256=hashlib.sha256(text).hexdigest(),
        size=len(text),
        title=headers.get("title", ""),
        result=kind,
        file=path,
    )
    return Offered(script=script, headers=headers, text=text)


def _read(name: str, opened: int) -> bytes:
    """Read an open file, and make sure that it stayed the same meanwhile."""
    before = os.fstat(opened)
    problem = find_problem(before)
    if problem:
        raise _refusal(name, problem)
    with open(opened, "rb", closefd=False) as file:
        text = file.read(MAX_TEXT + 1)
    after = os.fstat(opened)
    moments = {(one.st_size, one.st_mtime_ns, one.st_ctime_ns) for one in (before, after)}
    if len(moments) > 1 or len(text) != after.st_size:
        raise _refusal(name, "was changed while it was read")
    return text


def _result(headers: Mapping[str, str]) -> tuple[ResultType, str]:
    """Say what the result is; what makes no sense counts as text, as in a declaration."""
    kind, path = headers.get("result-type", "text"), headers.get("file-name", "")
    if kind not in RESULTS or (kind == "file" and not path):
        return "text", ""
    return cast("ResultType", kind), path if kind == "file" else ""


def _refusal(name: str, problem: str) -> ScriptError:
    return ScriptError(f"cannot run {name}: it {problem}", problem=problem)


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "is a symbolic link"
    return "is a folder" if stat.S_ISDIR(mode) else "is no regular file"
