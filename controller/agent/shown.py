"""Text of strangers, made safe to show on one line of a terminal or a log.

`main` and `log` call it. Pure.
"""

from __future__ import annotations


def shown(text: str) -> str:
    """Write out every character that does not simply print, so that no terminal obeys a stranger."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )
