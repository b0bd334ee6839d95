"""Words as they stand in a systemd unit; how systemd reads them is told in systemd.service(5) and systemd.syntax(7).

Pure. Called by whoever writes units: of the agent here, of a controller in `service`.
"""

from __future__ import annotations

SPECIAL = frozenset(" \"'\\;")
"""What means something else than itself outside of quotes."""


def quoted(word: str) -> str:
    """Write a word of a command line so that systemd reads exactly it: no specifier, no variable, no escape, no blank.

    Raises:
        ValueError: no unit can hold it.
    """
    text = plain(word).replace("$", "$$")
    if word and word.isascii() and SPECIAL.isdisjoint(word):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def plain(text: str) -> str:
    """Write text where systemd reads the rest of a line as it is, but for specifiers.

    Raises:
        ValueError: no unit can hold it.
    """
    if not text.isprintable():
        raise ValueError(f"cannot write {text!r} into a unit")
    return text.replace("%", "%%")
