"""A plan for people: header, diagnostics, drift, changes, removals again, blocked, unknown, summary.

The last line is frozen: other people's scripts read it. Called by `ctl plan`, `ctl apply` and `ctl run`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from controller.cli.dates import age, moment
from controller.cli.views.change import alone, change_lines
from controller.cli.views.diagnostics import diagnostics_text
from controller.cli.views.style import Ink, Style, Symbol
from controller.cli.views.words import count, line, short
from controller.model.plan import Action, Change, Plan, Summary
from controller.planning.folding import fold


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanScene:
    """What a view of a plan needs beside the plan."""

    now: datetime
    style: Style
    state: str = ""
    full: bool = False
    """Do not fold equal changes of several servers."""


_REMOVALS: Final = frozenset({Action.REMOVE, Action.FORGET})


def plan_text(plan: Plan, scene: PlanScene) -> str:
    """Show a whole plan, the frozen summary line last."""
    blocks = [header(plan, scene)]
    if plan.diagnostics:
        blocks.append(diagnostics_text(plan.diagnostics, {}, scene.style))
    blocks += _sections(plan, scene)
    if plan.excess:
        blocks.append("\n".join(_excess(plan, scene.style)))
    blocks.append(scene.style.paint(last_line(plan, scene.now), Ink.STRONG))
    return "\n\n".join(blocks)


def header(plan: Plan, scene: PlanScene) -> str:
    """Say which commit, by whom, how old the observations are, and whose state."""
    parts = [
        f"Plan of {short(plan.commit)}" if plan.commit else "Plan of declarations without a commit"
    ]
    if plan.subject:
        parts.append(f'"{line(plan.subject)}"')
    if plan.author:
        parts.append(f"({line(plan.author)})")
    if plan.dirty:
        parts.append(scene.style.paint("+ changes that are not committed", Ink.BLOCKED))
    facts = [
        f"observed {age(plan.observed_at, scene.now)}" if plan.observed_at else "nothing observed"
    ]
    if scene.state:
        facts.append(f"state {line(scene.state)}")
    for key, value in plan.scope.items():
        facts.append(
            f"as of {line(value)}" if key == "as-of" else f"only {line(key)} {line(value)}"
        )
    dot = " · " if scene.style.unicode else " - "
    return " ".join(parts) + "\n" + scene.style.paint(dot.join(facts), Ink.QUIET)


def is_blocked(change: Change) -> bool:
    """Whether a gate holds a change back."""
    return change.blocked_by is not None and not change.unknown


def is_drift(change: Change) -> bool:
    """Whether a line belongs to the drift block: nothing changed in git."""
    return (
        change.action in {Action.REPAIR, Action.NONE}
        and change.drift is not None
        and not (change.unknown or is_blocked(change))
    )


def is_change(change: Change) -> bool:
    """Whether a line belongs among the changes that apply would carry out."""
    return change.runs and not is_drift(change)


def is_removal(change: Change) -> bool:
    """Whether a change is listed once more so that nobody overlooks it."""
    return change.runs and change.action in _REMOVALS


def is_quiet(change: Change) -> bool:
    """Whether a pair is simply in sync; listed with `--full` only."""
    return change.action is Action.NONE and not (
        change.drift is not None or change.unknown or change.blocked_by
    )


def is_unknown(change: Change) -> bool:
    """Whether nobody knows what is on the server."""
    return change.unknown


_TAIL: Final[tuple[tuple[str, Callable[[Change], bool]], ...]] = (
    ("Removals, once more", is_removal),
    ("Blocked", is_blocked),
    ("Unknown", is_unknown),
    ("In sync", is_quiet),
)


def _sections(plan: Plan, scene: PlanScene) -> Iterator[str]:
    drift = [c for c in plan.changes if is_drift(c)]
    yield from _section("Drift (nothing changed in git)", drift, scene)
    changes = [c for c in plan.changes if is_change(c)]
    waves = sorted({c.wave for c in changes})
    for wave in waves:
        members = [c for c in changes if c.wave == wave]
        title = f"Wave {wave} of {len(waves)}" if len(waves) > 1 else "Changes"
        yield from _section(title, members, scene)
    for title, belongs in _TAIL:
        yield from _section(title, [c for c in plan.changes if belongs(c)], scene)


def _excess(plan: Plan, style: Style) -> Iterator[str]:
    yield style.paint("More than one run may touch", Ink.STRONG)
    for one in plan.excess:
        yield f"  {style.mark(Symbol.BLOCKED)} {one.limit}: {line(one.message)}"
        yield f"      apply refuses; {line(one.clear)}"


def _section(title: str, changes: Sequence[Change], scene: PlanScene) -> Iterator[str]:
    if not changes:
        return
    lines = [scene.style.paint(title, Ink.STRONG)]
    for folded in map(alone, changes) if scene.full else fold(changes):
        lines += change_lines(folded, scene.style)
    yield "\n".join(lines)


def summary_line(summary: Summary) -> str:
    """Say the numbers of a plan in the frozen words."""
    return (
        f"Plan: {summary.add} to add, {summary.change} to change, {summary.remove} to remove, "
        f"{summary.run} to run on {summary.servers} servers; {summary.drifted} drifted; "
        f"{summary.blocked} blocked; {summary.unknown} unknown."
    )


def is_empty(plan: Plan) -> bool:
    """Whether there is nothing to do, nothing to see and nothing unknown."""
    return not any(not is_quiet(change) for change in plan.changes) and plan.summary == Summary()


def last_line(plan: Plan, now: datetime) -> str:
    """Say the summary, or that nothing changes."""
    if not is_empty(plan):
        return summary_line(plan.summary)
    at = f" at {short(plan.commit)}" if plan.commit else ""
    seen = f" (observed {age(plan.observed_at, now)})" if plan.observed_at else ""
    if not plan.in_sync:
        return "No changes. Nothing is declared for these servers yet."
    return (
        f"No changes. {count(plan.in_sync, 'pair')} on {count(plan.servers, 'server')} "
        f"as declared{at}{seen}."
    )


def expiry(plan: Plan) -> str:
    """Say until when a saved plan may be applied."""
    return f"it can be applied until {moment(plan.expires_at)}" if plan.expires_at else ""
