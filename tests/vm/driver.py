"""Runs on the virtual server: carries out orders with the room `execution` of the packed agent, as a daemon would.

Standard input holds a JSON list of orders, `[verb, attempt, arguments]`; standard output gets one JSON list of answers.
Arguments of the script: the packed agent, the folder of the room. `test_limits` sends it.
"""

import asyncio
import json
import sys

sys.path.insert(0, sys.argv[1])

from pathlib import Path

from controller.execution.executor import Executor
from controller.execution.groups import find_groups
from controller.execution.spec import Limits, Spec
from controller.execution.status import Status


class Driver:
    """The verbs of orders.

    Args:
        executor: that has recovered.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def start(self, name: str, limits: "dict[str, float]", **more: object) -> object:
        text = str(more.pop("text")).encode()
        spec = Spec(id=name, job="job", text=text, limits=Limits(**limits), **more)  # type: ignore[arg-type]
        await self._executor.accept(spec)
        return await self._told(await self._executor.start(name))

    async def wait(self, name: str) -> object:
        return await self._told(await self._executor.wait(name))

    async def stop(self, name: str, grace: float) -> object:
        return await self._told(await self._executor.stop(name, grace=grace))

    async def pause(self, name: str) -> object:
        return await self._told(await self._executor.pause(name))

    async def resume(self, name: str) -> object:
        return await self._told(await self._executor.resume(name))

    async def status(self, name: str) -> object:
        return await self._told(self._executor.status(name))

    async def sleep(self, name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def read(self, name: str, path: str) -> str:
        """Read the files of the machine that match; nothing where there is none."""
        return read_all(path)

    async def until(self, name: str, path: str) -> None:
        """Wait for a file."""
        while not Path(path).exists():  # noqa: ASYNC110, ASYNC240 - what others do gives no event
            await asyncio.sleep(0.05)

    async def _told(self, status: Status) -> "dict[str, object]":
        pieces = [one.data async for one in self._executor.output(status.id)]
        return {
            "phase": status.phase.value,
            "end": None if status.end is None else status.end.record(),
            "means": dict(status.means),
            "message": status.message,
            "output": b"".join(pieces).decode(),
        }


def read_all(path: str) -> str:
    return "".join(one.read_text() for one in Path("/").glob(path.lstrip("/")))


async def main(folder: str) -> None:
    executor = Executor(Path(folder), groups=find_groups())
    await executor.recover()
    driver = Driver(executor)
    answers = []
    for verb, name, arguments in json.loads(sys.stdin.read()):
        answers.append(await asyncio.wait_for(getattr(driver, verb)(name, **arguments), 60))
    await executor.close()
    sys.stdout.write(json.dumps(answers))


asyncio.run(main(sys.argv[2]))
