"""Ids of jobs, and names of their steps, read quickly from the state for completion.

Called by `candidates`; reads the database as it is, without the store: loading that alone takes the time there is. Whatever
is wrong with it, nothing is offered.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from controller.cli.views.words import line

PLACE: Final = Path(".ctl", "state.db")
"""Where the state lies when nothing else is said."""
MOST: Final = 50
WAITING: Final = 0.1
"""Seconds to wait for a database that is being written."""
LAST: Final = "@last"

_JOBS: Final = "SELECT id FROM jobs ORDER BY position DESC LIMIT ?"
_STEPS: Final = """
SELECT json_extract(step.value, '$.name') FROM jobs, json_each(jobs.data, '$.steps') AS step
WHERE jobs.position = (
    SELECT max(position) FROM jobs WHERE id >= :first AND id < :past OR :first = '@last'
) LIMIT 200
"""


def recent_jobs(root: Path) -> Iterator[str]:
    """Give the ids of the newest jobs."""
    found = _ask(root, _JOBS, (MOST,))
    if found:
        yield LAST
    yield from found


def steps_of(root: Path, words: Sequence[str]) -> Iterator[str]:
    """Give the steps of the job that is the last of some words."""
    if words:
        word = words[-1]
        yield from _ask(root, _STEPS, {"first": word, "past": f"{word}\x7f"})


def _ask(root: Path, query: str, values: Sequence[object] | dict[str, object]) -> list[str]:
    try:
        place = (root / PLACE).as_uri() + "?mode=ro"
        with closing(sqlite3.connect(place, uri=True, timeout=WAITING)) as state:
            return [line(str(row[0])) for row in state.execute(query, values)]
    except (sqlite3.Error, ValueError):
        return []  # completion has no voice to complain with
