"""What a person types into the command line of `ctl top`: `:attach`, `:stop` and their like, or input for what is attached.

Pure. Called by `screen`.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Final


class Word(StrEnum):
    """What can be asked for."""

    ATTACH = "attach"
    DETACH = "detach"
    STOP = "stop"
    PAUSE = "pause"
    RESUME = "resume"
    SHOW = "show"
    FILTER = "filter"
    CLEAR = "clear"
    HELP = "help"
    QUIT = "quit"


HELP: Final = {
    Word.ATTACH: ("JOB…", "recall what jobs said, follow them, and send them what is typed"),
    Word.DETACH: ("[JOB…]", "stop following; the jobs go on"),
    Word.STOP: ("JOB…", "TERM to every process of the jobs, KILL after 10 s"),
    Word.PAUSE: ("JOB…", "hold every process of the jobs, where their server can"),
    Word.RESUME: ("JOB…", "let held jobs go on"),
    Word.SHOW: ("JOB", "steps and attempts of a job"),
    Word.FILTER: ("[TEXT]", "show only rows that hold the text; without one, all"),
    Word.CLEAR: ("", "empty the scrollback"),
    Word.HELP: ("", "this list"),
    Word.QUIT: ("", "leave; whatever runs goes on"),
}
"""What each word takes, and what it does. A job is a unique prefix of its id, `@last`, or `job-N`, the N-th row."""

NEEDS_JOB: Final = frozenset({Word.ATTACH, Word.STOP, Word.PAUSE, Word.RESUME, Word.SHOW})
MOST: Final = 4096
"""Characters of one line."""


class NotUnderstoodError(ValueError):
    """A line is no command; the message says what to type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A command with what stands behind it."""

    word: Word
    about: tuple[str, ...] = ()


def read(text: str) -> Order | None:
    """Read a line that begins with a colon; None for a line that is input for what is attached.

    Raises:
        NotUnderstoodError: there is no such command, or it lacks a job.
    """
    if not text.startswith(":"):
        return None
    first, *about = text[1:MOST].split() or [""]
    found = [word for word in Word if word.value == first] or [
        word for word in Word if first and word.value.startswith(first)
    ]
    if len(found) != 1:
        raise NotUnderstoodError(_unknown(first))
    word = found[0]
    if word in NEEDS_JOB and not about:
        raise NotUnderstoodError(f":{word} needs a job, such as :{word} job-1")
    return Order(word=word, about=tuple(about))


def named(about: str, rows: tuple[str, ...]) -> str:
    """Turn `job-N` into the id of the N-th row, counted from 1; everything else is a prefix of an id already.

    Raises:
        NotUnderstoodError: there is no such row.
    """
    number = about.removeprefix("job-")
    if number == about or not number.isascii() or not number.isdecimal():
        return about
    if not 0 < int(number) <= len(rows):
        raise NotUnderstoodError(f"there is no {about}: {len(rows)} jobs are shown")
    return rows[int(number) - 1]


def _unknown(word: str) -> str:
    near = get_close_matches(word, list(Word), n=1)
    return f"there is no :{word}" + (f", did you mean :{near[0]}?" if near else "; :help lists all")
