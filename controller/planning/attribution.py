"""Who gave a key its value: line, commit and author, filled into a plan's causes afterwards.

Called by `reconcile`, which asks git about the places; the planner itself asks nobody. Of the lines that a change can
come from, the one that was written last gave it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from controller.model.declaration import Declaration
from controller.model.diagnostic import Place, Span
from controller.model.plan import Cause, Plan
from controller.model.revision import Written
from controller.model.work import Pair
from controller.planning.inputs import PairKey
from controller.planning.origins import origins

MOST_LINES: Final = 2_000
"""Lines of one text that are asked about."""
UNCOMMITTED: Final = 1 << 60
"""The turn of a line that is on disk but in no commit: later than all."""

Lines = tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The lines that each change without a commit can come from, the likeliest first; equal lists are shared."""

    lines: Mapping[PairKey, Lines] = field(default_factory=dict)

    @property
    def places(self) -> tuple[Place, ...]:
        """Every line, once, at column 1, in order."""
        spans = {span for lines in set(self.lines.values()) for span in lines}
        return tuple(sorted({place for span in spans for place in _places(span)}))


def candidates(plan: Plan, declaration: Declaration, pairs: Iterable[Pair]) -> Candidates:
    """List where every change of a plan that names no commit yet can come from."""
    asked = {(c.target, c.server): c for c in plan.changes if c.cause.commit is None}
    works = {(p.target, p.server): p.work for p in pairs if (p.target, p.server) in asked}
    servers = declaration.inventory.servers
    lines: dict[PairKey, Lines] = {}
    for key, change in asked.items():
        found: Lines = ()
        if change.inputs and key in works:
            found = origins(works[key], change.inputs, servers.get(key[1]))
        own = _own(change.cause)
        if found or own:
            lines[key] = found or own
    return Candidates(lines=lines)


def attribute(
    plan: Plan,
    found: Candidates,
    written: Mapping[Place, Written],
    uncommitted: Collection[str] = (),
) -> Plan:
    """Point every cause at the line that was written last, with its commit and author; the plan digest stays.

    Args:
        plan: the plan.
        found: its candidates.
        written: what git knows of their places.
        uncommitted: files that differ from the commit; a line of theirs that git does not know is the newest of all.
    """
    newest = {
        lines: _newest(lines, written, frozenset(uncommitted))
        for lines in set(found.lines.values())
    }
    changes = []
    for change in plan.changes:
        lines = found.lines.get((change.target, change.server), ())
        cause = newest.get(lines)
        changes.append(change if cause is None else replace(change, cause=cause))
    return replace(plan, changes=tuple(changes))


def _own(cause: Cause) -> Lines:
    if cause.file is None or cause.line is None:
        return ()
    return (Span(file=cause.file, first=cause.line, last=cause.line),)


def _places(span: Span) -> Iterable[Place]:
    last = min(span.last, span.first + MOST_LINES - 1)
    return (Place(file=span.file, line=line) for line in range(span.first, last + 1))


def _newest(
    lines: Lines, written: Mapping[Place, Written], uncommitted: frozenset[str]
) -> Cause | None:
    """Choose a line; None when git knows none of them."""
    best: Place | None = None
    latest = -1
    for span in lines:
        for place in _places(span):
            known = written.get(place)
            turn = UNCOMMITTED if place.file in uncommitted else -1
            turn = turn if known is None else known.turn
            if turn > latest:
                best, latest = place, turn
    if best is None:
        return None
    known = written.get(best)
    return Cause(
        file=best.file,
        line=best.line,
        commit=None if known is None else known.commit,
        author=None if known is None else known.author,
    )
