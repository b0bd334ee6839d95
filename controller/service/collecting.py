"""The cyclic garbage collector of a process that stays: when it looks is decided here, and what is declared it hardly ever looks through.

Called by `serving`. Left to itself it looks through all that lives as soon as much was made, such as by one plan of thousands of servers,
and nothing else happens for tenths of a second. What a plan makes holds no cycles and is let go without it.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from controller.clock import Clock

EVERY_SECONDS: Final = 2.0
"""Between two looks at what was made since the last."""
MANY: Final = 50_000
"""Objects that take long to look through. So many new ones mean that something large is worked out, which is let go by itself in a moment."""
PATIENCE: Final = 30
"""Looks that are left out at most for that."""
OLD_SECONDS: Final = 60.0
"""Between two looks at what has lived through a look and is not put aside: a connection that is over may be a cycle of that age."""
WHOLE_SECONDS: Final = 86_400.0
"""Between two looks at everything; with 5,000 servers each takes some tenths of a second."""


@contextmanager
def by_hand() -> Iterator[None]:
    """Keep the collector from looking by itself."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


class Collecting:
    """Collects for a process.

    Args:
        clock: time.
        generation: gives the declarations in force; what lives when they change is not looked through again for a day.
    """

    def __init__(self, clock: Clock, generation: Callable[[], object]) -> None:
        self._clock = clock
        self._generation = generation
        self._known: object = None
        self._left_out = 0
        self._old = self._whole = clock.now()

    async def run(self) -> None:
        """Collect again and again, for ever."""
        while True:
            await self._clock.sleep(EVERY_SECONDS)
            self.look()

    def look(self) -> None:
        """Collect what is due."""
        if gc.get_count()[0] > MANY and self._left_out < PATIENCE:
            self._left_out += 1
            return
        self._left_out = 0
        now = self._clock.now()
        if _past(self._whole, now, WHOLE_SECONDS):
            self._old = self._whole = now
            gc.unfreeze()
            gc.collect()
            gc.freeze()
            return
        gc.collect(1)
        if self._generation() is not self._known:
            self._known = self._generation()
            gc.freeze()
        elif _past(self._old, now, OLD_SECONDS):
            self._old = now
            self._look_at_old()

    def _look_at_old(self) -> None:
        """Collect what is not put aside; what would take long is put aside, as the declarations are."""
        if len(gc.get_objects(generation=2)) > MANY:
            gc.freeze()
        else:
            gc.collect()


def _past(since: datetime, now: datetime, seconds: float) -> bool:
    """Say whether so much time went by; a clock that was set counts as if it had."""
    return abs((now - since).total_seconds()) >= seconds
