"""The scripts that a server offers: executables in one flat folder, chosen by whoever has root there.

A name is a file's name; a final `.sh` may be left out, and is where no other file has the shorter name. One resolver
serves list, inspect and run, so that what is listed can be run. Nothing is remembered: the folder is opened and judged
anew each time, and an edit takes effect without a restart.

The daemon calls it in a thread, for disks may be slow, and `main` does; it calls `trust` and `script`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from controller.agent.errors import ScriptError
from controller.agent.script import Offered, read_script
from controller.agent.trust import open_folder
from controller.wire.messages.server import Script, ScriptPage, ScriptText

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
SUFFIX = ".sh"
MOST = 2_000
"""Entries of the folder; more is no folder of scripts."""
PAGE = 40 << 10
"""Bytes of JSON in one page, at most, well below what a frame's header takes."""
PAGE_READ = 64 << 20
"""Bytes of scripts that are read and summed up for one page, a script more at most."""
SHOWN = 1 << 20
"""Bytes of a script's text that `inspect` shows: what a frame takes."""


class Scripts:
    """The scripts of one folder.

    Args:
        folder: absolute; it and every folder above belong to root or the agent, and nobody else may write there.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def check(self) -> None:
        """Refuse a folder that can't be trusted; the agent asks before it starts.

        Raises:
            FolderError: others could change what would be run.
        """
        with self._opened():
            return

    def page(self, after: str = "") -> ScriptPage:
        """List what comes after a name, in order of names; what can't be run is there with its problem.

        Raises:
            FolderError: others could change what would be run.
            ScriptError: too much lies there.
        """
        found: list[Script] = []
        room, unread = PAGE, PAGE_READ
        with self._opened() as folder:
            for name, file in sorted(_entries(folder).items()):
                if name <= after:
                    continue
                one = _look(name, file, folder)
                room, unread = room - _weight(one), unread - one.size
                if found and min(room, unread) < 0:
                    return ScriptPage(scripts=tuple(found), more=True)
                found.append(one)
        return ScriptPage(scripts=tuple(found))

    def inspect(self, name: str) -> ScriptText:
        """Show one script with its headers, and the beginning of its text.

        Raises:
            FolderError: others could change what would be run.
            ScriptError: there is no such script, or it can't be run.
        """
        one = self.read(name)
        return ScriptText(script=one.script, headers=one.headers, text=one.text[:SHOWN])

    def has(self, name: str) -> bool:
        """Say whether something in the folder has this name, be it good or not.

        Raises:
            FolderError: others could change what would be run.
        """
        with self._opened() as folder:
            entries = _entries(folder)
            return name in entries or name in entries.values()

    def read(self, name: str, *, digest: str = "") -> Offered:
        """Take a script to run it.

        Args:
            name: as listed, or the file's own.
            digest: the SHA-256 in hex that it must have; empty is any.

        Raises:
            FolderError: others could change what would be run.
            ScriptError: there is no such script, it can't be run, or is another than was asked for.
        """
        if not NAME.fullmatch(name):
            raise ScriptError(f"cannot run {name[:140]!r}: no name of a script")
        with self._opened() as folder:
            entries = _entries(folder)
            file = entries.get(name)
            if file is None and name in entries.values():
                file, name = name, name[: -len(SUFFIX)]
            if file is None:
                raise ScriptError(f"cannot run {name}: no such script in {self.folder}")
            one = read_script(name, file, folder)
        if digest and digest != one.script.sha256:
            raise ScriptError(
                f"cannot run {name}: its SHA-256 is {one.script.sha256}, asked for was {digest}",
                hint="inspect it again",
            )
        return one

    def environment(self, one: Offered) -> dict[str, str]:
        """Give the variables by which a script finds what lies beside it, for its `$0` is no path."""
        return {"CTL_SCRIPT": one.script.name, "CTL_SCRIPTS": self.folder}

    @contextmanager
    def _opened(self) -> Iterator[int]:
        folder = open_folder(self.folder)
        try:
            yield folder
        finally:
            os.close(folder)


def _entries(folder: int) -> dict[str, str]:
    """Give the name each file is offered as, and the file; hidden ones are not offered."""
    files: set[str] = set()
    with os.scandir(folder) as found:
        for entry in found:
            if not entry.name.startswith("."):
                files.add(entry.name)
            if len(files) > MOST:
                raise ScriptError(f"cannot offer more than {MOST} scripts of one folder")
    named = {}
    for file in files:
        short = file.removesuffix(SUFFIX)
        name = file if short in files else short
        named[name.encode("utf-8", "surrogateescape").decode("ascii", "backslashreplace")] = file
    return named


def _look(name: str, file: str, folder: int) -> Script:
    if not NAME.fullmatch(name):
        return Script(name=name, problem="has a name of other than letters, digits, . _ -")
    try:
        return read_script(name, file, folder).script
    except ScriptError as error:
        return Script(name=name, problem=error.problem)


def _weight(one: Script) -> int:
    """Estimate the bytes of JSON of one line of a list, from above: a character may take twelve."""
    return 250 + 12 * (len(one.title) + len(one.file)) + 2 * len(one.name) + 2 * len(one.problem)
