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
from controller.planning.origins import gone_name, origins

MOST_LINES: Final = 2_000
"""Lines of one text that are asked about."""
UNCOMMITTED: Final = 1 << 60
"""The turn of a line that is on disk but in no commit: later than all."""

Lines = tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Where each change without a commit can come from.

    `lines` holds lines, the likeliest first; equal lists are shared. `gone` holds the name of what is no longer
    declared, where that is the change: no line speaks of it, but a commit removed it.
    """

    lines: Mapping[PairKey, Lines] = field(default_factory=dict)
    gone: Mapping[PairKey, str] = field(default_factory=dict)

    @property
    def places(self) -> tuple[Place, ...]:
        """Every line, once, at column 1, in order."""
        spans = {span for lines in set(self.lines.values()) for span in lines}
        return tuple(sorted({place for span in spans for place in _places(span)}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Authors:
    """What git knows: who wrote the places, and who removed the names that are gone.

    `uncommitted` are files that differ from the commit: a line of theirs that git does not know is the newest of all.
    """

    written: Mapping[Place, Written] = field(default_factory=dict)
    removed: Mapping[str, Written] = field(default_factory=dict)
    uncommitted: Collection[str] = ()


def candidates(plan: Plan, declaration: Declaration, pairs: Iterable[Pair]) -> Candidates:
    """List where every change of a plan that names no commit yet can come from."""
    asked = {(c.target, c.server): c for c in plan.changes if c.cause.commit is None}
    works = {(p.target, p.server): p.work for p in pairs if (p.target, p.server) in asked}
    servers = declaration.inventory.servers
    lines: dict[PairKey, Lines] = {}
    gone: dict[PairKey, str] = {}
    for key, change in asked.items():
        work = works.get(key)
        if change.inputs and work is not None:
            found = origins(work, change.inputs, servers.get(key[1]))
            name = gone_name(change.inputs[0], work)
        else:
            found = _own(change.cause)
            name = key[1] if key[0] in declaration.targets else key[0]
        if found:
            lines[key] = found
        else:
            gone[key] = name
    return Candidates(lines=lines, gone=gone)


def attribute(plan: Plan, found: Candidates, authors: Authors) -> Plan:
    """Fill in every cause the line that was written last, with its commit and author; the plan digest stays."""
    newest = {lines: _newest(lines, authors) for lines in set(found.lines.values())}
    changes = []
    for change in plan.changes:
        key = (change.target, change.server)
        cause = newest.get(found.lines.get(key, ()))
        removed = authors.removed.get(found.gone.get(key, ""))
        if removed is not None:
            cause = replace(change.cause, commit=removed.commit, author=removed.author)
        changes.append(change if cause is None else replace(change, cause=cause))
    return replace(plan, changes=tuple(changes))


def _own(cause: Cause) -> Lines:
    if cause.file is None or cause.line is None:
        return ()
    return (Span(file=cause.file, first=cause.line, last=cause.line),)


def _places(span: Span) -> Iterable[Place]:
    last = min(span.last, span.first + MOST_LINES - 1)
    return (Place(file=span.file, line=line) for line in range(span.first, last + 1))


def _newest(lines: Lines, authors: Authors) -> Cause | None:
    """Choose a line; None when git knows none of them."""
    best: Place | None = None
    latest = -1
    for place in (place for span in lines for place in _places(span)):
        known = authors.written.get(place)
        turn = UNCOMMITTED if place.file in authors.uncommitted else -1
        turn = turn if known is None else known.turn
        if turn > latest:
            best, latest = place, turn
    if best is None:
        return None
    known = authors.written.get(best)
    return Cause(
        file=best.file,
        line=best.line,
        commit=None if known is None else known.commit,
        author=None if known is None else known.author,
    )
