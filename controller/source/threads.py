"""Work that waits for git, in a thread of its own.

Called by `mirrors` and `tracked`; calls nobody. A cancelled call ends its git within a moment.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from controller.errors import SourceError

T = TypeVar("T")


async def in_thread(work: Callable[[threading.Event], T]) -> T:
    """Do some work in a thread; what it is given is set when nobody waits for it any more.

    Raises:
        SourceError: the disk refuses.
    """
    halt = threading.Event()
    try:
        return await asyncio.to_thread(work, halt)
    except asyncio.CancelledError:
        halt.set()
        raise
    except OSError as error:
        raise SourceError(f"cannot use the mirrors: {error}") from error
