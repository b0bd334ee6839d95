"""The words of a plan: reasons that people read; nothing branches on them.

Called by `verdict` and `removal`.
"""

from typing import Final

from controller.model.applied import Applied, Tried
from controller.model.job import State
from controller.model.revision import Revision
from controller.model.standing import Pin
from controller.planning.difference import Difference

NAMED: Final = 3
"""How many inputs a reason names before it counts the rest."""


def input_words(name: str) -> str:
    """Say the name of an input as a person would: "steps.fetch.run" is "run of step fetch"."""
    if name == "source":
        return "the source"
    kind, _, rest = name.partition(".")
    if kind == "steps" and "." in rest:
        # A step's name may hold dots; its key begins at the last known word.
        return _step_words(rest)
    if kind == "files" and "." in rest:
        path, _, key = rest.rpartition(".")
        return f"{key} of {path}"
    if kind == "checkout" and rest:
        return f"{rest} of the checkout"
    words = {"params": "parameter", "env": "environment", "secrets": "secret of"}
    return f"{words[kind]} {rest}" if kind in words and rest else name


_KEYS: Final = (
    "run",
    "script",
    "uses",
    "shell",
    "workdir",
    "user",
    "when",
    "needs",
    "continue_on_error",
)


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
    told = list(
        dict.fromkeys(
            _source_words(record, revision, paths=paths)
            if name == "source" and name in difference.changed
            else _input_change(name, difference)
            for name in difference.names
        )
    )
    if not told:
        return "its inputs differ from what was applied"
    rest = len(told) - NAMED
    return ", ".join(told[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _input_change(name: str, difference: Difference) -> str:
    """Say how an input differs; of a file that comes or goes as a whole, only that."""
    how = _how(name, difference)
    kind, _, rest = name.partition(".")
    path = rest.rpartition(".")[0]
    content = f"files.{path}.content"
    if kind == "files" and how != "changed" and _how(content, difference) == how:
        return f"file {path} {how}"
    if kind == "checkout" and how != "changed" and _how("checkout.path", difference) == how:
        return f"the checkout {how}"
    return f"{input_words(name)} {how}"


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


def first_words(*, applied: bool, marked: bool) -> str:
    """Say why a pair runs as if for the first time; `applied` says that the state knows better, `marked` that a marker lies there."""
    if marked:
        return "first time: its marker there says nothing"
    if applied:
        return "its marker is gone: the server was rebuilt, or somebody deleted it"
    return "first time: no record and no marker"


def elsewhere_words(stored: Applied | None, marker: Applied) -> str:
    """Say that what is in force was not put there by this state, and by whom; empty where it was."""
    if stored is None or stored.applied == marker.applied or stored.run == marker.run:
        return ""
    when = "" if marker.at is None else f" at {marker.at:%Y-%m-%d %H:%M} UTC"
    who = f" by {marker.by}" if marker.by else ""
    return f"in force is run {marker.run or '?'}{who}{when}, not by this state"


def rollback_words(pin: Pin) -> str:
    """Say that a person took a target back."""
    return f"rolled back to {pin.commit[:7]} by {pin.by}: {pin.reason}"


def gone_words(target: str, *, declared: bool, exists: bool) -> str:
    """Say why a pair is no longer declared; without the server's name, so that equal reasons fold."""
    if not declared:
        return f"target {target} is no longer declared"
    if not exists:
        return "the server is no longer in the inventory"
    return f"target {target} no longer picks the server"
