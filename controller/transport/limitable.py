"""What a server can hold of limits, as a runner says it among its tools.

Called by `lines` and by `reconcile`; it calls nothing.
"""

from typing import Final

from controller.transport.port import Facts

LIMITS: Final = ("cpu", "memory", "pids", "io")
"""Kinds of limits, which are the names of the kernel's controllers."""
WORD: Final = "limit-"


def limitable(tools: frozenset[str]) -> tuple[str, ...]:
    """Name the kinds of limits that a runner can have held."""
    return tuple(kind for kind in LIMITS if WORD + kind in tools)


def limits_seen(facts: Facts) -> tuple[str, ...] | None:
    """Name the kinds of limits that a server can hold; None where an agent judges it when it starts something."""
    return None if facts.agent else limitable(facts.tools)
