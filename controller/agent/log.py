"""What the daemon says of itself: one line for each thing, to stderr, from where systemd's journal takes it.

All parts of the daemon call it. Time and priority are the journal's affair. No stranger can forge a line, move a cursor or
fill a disk: what does not print is written out, lines are cut, and of many lines of one kind most are only counted.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import TextIO

from controller.agent.shown import shown

LONGEST = 500
"""Characters of a line."""
MOST = 10
"""Lines of one kind in a `WINDOW`."""
WINDOW = 60.0


@dataclass
class _Kind:
    """How many lines of a kind were met since when."""

    since: float
    met: int = 0


class Log:
    """Writes lines; belongs to one event loop.

    Args:
        out: where to; None is stderr.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out
        self._kinds: dict[str, _Kind] = {}

    def say(self, line: str) -> None:
        """Write a line."""
        text = shown(line)
        cut = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
        out = sys.stderr if self._out is None else self._out
        try:
            out.write(f"ctl-agent: {cut}\n")
            out.flush()
        except (OSError, ValueError):
            return  # nobody reads any more; jobs matter more than lines about them

    def often(self, kind: str, line: str) -> None:
        """Write a line of a kind that a stranger can cause as often as he likes."""
        now = asyncio.get_running_loop().time()
        found = self._kinds.get(kind)
        if found is None or now >= found.since + WINDOW:
            self._sum_up(kind)
            found = self._kinds[kind] = _Kind(since=now)
            asyncio.get_running_loop().call_later(WINDOW, self._sum_up, kind, found)
        found.met += 1
        if found.met <= MOST:
            self.say(line)

    def _sum_up(self, kind: str, due: _Kind | None = None) -> None:
        """Say how many lines of a kind were kept back."""
        found = self._kinds.get(kind)
        if found is None or (due is not None and found is not due):
            return
        del self._kinds[kind]
        if found.met > MOST:
            self.say(f"{kind}: {found.met - MOST} more in the last {WINDOW:.0f} s")
