"""What of a request was said: bodies leave out what is as it usually is, so that an older controller meets no key it does not know.

Called by whoever makes a body. A controller refuses names that it does not know, and takes what is missing for the usual.
"""

from typing import Final

PARALLEL: Final = 50
"""Servers at once, where nobody says how many."""
STOP_GRACE: Final = 10.0
"""Seconds between TERM and KILL, where nobody says how many."""
ROTATE_GRACE: Final = 86_400.0
"""Seconds that a token stays good which has a successor, where nobody says how many."""


def said(**fields: object) -> dict[str, object]:
    """Make a body of what was said: nothing, no, and none of several are never said.

    An empty text is, since whoever typed one shall hear what is wrong with it; so is a number, see `unless`.
    """
    return {name: value for name, value in fields.items() if not _is_nothing(value)}


def unless(value: float, usual: float) -> float | None:
    """Give a number, None where it is the usual one."""
    return None if value == usual else value


def _is_nothing(value: object) -> bool:
    return value is None or value is False or (isinstance(value, tuple | list | dict) and not value)
