"""Checks for people: a server, a repo, the config repository, the findings of `ctl doctor`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from controller.cli.dates import age, span
from controller.cli.views.host import host_text
from controller.cli.views.style import Style, Symbol
from controller.cli.views.words import count, line, listing, short
from controller.reconcile.exchange.checks import (
    ConfigCheck,
    Finding,
    RepoCheck,
    ServerCheck,
    Verdict,
)

_MARKS: Final = {
    Verdict.GOOD: Symbol.GOOD,
    Verdict.WARN: Symbol.BLOCKED,
    Verdict.BAD: Symbol.BAD,
}


def server_text(check: ServerCheck, style: Style) -> str:
    """Say whether a server was reached, and what `uptime` said."""
    seen = check.seen
    if not seen.reached:
        cause = f" ({seen.cause})" if seen.cause else ""
        return (
            f"{style.mark(Symbol.BAD)} {line(seen.server)} not reached{cause}: {line(seen.message)}"
        )
    good = check.exit_code == 0
    login = f" as {line(seen.login)}" if seen.login else ""
    root = " with sudo" if seen.root and seen.login != "root" else ""
    mark = style.mark(Symbol.GOOD if good else Symbol.BAD)
    code = "" if good else f" (uptime: exit {check.exit_code})"
    head = f"{mark} {line(seen.server)} reached{login}{root} in {span(check.took)}{code}"
    host = [] if seen.host is None else [f"    {host_text(seen.host)}"]
    return "\n".join([head, *(f"    {line(row)}" for row in check.output.splitlines()), *host])


def repo_text(check: RepoCheck, style: Style, now: datetime) -> str:
    """Say what a repo holds now and what was fetched."""
    seen = check.seen
    if seen.error is not None:
        mark = style.mark(Symbol.BAD)
        return f"{mark} {line(seen.repo)} ({seen.error_code or 'error'}): {line(seen.error)}"
    news = count(check.new_commits, "new commit") if check.new_commits else "nothing new"
    date = f", {age(seen.committed_at, now)}" if seen.committed_at else ""
    by = f" by {line(check.author)}" if check.author else ""
    lines = [
        f"{style.mark(Symbol.GOOD)} {line(seen.repo)} {line(seen.url)}: {news}",
        f"    {line(seen.branch)} is at {short(seen.accepted)}{date}{by}: {line(check.subject)}",
        f"    branches: {listing(sorted(check.branches)) or 'none'}",
    ]
    if check.signer:
        lines.append(f"    signed by {line(check.signer)}")
    lines.append("    the cache was cleaned")
    return "\n".join(lines)


def config_text(check: ConfigCheck, style: Style) -> str:
    """Say which commit of the config repository is in force, and why no newer one is."""
    now = "no commit is in force" if check.in_force is None else f"{short(check.in_force)} in force"
    if check.waiting:
        return f"{style.mark(Symbol.BLOCKED)} config: {now}; nobody has looked yet, the wish stands"
    if check.error is not None:
        code = f" ({check.error_code})" if check.error_code else ""
        told = f"{style.mark(Symbol.BAD)} config: {now}{code}: {line(check.error)}"
        return told if check.hint is None else f"{told}\n    {line(check.hint)}"
    before = "" if check.previous in {None, check.in_force} else f", {short(check.previous)} before"
    return f"{style.mark(Symbol.GOOD)} config: {now}{before or ', nothing newer'}"


def findings_text(findings: Sequence[Finding], style: Style) -> str:
    """Show numbered checks with their remedies."""
    lines = []
    for number, finding in enumerate(findings, start=1):
        mark = style.mark(_MARKS[finding.verdict])
        lines.append(f"{number:>2} {mark} {line(finding.name)}: {line(finding.message)}")
        if finding.remedy and finding.verdict is not Verdict.GOOD:
            lines.append(f"     {line(finding.remedy)}")
    return "\n".join(lines)
