"""Work that waits for git, in a thread of its own.

Called by `mirrors` and `tracked`; calls nobody. A cancelled call ends its git within a moment. The threads are git's alone, so that
remotes which stall hold up nobody else.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from controller.errors import SourceError

T = TypeVar("T")
AT_ONCE: Final = 16
"""Threads that wait for git."""
_POOL: Final = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="git")


async def in_thread(work: Callable[[threading.Event], T]) -> T:
    """Do some work in a thread; what it is given is set when nobody waits for it any more.

    Raises:
        SourceError: the disk refuses.
    """
    halt = threading.Event()
    try:
        return await asyncio.get_running_loop().run_in_executor(_POOL, work, halt)
    except asyncio.CancelledError:
        halt.set()
        raise
    except OSError as error:
        raise SourceError(f"cannot use the mirrors: {error}") from error
