"""What strangers see at the level `status`: names, states, times and commits, by an allow-list for each document.

Pure. Whatever is not named here is left out, so that a new field of a document is hidden until somebody decides otherwise. Never
commands, environment, addresses, output, messages, reasons or the names of people.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

EACH: Final = "*"
"""Stands for every name of an object whose names are names of things."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The fields of an object that are shown; those in `inner` are objects or lists of objects with a shape of their own."""

    names: frozenset[str]
    inner: Mapping[str, "Shape"]


def shape(*names: str, **inner: Shape) -> Shape:
    """Name the fields that are shown."""
    return Shape(frozenset(names), inner)


def shown(document: object, allowed: Shape) -> object:
    """Leave out of a document whatever is not allowed."""
    if isinstance(document, list):
        return [shown(one, allowed) for one in document]
    if not isinstance(document, Mapping):
        return None
    kept: dict[str, object] = {}
    for name, value in document.items():
        if name in allowed.names:
            kept[name] = scalar(value)
        else:
            inner = allowed.inner.get(name) or allowed.inner.get(EACH)
            if inner is not None:
                kept[name] = None if value is None else shown(value, inner)
    return kept


def scalar(value: object) -> object:
    """Keep texts, numbers and lists of them; anything deeper needs a shape."""
    if isinstance(value, list):
        return [one for one in value if isinstance(one, str | int | float)]
    return value if isinstance(value, str | int | float) else None


def page(items: Shape) -> Shape:
    """Give the shape of a page of a list."""
    return shape("next", items=items)


COUNTS: Final = shape("add", "change", "remove", "run", "servers", "drifted", "blocked", "unknown")
LINE: Final = shape(
    "target", "task", "servers", "in_sync", "wanted", "applied", "sync", "health", "reason", "since"
)
CONDITION: Final = shape("commit", "at")
JOB: Final = shape(
    "id", "run", "target", "task", "server", "state", "exit_code", "commit", "config_commit",
    "created_at", "started_at", "finished_at", "paused_at",
    steps=shape("name", "state", "exit_code"),
)  # fmt: skip
RUN: Final = shape("id", "created_at", "finished_at", "config_commit", "targets")
STATUS: Final = shape(
    "format_version", "commit", "observed_at",
    summary=COUNTS,
    targets=LINE,
    problems=shape("subject", "reason", "since"),
    running=shape("id", "target", "server"),
    in_force=CONDITION,
    invalid=CONDITION,
    next_runs=shape("target", "at"),
)  # fmt: skip
SERVER: Final = shape(
    "kind", "name", "groups", "active", "targets",
    observed=shape("at", "reached", "cause", "markers"),
    contact=shape("reached", "down", "since", "checked_at", "cause", "failures", "down_seconds"),
)  # fmt: skip
REPO: Final = shape(
    "kind", "name", "branch", "tag", "ref", "interval", "active",
    observed=shape("accepted", "branch", "committed_at", "checked_at", "error_code"),
)  # fmt: skip
GROUP: Final = shape("kind", "name", "servers", "children")
TARGET: Final = shape(
    "kind", "name", "repo", "members", "task", "on_commit", "on_drift", "after", "priority",
    status=LINE,
    observed=Shape(frozenset(), {EACH: shape("commit", "config_commit", "at", "run")}),
)  # fmt: skip
HISTORY: Final = shape(
    "run", "target", "commits", "config_commit", "result", "servers",
    "created_at", "started_at", "finished_at", "seconds",
)  # fmt: skip
RUN_WITH_JOBS: Final = Shape(RUN.names, {"jobs": JOB})
LOG: Final = page(
    shape("ts", "seq", "event", "target", "server", "repo", "job", "run", "commit", "state")
)
NEWS: Final = shape(
    "seq", "at", "kind", "name",
    data=shape("run", "target", "server", "repo", "state", "step", "step_state", "commit", "reached", "sync", "health"),
)  # fmt: skip
PARTS: Final = shape(
    "status", "version", parts=shape("name", "running", "seen_at", "started_at", "version")
)
