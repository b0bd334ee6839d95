"""Following the output of an attempt while it grows, to its end.

`executor` calls it; it reads `output`, and waits for news from `watch`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from controller.execution.errors import UnknownAttemptError
from controller.execution.output import Chunk
from controller.execution.register import Register
from controller.execution.watch import Watch

LOOK = (0.01, 0.25)
"""Seconds between looks where no supervisor tells us: at first, and when nothing comes for a while."""


class Following:
    """The output of one attempt, over time.

    Args:
        register: of the room.
        watch: of the room.
        name: of the attempt.

    Raises:
        UnknownAttemptError: it was never accepted here, or its output has been discarded.
    """

    def __init__(self, register: Register, watch: Watch, name: str) -> None:
        if register.entry(name).get("event") in (None, "discarded"):
            raise UnknownAttemptError(f"cannot read output of {name}: there is none here")
        self._register = register
        self._watch = watch
        self._name = name
        self._output = register.output(name)

    async def chunks(self, offset: int, *, follow: bool) -> AsyncIterator[Chunk]:
        """Give what there is from an offset on; with `follow` until the attempt is over and all is given."""
        name, pause = self._name, LOOK[0]
        while True:
            going = self._register.is_open(name)  # first: what is written until then is read
            chunk = self._output.read(offset, end=self._register.end_of(name))
            if chunk is not None:
                yield chunk
                offset, pause = chunk.offset + len(chunk.data), LOOK[0]
            elif follow and going:
                await self._watch.news(name, beyond=offset, within=pause)
                pause = min(pause * 2, LOOK[1])
            else:
                return
