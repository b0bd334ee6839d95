"""The zone's only look at clocks: seconds that never go back, and seconds since 1970.

Everybody in the zone calls it; it calls nobody.
"""

from __future__ import annotations

import time


def monotonic() -> float:
    """Give seconds that only grow; good for differences within one boot."""
    return time.monotonic()  # noqa: TID251 — the zone has no other clock


def wall() -> float:
    """Give seconds since 1970 in UTC; people set this clock, so never subtract it."""
    return time.time()  # noqa: TID251 — the zone has no other clock
