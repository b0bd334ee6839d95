"""The words of a plan: reasons that people read; nothing branches on them.

Called by `verdict` and `removal`.
"""

from typing import Final

from controller.model.applied import Applied, Tried
from controller.model.job import State
from controller.model.revision import Revision
from controller.planning.difference import Difference

NAMED: Final = 3
"""How many inputs a reason names before it counts the rest."""


def input_words(name: str) -> str:
    """Say the name of an input as a person would: "steps.fetch.run" is "run of step fetch"."""
    parts = name.split(".")
    if name == "source":
        return "the source"
    if parts[0] == "steps" and len(parts) > 2:  # noqa: PLR2004 - steps, NAME, key
        # A step's name may hold dots; its key begins at the last known word.
        return _step_words(name.removeprefix("steps."))
    kind, _, rest = name.partition(".")
    words = {"params": "parameter", "env": "environment", "secrets": "secret of"}
    return f"{words[kind]} {rest}" if kind in words and rest else name


_KEYS: Final = ("run", "script", "shell", "workdir", "user", "when", "needs", "continue_on_error")


def _step_words(rest: str) -> str:
    if ".env." in rest:
        step, _, name = rest.partition(".env.")
        return f"environment {name} of step {step}"
    step, _, key = rest.rpartition(".")
    return f"{key} of step {step}" if key in _KEYS else f"step {rest}"


def change_words(
    difference: Difference, record: Applied, revision: Revision | None, *, paths: bool
) -> str:
    """Say what differs from what was applied."""
    told = [
        _source_words(record, revision, paths=paths)
        if name == "source" and name in difference.changed
        else f"{input_words(name)} {_how(name, difference)}"
        for name in difference.names
    ]
    if not told:
        return "its inputs differ from what was applied"
    rest = len(told) - NAMED
    return ", ".join(told[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _how(name: str, difference: Difference) -> str:
    if name in difference.new:
        return "is new"
    return "is gone" if name in difference.gone else "changed"


def _source_words(record: Applied, revision: Revision | None, *, paths: bool) -> str:
    if revision is None:
        return "the source changed"
    before = "" if record.commit is None else f" (was {record.commit[:7]})"
    what = "watched files changed in commit" if paths else "new commit"
    return f"{what} {revision.short}{before}"


_ENDED: Final = {
    State.FAILED: "failed",
    State.TIMED_OUT: "timed out",
    State.CANCELLED: "was cancelled",
    State.INTERRUPTED: "was interrupted",
    State.LOST: "left no trace of its end",
}


def tried_words(tried: Tried, *, same: bool) -> str:
    """Say that a try stands between the record and what is wanted."""
    ended = "did not end" if tried.state is None else _ENDED.get(tried.state, "did not end well")
    if same:
        return f"run {tried.run} of these inputs {ended}"
    return f"run {tried.run} of other inputs {ended}"


def gone_words(target: str, *, declared: bool, exists: bool) -> str:
    """Say why a pair is no longer declared; without the server's name, so that equal reasons fold."""
    if not declared:
        return f"target {target} is no longer declared"
    if not exists:
        return "the server is no longer in the inventory"
    return f"target {target} no longer picks the server"
