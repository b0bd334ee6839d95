"""Where text goes: the two streams, and what may be shown on them.

Called by the invocation; views ask it for symbols, colours and width. Nothing here reads the environment: the
mapping comes in.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TextIO

from controller.cli.views.style import Style
from controller.settings import Color


class Flushable(Protocol):
    """The part of a text stream that output needs."""

    def write(self, text: str, /) -> int:
        """Write text."""
        ...

    def flush(self) -> None:
        """Hand it on."""
        ...


def wants_color(wish: Color, environment: Mapping[str, str], *, tty: bool) -> bool:
    """Decide whether a stream gets colours: the wish, then CLICOLOR_FORCE, then whether it is a terminal.

    The settings have turned NO_COLOR and a dumb terminal into a wish already.
    """
    if wish is not Color.AUTO:
        return wish is Color.ALWAYS
    return tty or environment.get("CLICOLOR_FORCE", "0") not in {"", "0"}


def speaks_unicode(stream: TextIO) -> bool:
    """Say whether a stream can carry the symbols of a plan."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return encoding.lower().replace("_", "-") in {"utf-8", "utf8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """Both streams with their styles. `live` says that stderr can redraw lines; `asks` that a person can answer."""

    out: TextIO
    err: TextIO
    style: Style
    err_style: Style
    width: int | None
    live: bool
    asks: bool

    def print(self, text: str) -> None:
        """Write results to stdout, ending with a newline."""
        self.clear()
        _write(self.out, text)

    def note(self, text: str) -> None:
        """Write progress, hints and errors to stderr."""
        self.clear()
        _write(self.err, text)

    def clear(self) -> None:
        """Take away a live line, so that what comes next begins on a clean one."""
        if self.live:
            self.err.write("\r\x1b[K")
            self.err.flush()


def _write(stream: Flushable, text: str) -> None:
    if text:
        stream.write(text if text.endswith("\n") else text + "\n")
        stream.flush()


def make_terminal(
    streams: tuple[TextIO, TextIO, TextIO], wish: Color, environment: Mapping[str, str]
) -> Terminal:
    """Look at (stdin, stdout, stderr) and decide what may be shown.

    A stream that cannot carry a character shows it escaped instead of failing.
    """
    stdin, out, err = streams
    for stream in (out, err):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    smart = environment.get("TERM", "") != "dumb"
    out_tty, err_tty = out.isatty(), err.isatty()
    return Terminal(
        out=out,
        err=err,
        style=Style(color=wants_color(wish, environment, tty=out_tty), unicode=speaks_unicode(out)),
        err_style=Style(
            color=wants_color(wish, environment, tty=err_tty), unicode=speaks_unicode(err)
        ),
        width=shutil.get_terminal_size((100, 24)).columns if out_tty else None,
        live=err_tty and smart,
        asks=stdin.isatty(),
    )
