"""Progress on stderr: one live line on a terminal, else one line for each change of state.

`listen` makes the listener a controller calls; leaving its context clears the live line.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

from controller.cli.views.style import Style, Symbol
from controller.cli.views.words import line, size, step_name
from controller.model.job import State
from controller.reconcile.exchange.progress import Listener, Progress, Stage

_QUIET_STAGES: Final = frozenset({Stage.OBSERVE, Stage.STEP, Stage.LOAD})
"""Too many to tell line by line; shown live, or with -v."""
_CLEAR: Final = "\r\x1b[K"
_WIDEST: Final = 100


class _Live:
    """One line that is written over; ended jobs leave a line of their own."""

    def __init__(self, write: Callable[[str], None], style: Style) -> None:
        self._write = write
        self._style = style
        self._running: dict[str, State] = {}

    def __call__(self, progress: Progress) -> None:
        if progress.stage is Stage.JOB and progress.state is not None:
            self._running[progress.subject] = progress.state
            if progress.state.ended:
                del self._running[progress.subject]
                self._write(f"{_CLEAR}{sentence(progress, self._style)}\n")
        waiting = f"{len(self._running)} running  " if self._running else ""
        self._write(f"{_CLEAR}{(waiting + sentence(progress, self._style))[:_WIDEST]}")

    def close(self) -> None:
        """Clear the line."""
        self._write(_CLEAR)


@contextmanager
def listen(
    stream: TextIO, style: Style, *, live: bool, quiet: bool, verbose: bool
) -> Iterator[Listener]:
    """Show progress on a stream while the context lasts; `live` says that it can write over a line."""

    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    def tell(progress: Progress) -> None:
        between = progress.stage is Stage.FILE and progress.done < progress.total
        if not between and (verbose or progress.stage not in _QUIET_STAGES):
            write(sentence(progress, style) + "\n")

    if quiet:
        yield _unseen
    elif live:
        shown = _Live(write, style)
        try:
            yield shown
        finally:
            shown.close()
    else:
        yield tell


def _unseen(_progress: Progress) -> None:
    """Take progress nobody wants to see."""


def sentence(progress: Progress, style: Style) -> str:
    """Say one event in one line."""
    who = line(progress.target or progress.subject)
    where = f" on {line(progress.server)}" if progress.server else ""
    step = f" step {step_name(progress.step)}" if progress.step else ""
    state = f": {progress.state}" if progress.state else ""
    message = f"  {line(progress.message)}" if progress.message else ""
    if progress.stage is Stage.FILE:
        return f"{_bar(progress, style)} {line(progress.subject)}"
    known = f" {progress.done}/{progress.total}" if progress.total else ""
    if progress.stage in {Stage.JOB, Stage.STEP}:
        return f"{_mark(progress.state, style)} {who}{where}{step}{state}{message}"
    return f"{progress.stage}{known} {who}{where}{message}"


def _mark(state: State | None, style: Style) -> str:
    if state is None or not state.ended:
        return style.plain(Symbol.DOT)
    return style.mark(Symbol.GOOD if state is State.SUCCEEDED else Symbol.BAD)


def _bar(progress: Progress, style: Style) -> str:
    if not progress.total:
        return size(progress.done)
    done = min(progress.done, progress.total)  # a server may send more than it said
    full = 20 * done // progress.total
    bar = "#" * full + "." * (20 - full)
    return f"[{bar}] {100 * done // progress.total:>3}% {size(progress.total)}"
