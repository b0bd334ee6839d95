"""What this process is doing: for admins, and only with `ctl serve --debug`.

Calls `profiling`. What takes a while is done by one at a time, and ends with the controller.
"""

import asyncio
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Final, TypeVar

from fastapi import Query
from starlette.responses import PlainTextResponse, Response

from controller.api import profiling
from controller.api.call import Asked, Call
from controller.api.problems import refuse

LONGEST: Final = 60.0
"""Seconds that one look may last."""
Found = TypeVar("Found")
Seconds = Annotated[float, Query(ge=0.0, le=LONGEST, allow_inf_nan=False)]


async def threads(call: Asked) -> Response:
    """List the threads with their stacks."""
    call.must_reach_all()
    return call.answer(profiling.threads())


async def tasks(call: Asked) -> Response:
    """List the tasks of the event loop, and where each waits."""
    call.must_reach_all()
    return call.answer(profiling.tasks())


async def profile(call: Asked, seconds: Seconds = 10.0) -> Response:
    """Look for so many seconds where time goes; a stack and a count in each line, as flame graphs are made of."""
    return PlainTextResponse(await _alone(call, seconds, profiling.profile))


async def memory(call: Asked, seconds: Seconds = 0.0) -> Response:
    """Tell how much memory there is, and of what; with `seconds` which lines allocated it meanwhile, too."""
    allocated = await _alone(call, seconds, profiling.allocations) if seconds else None
    call.must_reach_all()
    found = await asyncio.to_thread(profiling.memory)
    return call.answer({**found, **({} if allocated is None else {"allocated": allocated})})


async def _alone(call: Call, seconds: float, look: Callable[[threading.Event], Found]) -> Found:
    """Look in a thread for a while, or until the controller stops; refused while another does."""
    call.must_reach_all()
    if not _LOOKING.acquire(blocking=False):
        raise refuse(
            HTTPStatus.CONFLICT,
            "busy",
            "somebody else looks just now",
            hint=f"a look takes {LONGEST:g} seconds at most",
        )
    stopped = threading.Event()
    looking = asyncio.create_task(asyncio.to_thread(look, stopped))
    looking.add_done_callback(lambda _: _LOOKING.release())
    asyncio.get_running_loop().call_later(seconds, stopped.set)
    closing = asyncio.create_task(call.desk.closing.wait())
    closing.add_done_callback(lambda _: stopped.set())
    try:
        return await asyncio.shield(looking)
    finally:
        closing.cancel()  # which stops the looking, too, where whoever asked is gone


_LOOKING: Final = threading.Lock()
"""Held by whoever looks: what is looked at is the one process."""
