"""Rows of `ctl get`, made from documents: the same whether they were made here or came from a controller that serves elsewhere.

Pure. Called by `kinds`. What a newer controller adds is left alone, and what an older one lacks is shown as "-".
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Protocol

import msgspec

from controller.cli.dates import age, span
from controller.cli.views.host import host_text
from controller.cli.views.words import short
from controller.model.ids import Sha
from controller.model.observation import HostSeen
from controller.model.schedule import Schedule
from controller.planning.schedules import next_due

Document = Mapping[str, object]
NONE: Final = "-"


class Row(Protocol):
    """Makes the cells of a row; with `wide` those of the further columns, too."""

    def __call__(self, document: Document, now: datetime, *, wide: bool) -> tuple[str, ...]:
        """Make them."""
        ...


def inner(document: Document, name: str) -> Document:
    """Give a mapping inside a document; an empty one where there is none."""
    value = document.get(name)
    return value if isinstance(value, Mapping) else {}


def text(value: object) -> str:
    """Write a cell."""
    match value:
        case None | "":
            return NONE
        case bool():
            return str(value).lower()
        case str():
            return value
        case Mapping():
            return ",".join(map(str, value)) or NONE
        case list() | tuple() | set() | frozenset():
            return ",".join(map(str, value)) or NONE
        case _:
            return str(value)


def moment(value: object) -> datetime | None:
    """Read a time; None where there is none."""
    return None if value is None else datetime.fromisoformat(str(value))


def number(value: object) -> float:
    """Read a number; 0 where there is none."""
    return float(value) if isinstance(value, int | float) else 0.0


def size_of(value: object) -> str:
    """Count what a list holds."""
    return str(len(value)) if isinstance(value, list | tuple) else NONE


def server_row(document: Document, now: datetime, *, wide: bool) -> tuple[str, ...]:
    """Say how a server is reached, and how that went."""
    row = (
        text(document.get("name")),
        text(document.get("address")),
        text(document.get("carrier")),
        text(document.get("groups")),
        _reach(inner(document, "observed"), inner(document, "contact"), now),
    )
    if not wide:
        return row
    labels = ",".join(f"{key}={value}" for key, value in inner(document, "labels").items())
    host = inner(document, "observed").get("host")
    shown = NONE if host is None else host_text(msgspec.convert(host, HostSeen, strict=False))
    times = _times(inner(document, "contact"), now)
    return (*row, labels or NONE, *_door(document), shown, *times, text(document.get("place")))


def _reach(seen: Document, contact: Document, now: datetime) -> str:
    """Say how a server was seen last, by whoever looked last."""
    at, checked = moment(seen.get("at")), moment(contact.get("checked_at"))
    if checked is not None and (at is None or checked >= at):
        return _reached(contact, checked, now)
    if at is None:
        return "never seen"
    if seen.get("reached"):
        return f"reached {age(at, now)}"
    return f"not reached {age(at, now)} ({seen.get('cause') or 'unknown'})"


def _reached(contact: Document, checked: datetime, now: datetime) -> str:
    """Say how a controller that stays reached a server last."""
    if contact.get("reached"):
        return f"reached {age(checked, now)}"
    cause, since = contact.get("cause") or "unknown", moment(contact.get("since"))
    if contact.get("down") and since is not None:
        return f"down since {age(since, now)} ({cause})"
    return f"not reached {age(checked, now)} ({cause}), tried again"


def _times(contact: Document, now: datetime) -> tuple[str, str, str]:
    """Say when a server last let us in, how often that changed of late, and how long it was down in all."""
    since = moment(contact.get("since"))
    if since is None:
        return NONE, NONE, NONE
    let_in = moment(contact.get("login_at"))
    login = "never" if let_in is None else age(let_in, now)
    lasts = (now - since).total_seconds() if contact.get("down") else 0.0
    down = number(contact.get("down_seconds")) + max(0.0, lasts)
    return login, size_of(contact.get("flaps")), span(down)


def _door(document: Document) -> tuple[str, str]:
    """Say the user and the port that are dialled; agents are nobody's login, and some dial by themselves."""
    match document.get("carrier"):
        case "agent":
            return NONE, text(inner(document, "agent").get("port"))
        case "pull":
            return NONE, NONE
        case _:
            ssh = inner(document, "ssh")
            return text(ssh.get("user")), text(ssh.get("port"))


