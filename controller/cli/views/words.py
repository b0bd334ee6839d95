"""Small phrases all views share: text from outside on one line, commits, places, counts."""

from collections.abc import Sequence
from typing import Final

from controller.model.diagnostic import Place
from controller.model.safe_text import safe_text

KIB: Final = 1024


def line(text: str | bytes) -> str:
    """Make text from anywhere safe, on one line."""
    return safe_text(text)


def step_name(name: str) -> str:
    """Say a step; those that are put in, such as `_files`, without the mark that keeps them apart."""
    return line(name.removeprefix("_"))


def rows(text: str | bytes) -> list[str]:
    """Make text of several lines from anywhere safe, line by line."""
    return safe_text(text, lines=True).rstrip("\n").split("\n")


def count(number: int, noun: str) -> str:
    """Say "1 server", "3 servers"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def short(commit: str | None) -> str:
    """Shorten a commit as people write it."""
    return commit[:7] if commit else "-"


def where(place: Place | None) -> str:
    """Say a place as file:line, "-" without one."""
    return f"{line(place.file)}:{place.line}" if place is not None and place.file else "-"


def size(number: int) -> str:
    """Say a number of bytes: "812 B", "1.4 MiB"."""
    if number < KIB:
        return f"{number} B"
    amount = number / KIB
    for unit in ("KiB", "MiB"):
        if amount < KIB:
            return f"{amount:.1f} {unit}"
        amount /= KIB
    return f"{amount:.1f} GiB"


def listing(names: Sequence[str], *, most: int = 10) -> str:
    """Join names by commas, and say how many more there are."""
    shown = ", ".join(line(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
