"""Who gave a key its value: commit and author, filled into a plan's causes afterwards.

Called by `reconcile`, which asks git about the places; the planner itself asks nobody.
"""

from collections.abc import Mapping
from dataclasses import replace

from controller.model.diagnostic import Place
from controller.model.ids import Sha
from controller.model.plan import Cause, Change, Plan


def places(plan: Plan) -> tuple[Place, ...]:
    """List the places whose commit is not known yet, each once, at column 1, in order."""
    wanted = {_place(change.cause) for change in plan.changes if change.cause.commit is None}
    return tuple(sorted(place for place in wanted if place is not None))


def attribute(plan: Plan, authors: Mapping[Place, tuple[Sha, str]]) -> Plan:
    """Fill commit and author into the causes at these places; the plan digest stays."""
    return replace(plan, changes=tuple(_attributed(change, authors) for change in plan.changes))


def _attributed(change: Change, authors: Mapping[Place, tuple[Sha, str]]) -> Change:
    place = _place(change.cause)
    if change.cause.commit is not None or place is None or place not in authors:
        return change
    commit, author = authors[place]
    return replace(change, cause=replace(change.cause, commit=commit, author=author))


def _place(cause: Cause) -> Place | None:
    if cause.file is None or cause.line is None:
        return None
    return Place(file=cause.file, line=cause.line)
