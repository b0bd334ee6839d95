"""What the verbs that decide about a target share: why, and until when.

Used by `suspend`, `resume`, `approve` and `rollback`.
"""

from datetime import datetime, timedelta
from typing import Annotated

import typer

from controller.cli.dates import read_duration
from controller.errors import UsageError

Target = Annotated[str, typer.Argument(metavar="TARGET", help="A target.")]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why.")]
Until = Annotated[
    str | None,
    typer.Option(
        "--until", metavar="TIME", help="2h, 3d, 2026-12-01 or 2026-12-01T09:00:00Z; default: open."
    ),
]


def needed_reason(text: str | None) -> str:
    """Demand a reason.

    Raises:
        UsageError: there is none.
    """
    if text is None or not text.strip():
        raise UsageError("this needs a reason", hint="--reason TEXT")
    return text


def read_until(text: str | None, now: datetime, *, flag: str = "--until") -> datetime | None:
    """Read a moment to come: a duration from now, a date (its beginning, UTC), or RFC 3339.

    Raises:
        UsageError: it is none of these, or not to come.
    """
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
        at = (at if at.tzinfo else at.replace(tzinfo=now.tzinfo)).astimezone(now.tzinfo)
    except (ValueError, OverflowError):  # such as the last day of the year 9999, further west
        at = _later(text, now, flag)
    if at <= now:
        raise UsageError(f"{flag} {text} is over already", hint="name a time to come, such as 2h")
    return at


def _later(text: str, now: datetime, flag: str) -> datetime:
    try:
        return now + timedelta(seconds=read_duration(text, flag=flag))
    except (UsageError, OverflowError):
        raise UsageError(
            f'{flag} takes a time or a duration from now, not "{text}"',
            hint="such as 2h, 3d, 2026-12-01 or 2026-12-01T09:00:00Z",
        ) from None
