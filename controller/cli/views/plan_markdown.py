"""A plan as a comment on a pull request: short above, details folded, never over 60 kB.

Text from outside is put in code spans and blocks only, where Markdown and HTML mean nothing.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from controller.cli.views.change import because, servers_text, symbol_of
from controller.cli.views.plan import is_quiet, last_line
from controller.cli.views.words import line, rows, short
from controller.model.plan import Change, Plan
from controller.planning.folding import Fold, fold

LIMIT: Final = 60_000
"""Bytes; forges refuse comments of more than 65,536 characters."""
MOST_FINDINGS: Final = 15_000
MOST_FACTS: Final = 6_000
MOST_TEXTS: Final = 12_000
"""Bytes of findings in all, and of facts and of diffs and commands of one change: no single one pushes out the rest."""
MOST_SHOWN: Final = 500
"""Characters of one text in a line."""
MOST_FENCED: Final = 4000
"""Characters of one diff or command."""


def plan_markdown(plan: Plan, now: datetime) -> str:
    """Show a plan as Markdown of at most 60 kB; what does not fit is counted."""
    title = f"### Plan of {code(short(plan.commit))}" + (
        f" {code(plan.subject)}" if plan.subject else ""
    )
    head = [title, "", f"**{last_line(plan, now)}**", ""]
    if plan.dirty:
        head += ["The work tree has changes that are not committed.", ""]
    findings = [f"- **refused** {code(one.message)}; {code(one.clear)}" for one in plan.excess]
    findings += [
        f"- **{d.severity}** {code(str(d.place))} {code(d.message)}" for d in plan.diagnostics
    ]
    head += _within(findings, MOST_FINDINGS)
    groups = fold(change for change in plan.changes if not is_quiet(change))
    return _fit("\n".join([*head, ""]), groups)


def _fit(head: str, groups: Sequence[Fold]) -> str:
    parts = [head]
    waved = any(group.first.wave > 1 for group in groups)
    used = len(head.encode()) + 200
    for index, group in enumerate(groups):
        block = "\n".join(_block(group, waved=waved))
        used += len(block.encode()) + 1
        if used > LIMIT:
            parts.append(f"… and {len(groups) - index} more; `ctl plan` shows all.")
            break
        parts.append(block)
    return "\n".join(parts)


def _within(texts: Sequence[str], most: int) -> Iterator[str]:
    """Give texts as long as they fit into so many bytes, and count the rest."""
    used = 0
    for index, text in enumerate(texts):
        used += len(text.encode()) + 1
        if used > most:
            yield f"\n… and {len(texts) - index} more; `ctl plan` shows all."
            return
        yield text


def _block(folded: Fold, *, waved: bool) -> Iterator[str]:
    change = folded.first
    wave = f" in wave {change.wave}" if waved and change.runs else ""
    title = f"{symbol_of(change)} {change.target} {servers_text(folded)}{wave}"
    yield f"<details><summary><code>{_html(clip(line(title)))}</code></summary>"
    yield ""
    yield from _within(list(_facts(change)), MOST_FACTS)
    yield from _within(list(_texts(change)), MOST_TEXTS)
    yield ""
    yield "</details>"


def _facts(change: Change) -> Iterator[str]:
    if because(change):
        yield f"- because {code(because(change))}"
    if change.drift is not None:
        yield f"- differs: {code(change.drift)}"
    if change.blocked_by is not None:
        yield f"- blocked by {code(change.blocked_by.gate)}: {code(change.blocked_by.message)}"
    for file in change.files:
        yield f"- {code(file.path)}: {code(file.what)}"
    for note in change.notes:
        yield f"- note: {code(note)}"


def _texts(change: Change) -> Iterator[str]:
    for file in change.files:
        if file.diff:
            yield _fence(file.diff, language="diff")
    if change.runs and change.commands:
        yield _fence("\n".join(change.commands))


def _fence(text: str, *, language: str = "sh") -> str:
    """Put lines from anywhere in a block that they cannot leave."""
    shown = "\n".join(rows(clip(text, MOST_FENCED)))
    fence = "```"
    while fence in shown:
        fence += "`"
    return f"\n{fence}{language}\n{shown}\n{fence}"


def code(text: str) -> str:
    """Put text from anywhere in a code span that it cannot leave."""
    shown = clip(line(text)) or "-"
    ticks = "`"
    while ticks in shown:
        ticks += "`"
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def clip(text: str, most: int = MOST_SHOWN) -> str:
    """Cut a text that is too long, and show that it was."""
    return text if len(text) <= most else f"{text[:most]}…"


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
