"""Lists in pages: an opaque cursor says after what the next page begins.

Pure. Called by handlers of lists. A cursor names the last thing of a page, not a number of rows, so that nothing is left out or told
twice when things come and go in between.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Query

from controller.api.problems import refuse

T = TypeVar("T")
MOST: Final = 500
Limit = Annotated[int, Query(ge=1, le=MOST, description="items of a page")]
Cursor = Annotated[
    str | None,
    Query(
        max_length=1000, description="`next` of the page before; opaque", pattern="^[A-Za-z0-9_-]+$"
    ),
]


@dataclass(frozen=True, slots=True)
class Page:
    """Which page is wanted."""

    cursor: str | None
    limit: int


async def paged(cursor: Cursor = None, limit: Limit = 100) -> Page:
    """Read which page is wanted."""
    return Page(cursor, limit)


Paged = Annotated[Page, Depends(paged)]
"""What handlers of lists take."""


def write_cursor(kind: str, last: str) -> str:
    """Write a cursor."""
    return base64.urlsafe_b64encode(f"{kind}\0{last}".encode()).decode().rstrip("=")


def read_cursor(kind: str, cursor: str | None) -> str | None:
    """Read a cursor of this kind of list.

    Raises:
        ProblemError: 400, when it is none.
    """
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("utf-8")
    except (binascii.Error, ValueError):
        text = ""
    found, _, last = text.partition("\0")
    if found != kind or not last or "\0" in last:
        raise refuse(
            HTTPStatus.BAD_REQUEST,
            "bad-cursor",
            "this cursor is of no list here",
            hint="take `next` of the page before, unchanged",
        )
    return last


def page_of(
    kind: str,
    items: Sequence[T],
    name: Callable[[T], str],
    limit: int,
    write: Callable[[T], object],
) -> dict[str, object]:
    """Give a page of items of which one more than `limit` were asked for."""
    shown = items[:limit]
    more = len(items) > limit and shown
    return {
        "items": [write(one) for one in shown],
        "next": write_cursor(kind, name(shown[-1])) if more else None,
    }


def names_after(names: Iterable[str], last: str | None, limit: int) -> list[str]:
    """Give names in order that come after one, one more than fit on the page."""
    later = sorted(name for name in names if last is None or name > last)
    return later[: limit + 1]
