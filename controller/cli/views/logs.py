"""Lines of the logs for people, and what the check of their chain found."""

from collections.abc import Mapping, Sequence

from controller.cli.dates import moment
from controller.cli.views.style import Ink, Style, Symbol
from controller.cli.views.words import line
from controller.journal.line import Line
from controller.journal.verify import Finding
from controller.reconcile.documents import plain


def entry_text(entry: Line, style: Style) -> str:
    """Show one line of a log; nothing in it can forge another line."""
    fields = " ".join(
        f"{line(key)}={_value(value)}" for key, value in entry.fields.items() if value is not None
    )
    when = style.paint(moment(entry.ts), Ink.QUIET)
    return (
        f"{when} {style.paint(line(entry.event), Ink.STRONG)} {line(entry.actor)} {fields}".rstrip()
    )


def _value(value: object) -> str:
    text = line(value if isinstance(value, str) else str(plain(value)))
    return f'"{text}"' if not text or " " in text else text


def findings_text(checked: Mapping[str, Sequence[Finding]], style: Style) -> str:
    """Say of each log whether its chain holds, and where not."""
    lines = []
    for name, findings in checked.items():
        broken = [finding for finding in findings if finding.broken]
        verdict = "the chain does not hold" if broken else "the chain holds"
        lines.append(f"{style.mark(Symbol.BAD if broken else Symbol.GOOD)} {name}: {verdict}")
        lines += [
            f"    {line(f.file)}:{f.line} {line(f.code)}: {line(f.message)}" for f in findings
        ]
    return "\n".join(lines)
