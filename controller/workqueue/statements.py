"""The queue in SQL: one row a key, which the migrations of `store` make.

Called by `postgres` and what it is made of. A row waits while `due` is set and `owner` is not; it is worked on while `owner` is set, and `due`
then says that it is to be worked on once more. Every statement is a transaction of its own, so `now()` is its own moment, and
each tells the bell of waiting workers when it made something due.
"""

# ruff: noqa: S608  # the statements are put together from words of this file alone

from typing import Final

CHANNEL: Final = "tillerman_wq"
"""What waiting workers listen to."""

_RING: Final = (
    f"SELECT pg_notify('{CHANNEL}', '') FROM changed WHERE due <= now() AND owner IS NULL"
)
_FREE: Final = "owner = NULL, token = NULL, lease = NULL"
_OURS: Final = "key = %(key)s AND token = %(token)s AND owner IS NOT NULL"
_SECONDS: Final = "interval '1 second'"

ADD: Final = f"""
WITH changed AS (
    INSERT INTO wq AS had (key, due, prio, fails)
    VALUES (%(key)s, now() + %(after)s * {_SECONDS}, %(prio)s, 0)
    ON CONFLICT (key) DO UPDATE SET
        due = least(had.due, excluded.due),
        prio = CASE WHEN had.due IS NULL THEN excluded.prio ELSE greatest(had.prio, excluded.prio) END
    RETURNING due, owner
) {_RING}
"""

CLAIM: Final = f"""
WITH first AS MATERIALIZED (
    SELECT key FROM wq WHERE owner IS NULL AND due <= now()
    ORDER BY prio DESC, due LIMIT %(most)s FOR UPDATE SKIP LOCKED
)
UPDATE wq SET owner = %(owner)s, token = nextval('wq_tokens'), due = NULL,
    lease = now() + %(lease)s * {_SECONDS}
FROM first WHERE wq.key = first.key
RETURNING wq.key, wq.token, wq.fails, wq.prio
"""

NEXT: Final = """
SELECT extract(epoch FROM min(due) - now())::float8 FROM wq WHERE owner IS NULL AND due IS NOT NULL
"""

DONE: Final = f"""
WITH changed AS (UPDATE wq SET {_FREE}, fails = 0 WHERE {_OURS} RETURNING due, owner) {_RING}
"""

BACK: Final = f"""
WITH changed AS (
    UPDATE wq SET {_FREE}, fails = fails + 1,
        due = least(due, now() + %(after)s * {_SECONDS}),
        prio = CASE WHEN due IS NULL THEN %(prio)s ELSE greatest(prio, %(prio)s) END
    WHERE {_OURS} RETURNING due, owner
) {_RING}
"""

UNTAKE: Final = f"""
WITH changed AS (
    UPDATE wq SET {_FREE}, due = now(),
        prio = CASE WHEN due IS NULL THEN %(prio)s ELSE greatest(prio, %(prio)s) END
    WHERE {_OURS} RETURNING due, owner
) {_RING}
"""

DROP: Final = "UPDATE wq SET due = NULL WHERE key = %(key)s"

WAITING: Final = """
SELECT key, due, fails, owner IS NOT NULL FROM wq WHERE due IS NOT NULL OR owner IS NOT NULL
ORDER BY due NULLS LAST, key LIMIT %(most)s
"""

RENEW: Final = f"""
WITH mine AS (SELECT * FROM unnest(%(keys)s::text[], %(tokens)s::bigint[]) AS m (key, token)),
held AS (SELECT wq.key, wq.token FROM wq JOIN mine USING (key, token) WHERE wq.owner IS NOT NULL),
free AS (
    SELECT wq.key FROM wq JOIN mine USING (key, token) WHERE wq.owner IS NOT NULL
    FOR UPDATE OF wq SKIP LOCKED
),
renewed AS (
    UPDATE wq SET lease = now() + %(lease)s * {_SECONDS} FROM free WHERE wq.key = free.key
    RETURNING wq.key
)
SELECT held.token, renewed.key IS NOT NULL FROM held LEFT JOIN renewed USING (key)
"""
"""A row that an add holds locked is left for the next time: waiting for rows in an order of ours could end in a deadlock."""

REAP: Final = f"""
WITH dead AS (
    SELECT key FROM wq WHERE owner IS NOT NULL AND lease < now() FOR UPDATE SKIP LOCKED
), changed AS (
    UPDATE wq SET {_FREE}, fails = fails + 1, due = least(due, now())
    FROM dead WHERE wq.key = dead.key RETURNING due, owner
) {_RING}
"""
"""A worker that lives has given up these claims already, by its own clock: see `keeping`."""

SWEEP: Final = """
DELETE FROM wq WHERE key IN (
    SELECT key FROM wq WHERE owner IS NULL AND due IS NULL LIMIT 10000 FOR UPDATE SKIP LOCKED
)
"""

LEAVE: Final = f"""
WITH changed AS (
    UPDATE wq SET {_FREE}, due = least(due, now()) WHERE owner = %(owner)s RETURNING due, owner
) {_RING}
"""
