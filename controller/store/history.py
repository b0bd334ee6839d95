"""The history in SQL: what records and observations were at a moment.

Called by `records` and `observations`, in the transaction of what is recorded; calls nobody. A row is written only when it
differs from the last in what matters. The limits stand in `retention`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
)

from controller.store import retention
from controller.store.past import Entry, Kind, instant
from controller.store.tables import HISTORY

_NEWER: Final = HISTORY.alias("newer")
_THIS: Final = (
    HISTORY.c.kind == bindparam("kind"),
    HISTORY.c.name == bindparam("name"),
    HISTORY.c.server == bindparam("server"),
)
_LAST: Final = HISTORY.c.position.desc()
_LAST_MARK: Final = select(HISTORY.c.mark).where(*_THIS).order_by(_LAST).limit(1).scalar_subquery()
_TYPES: Final = {"at": BigInteger(), "size": Integer()}
_COLUMNS: Final = ("kind", "name", "server", "at", "mark", "size", "data")
_REMEMBER: Final = insert(HISTORY).from_select(
    _COLUMNS,
    select(*(bindparam(column, type_=_TYPES.get(column, Text())) for column in _COLUMNS)).where(
        func.coalesce(_LAST_MARK, "") != bindparam("mark", type_=Text())
    ),
)
_NEWEST: Final = select(func.max(HISTORY.c.position))
_FRESH: Final = select(HISTORY.c.kind, HISTORY.c.name, HISTORY.c.server).where(
    HISTORY.c.position > bindparam("before")
)
_BEYOND_EACH: Final = delete(HISTORY).where(
    *_THIS,
    HISTORY.c.position
    <= select(HISTORY.c.position)
    .where(*_THIS)
    .order_by(_LAST)
    .limit(1)
    .offset(bindparam("kept"))
    .scalar_subquery(),
)
_WEIGHED: Final = select(
    HISTORY.c.position, func.sum(HISTORY.c.size).over(order_by=_LAST).label("newer")
).subquery()
_TOO_OLD: Final = select(func.max(_WEIGHED.c.position)).where(_WEIGHED.c.newer > bindparam("kept"))
_REPLACED: Final = (
    select(_NEWER.c.position)
    .where(
        _NEWER.c.kind == HISTORY.c.kind,
        _NEWER.c.name == HISTORY.c.name,
        _NEWER.c.server == HISTORY.c.server,
        _NEWER.c.position > HISTORY.c.position,
    )
    .exists()
)
_BEYOND_ALL: Final = delete(HISTORY).where(
    HISTORY.c.position.in_(
        select(HISTORY.c.position).where(
            HISTORY.c.position <= _TOO_OLD.scalar_subquery(), HISTORY.c.data.is_(None) | _REPLACED
        )
    )
)
_THEN: Final = (
    select(func.max(HISTORY.c.position))
    .where(HISTORY.c.kind == bindparam("kind"), HISTORY.c.at <= bindparam("at"))
    .group_by(HISTORY.c.name, HISTORY.c.server)
)
_RECALL: Final = (
    select(HISTORY.c.data)
    .where(HISTORY.c.position.in_(_THEN), HISTORY.c.data.is_not(None))
    .order_by(HISTORY.c.name, HISTORY.c.server)
)


def remember(connection: Connection, entries: Sequence[Entry], now: datetime) -> None:
    """Write down what changed, and let go of what is beyond the limits."""
    before = connection.execute(_NEWEST).scalar() or 0
    at = instant(now)
    connection.execute(
        _REMEMBER,
        [
            {
                "kind": entry.kind.value,
                "name": entry.name,
                "server": entry.server,
                "at": at,
                "mark": entry.mark,
                "size": len(entry.data or ""),
                "data": entry.data,
            }
            for entry in entries
        ],
    )
    # SQL's DISTINCT would walk over the whole index instead of the few rows that are new.
    fresh = dict.fromkeys(connection.execute(_FRESH, {"before": before}).all())
    if not fresh:
        return
    kept = retention.KEPT_CHANGES
    rows = [{"kind": kind, "name": name, "server": server} for kind, name, server in fresh]
    connection.execute(_BEYOND_EACH, [row | {"kept": kept} for row in rows])
    newest = connection.execute(_NEWEST).scalar() or 0
    if newest // retention.STEP != before // retention.STEP:
        connection.execute(_BEYOND_ALL, {"kept": retention.KEPT_BYTES})


def recall(connection: Connection, kind: Kind, moment: datetime) -> Sequence[str]:
    """Read what was known at a moment."""
    rows = connection.execute(_RECALL, {"kind": kind.value, "at": instant(moment)})
    return [data for data in rows.scalars() if data is not None]
