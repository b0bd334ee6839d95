"""A daemon to be killed: starts the attempt it is told of, says what it knows, and waits for its death.

Arguments: folder, group folder or "-", attempt, text.
"""

import asyncio
import sys
from pathlib import Path

from controller.execution.executor import Executor
from controller.execution.groups import Groups
from controller.execution.spec import Spec


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def main(folder: str, base: str, name: str, text: str) -> None:
    executor = Executor(Path(folder), groups=None if base == "-" else Groups(base))
    await executor.recover()
    say("up")
    await executor.accept(Spec(id=name, job="job", text=text.encode(), workdir="/"))
    say("accepted")
    await executor.start(name)
    say("started")
    await asyncio.sleep(1000)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
