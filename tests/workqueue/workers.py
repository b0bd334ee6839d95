"""Workers as processes of their own, which write down what they do; run by the scenes of PostgreSQL.

Arguments: URL, owner, seconds of lease, seconds of work. Each run of a key stands in the table `runs_of`: who, from when, until when, and
the number in `states` that it read at its begin. The end is written only under the token of the claim.
"""

import asyncio
import contextlib
import sys

import psycopg

from controller.errors import StateError
from controller.workqueue.port import Claim
from controller.workqueue.postgres import PostgresQueue

TABLES = """
CREATE TABLE states (key text PRIMARY KEY, number int NOT NULL, read int NOT NULL, token bigint NOT NULL);
CREATE TABLE runs_of (key text, owner text, token bigint, began timestamptz, ended timestamptz);
"""
BEGIN = """
INSERT INTO runs_of VALUES (%(key)s, %(owner)s, %(token)s, clock_timestamp(), NULL);
"""
END = """
UPDATE runs_of SET ended = clock_timestamp() WHERE token = %(token)s
"""
READ = """
UPDATE states SET read = %(number)s, token = %(token)s WHERE key = %(key)s AND token < %(token)s
"""


async def work(url: str, owner: str, claim: Claim, seconds: float) -> None:
    values = {"key": claim.key, "owner": owner, "token": claim.token}
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as session:
        await session.execute(BEGIN.encode(), values)
        cursor = await session.execute(b"SELECT number FROM states WHERE key = %(key)s", values)
        (number,) = await cursor.fetchone() or (0,)
        await asyncio.sleep(seconds)
        await session.execute(READ.encode(), {**values, "number": number})
        await session.execute(END.encode(), values)


async def serve(queue: PostgresQueue, url: str, owner: str, seconds: float) -> None:
    while True:
        claim = await queue.take()
        doing = asyncio.create_task(work(url, owner, claim, seconds))
        losing = asyncio.create_task(queue.lost(claim))
        await asyncio.wait({doing, losing}, return_when=asyncio.FIRST_COMPLETED)
        losing.cancel()
        if not doing.done():
            doing.cancel()
        try:
            await doing
        except (psycopg.Error, asyncio.CancelledError):
            with contextlib.suppress(StateError):
                await queue.back(claim, after=0.1)
        else:
            with contextlib.suppress(StateError):
                await queue.done(claim)


async def main(url: str, owner: str, lease: float, seconds: float) -> None:
    queue = PostgresQueue(url, lease=lease)
    await queue.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.gather(*(serve(queue, url, owner, seconds) for _ in range(3)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])))
