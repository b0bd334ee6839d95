"""`ctl get` of a serving controller: its documents as they come, and tables made from them."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from controller.cli.dates import age
from controller.cli.remote.client import Client, mapping, word
from controller.cli.views.words import short
from controller.errors import NotFoundError

Row = Mapping[str, object]
Column = Callable[[Row, datetime], object]


def _observed(row: Row, now: datetime) -> str:
    """Say how a server was reached last, and since when it is down."""
    contact = row.get("contact")
    if isinstance(contact, Mapping):
        since = age(datetime.fromisoformat(str(contact["since"])), now)
        if contact.get("reached"):
            return f"reached, since {since}"
        word_ = "down" if contact.get("down") else "not reached"
        return f"{word_} since {since} ({contact.get('cause') or 'unknown'})"
    observed = row.get("observed")
    if not isinstance(observed, Mapping):
        return "never seen"
    return "reached" if observed.get("reached") else "not reached"


def _status(name: str) -> Column:
    def show(row: Row, _: datetime) -> object:
        status = row.get("status")
        return status.get(name) if isinstance(status, Mapping) else None

    return show


def _commit(row: Row, _: datetime) -> object:
    observed = row.get("observed")
    found = observed.get("accepted") if isinstance(observed, Mapping) else None
    return None if found is None else short(str(found))


def _key(name: str) -> Column:
    return lambda row, _: row.get(name)


COLUMNS: Final[Mapping[str, Mapping[str, Column]]] = {
    "servers": {
        "NAME": _key("name"),
        "ADDRESS": _key("address"),
        "CARRIER": _key("carrier"),
        "GROUPS": _key("groups"),
        "CONTACT": _observed,
    },
    "targets": {
        "NAME": _key("name"),
        "TASK": _key("task"),
        "REPO": _key("repo"),
        "SERVERS": _key("servers"),
        "SYNC": _status("sync"),
        "HEALTH": _status("health"),
    },
    "repos": {"NAME": _key("name"), "URL": _key("url"), "REF": _key("ref"), "COMMIT": _commit},
    "groups": {"NAME": _key("name"), "SERVERS": _key("servers"), "CHILDREN": _key("children")},
    "tasks": {"NAME": _key("name"), "TITLE": _key("title")},
}
"""By kind what a table shows."""


async def documents(client: Client, kind: str, name: str) -> list[Row]:
    """Ask for all of a kind, or for one.

    Raises:
        NotFoundError: the API has no such kind, or there is none of that name.
    """
    if kind not in COLUMNS:
        raise NotFoundError(
            f"a controller does not tell of {kind}", hint=f"one of {', '.join(COLUMNS)}"
        )
    path = f"/api/v1/{kind}"
    if name:
        return [mapping(await client.get(f"{path}/{word(name)}"))]
    return [mapping(one) for one in await client.pages(path, limit=500)]


def rows(kind: str, found: list[Row], now: datetime) -> list[tuple[str, ...]]:
    """Give the cells of a table."""
    columns = COLUMNS[kind].values()
    return [tuple(_cell(column(row, now)) for column in columns) for row in found]


def _cell(value: object) -> str:
    if value is None or value in ([], {}, ""):
        return "-"
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value)