def repo_row(document: Document, now: datetime, *, wide: bool) -> tuple[str, ...]:
    """Say what is watched of a repo, and what was seen of it last."""
    seen = inner(document, "observed")
    watched = next((kind for kind in ("branch", "tag", "ref") if kind in document), None)
    checked, accepted = moment(seen.get("checked_at")), seen.get("accepted")
    state = seen.get("error_code") or "error" if seen.get("error") else "ok"
    row = (
        text(document.get("name")),
        text(document.get("url")),
        NONE if watched is None else f"{watched} {document[watched]}",
        short(None if accepted is None else Sha(str(accepted))),
        "never" if checked is None else age(checked, now),
        str(state) if seen else NONE,
    )
    if not wide:
        return row
    interval, active = span(number(document.get("interval"))), text(document.get("active"))
    return (*row, interval, active, text(document.get("place")))


def group_row(document: Document, now: datetime, *, wide: bool) -> tuple[str, ...]:
    """Count what a group holds."""
    del now
    name, children = text(document.get("name")), text(document.get("children"))
    row = (name, size_of(document.get("servers")), children)
    if not wide:
        return row
    return (*row, text(sorted(inner(document, "vars"))), text(document.get("place")))


def inventory_row(document: Document, now: datetime, *, wide: bool) -> tuple[str, ...]:
    """Say where servers of another tool come from."""
    del now
    told = (text(document.get(name)) for name in ("name", "tool", "path"))
    row = (*told, size_of(document.get("servers")))
    return (*row, text(document.get("place"))) if wide else row


def task_row(document: Document, now: datetime, *, wide: bool) -> tuple[str, ...]:
    """Say what a task is made of."""
    del now
    steps = document.get("steps")
    found = steps if isinstance(steps, list) else []
    names = [one.get("name") for one in found if isinstance(one, Mapping)]
    row = (
        text(document.get("name")),
        text(document.get("title")),
        text(names),
        text(inner(document, "params")),
        "yes" if document.get("check") else "no",
    )
    if not wide:
        return row
    result, timeout = text(inner(document, "result").get("type")), number(document.get("timeout"))
    return (*row, result, span(timeout), text(document.get("place")))


def target_row(document: Document, now: datetime, *, wide: bool) -> tuple[str, ...]:
    """Say what a target runs where, and on how many servers it is applied."""
    pairs = inner(document, "pairs")
    row = (
        *(text(document.get(name)) for name in ("name", "repo", "task", "servers")),
        f"{text(pairs.get('applied'))}/{text(pairs.get('servers'))}",
    )
    if not wide:
        return row
    policy = (text(document.get(name)) for name in ("on_commit", "on_drift"))
    return (*row, *policy, _next_run(document.get("schedule"), now), text(document.get("place")))


def _next_run(schedule: object, now: datetime) -> str:
    if schedule is None:
        return NONE
    due = next_due(msgspec.convert(schedule, Schedule, strict=False), now)
    return NONE if due is None else f"{due:%Y-%m-%d %H:%M} UTC"


def status_cells(document: Document) -> tuple[str, ...]:
    """Say how a target stands, which only a controller that stays tells beside what is declared."""
    status = inner(document, "status")
    return text(status.get("sync")), text(status.get("health"))


def secret_row(document: Document, now: datetime, *, wide: bool) -> tuple[str, ...]:
    """Say where a secret comes from; a controller that serves elsewhere tells the kind alone."""
    del now
    kind, source = next(iter(inner(document, "source").items()), (None, None))
    row = (text(document.get("name")), text(kind), text(source), text(document.get("expires")))
    return (*row, text(document.get("place"))) if wide else row


def notifier_row(document: Document, now: datetime, *, wide: bool) -> tuple[str, ...]:
    """Say who is told what."""
    del now
    kind = next((kind for kind in ("url", "smtp", "exec") if document.get(kind)), None)
    repeat = document.get("repeat")
    row = (
        text(document.get("name")),
        text(kind),
        text(document.get("events")),
        NONE if repeat is None else span(number(repeat)),
    )
    return (*row, text(document.get("place"))) if wide else row


def rule_row(document: Document, now: datetime, *, wide: bool) -> tuple[str, ...]:
    """Say who may do what."""
    del now
    row = (
        *(text(document.get(name)) for name in ("name", "role")),
        *(text(document.get(name) or "*") for name in ("targets", "servers")),
        text(document.get("rights")),
    )
    return (*row, text(document.get("place"))) if wide else row
