"""In which order the jobs of one server take their turns, and how many at once.

Called by `engine`. Servers are independent; all of them share one number of places.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable

from controller.jobs.link import Links
from controller.model.job import Job, JobBody

Drive = Callable[[Job, JobBody], Awaitable[None]]


async def drive_lanes(
    jobs: Iterable[tuple[Job, JobBody]], drive: Drive, places: asyncio.Semaphore, links: Links
) -> None:
    """Drive jobs: of one server as many at once as it allows, never two of one target, in order of target name.

    Args:
        jobs: what is to be driven.
        drive: drives one job; what it raises ends all lanes.
        places: how many jobs may be driven at once in all.
        links: keeps the way to a server open while jobs of it are left.
    """
    lanes: dict[str, list[tuple[Job, JobBody]]] = defaultdict(list)
    for job, body in jobs:
        lanes[job.server].append((job, body))
    async with asyncio.TaskGroup() as group:
        for lane in lanes.values():
            group.create_task(_drive_lane(lane, drive, places, links))


async def _drive_lane(
    lane: list[tuple[Job, JobBody]], drive: Drive, places: asyncio.Semaphore, links: Links
) -> None:
    """Drive the jobs of one server."""
    lane.sort(key=lambda each: (each[0].target or "", each[0].created_at, each[0].id))
    width = asyncio.Semaphore(max(body.server.concurrency for _, body in lane))
    turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def take_turn(job: Job, body: JobBody) -> None:
        turn = turns[job.target or job.id]
        async with turn, width, places:
            await drive(job, body)

    async with links.to(lane[0][1].server), asyncio.TaskGroup() as group:
        for job, body in lane:
            group.create_task(take_turn(job, body))
