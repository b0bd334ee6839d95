"""The first step of a plan of the past: which commit of the config repository was there at the moment that is asked for.

What was known then is asked of the store by the steps that need it.
"""

import asyncio
from dataclasses import replace

from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.seen import Seen


async def take_as_of(rooms: Rooms, seen: Seen) -> Seen:
    """Ask for the declarations of the newest commit that was there at the moment.

    Raises:
        NotFoundError: there was none yet.
    """
    moment = seen.request.as_of
    if moment is None:
        return seen
    sha = await asyncio.to_thread(rooms.config.as_of, moment)
    return replace(seen, request=replace(seen.request, at=sha))
