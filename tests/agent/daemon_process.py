"""The daemon in a process of its own, on any Python from 3.9 on, with somebody behind it who answers next to nothing.

    python tests/agent/daemon_process.py DIRECTORY [--hold N | --busy] SETTINGS…

`DIRECTORY` holds the package or is the packed agent; `--hold` opens so many descriptors more; `--busy` lets a drain wait.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence

sys.path.insert(0, sys.argv[1])

from controller.agent.asker import Asker, Fetch
from controller.agent.daemon import run
from controller.agent.settings import load_settings
from controller.agent.streams import Stream
from controller.wire.messages.attempts import Attempt, GetAttempt, Start
from controller.wire.messages.greetings import Facts, HostState
from controller.wire.messages.server import Pool


class Answers:
    def __init__(self, busy: bool) -> None:
        self._busy = busy

    async def open(self) -> None:
        pass

    def facts(self) -> Facts:
        return Facts(boot_id="boot-1", python=sys.version.split()[0])

    def state(self) -> HostState:
        return HostState()

    async def answer(self, asker: Asker, message: object, fetch: Fetch) -> object:
        if isinstance(message, Start):
            return Attempt(id=message.id, phase="running")
        if isinstance(message, GetAttempt):
            return Attempt(id=message.attempt, phase="none")
        return Pool(workers=1)

    async def stream(self, asker: Asker, message: object, stream: Stream) -> None:
        pass

    def listen(self, tell: Callable[[object], None]) -> Callable[[], None]:
        return lambda: None

    def left(self, session: object) -> None:
        pass

    def noted(self, number: int) -> None:
        pass

    def unnoted(self) -> Sequence[object]:
        return ()

    async def drain(self) -> None:
        if self._busy:
            await asyncio.sleep(3_600)

    async def close(self) -> None:
        pass


if __name__ == "__main__":
    words = sys.argv[2:]
    if words[0] == "--hold":
        held = [os.open(os.devnull, os.O_RDONLY) for _ in range(int(words[1]))]
        words = words[2:]
    busy = words[0] == "--busy"
    sys.exit(run(load_settings(words[1:] if busy else words), Answers(busy)))
