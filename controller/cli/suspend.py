"""`ctl suspend`: switch a target off."""

import shlex

import typer

from controller.cli.context import Format, Invocation
from controller.cli.dates import moment
from controller.cli.deciding import Reason, Target, Until, needed_reason, read_until
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command
from controller.cli.views.documents import to_json, to_yaml
from controller.cli.views.words import line
from controller.reconcile.exchange.decisions import Suspended

app = typer.Typer()


@command(app, "suspend", formats=(Format.TABLE, Format.JSON, Format.YAML))
async def suspend(
    ctl: Invocation, *, target: Target, reason: Reason = None, until: Until = None
) -> int:
    """Let nothing of a target run, until a time or until ctl resume TARGET; plans still show what would.

    What runs already goes on. Needs --reason; a further suspension takes the place of the one before.
    """
    why = needed_reason(reason)
    end = read_until(until, ctl.surroundings.clock.now())
    async with ctl.open(write=True) as controller:
        done = await controller.suspend(target, reason=why, until=end)
    if ctl.format is Format.JSON:
        ctl.print(to_json(done))
    elif ctl.format is Format.YAML:
        ctl.print(to_yaml(done))
    else:
        ctl.print(suspended_text(done))
    ctl.next(f"ctl resume {shlex.quote(target)}")
    return ExitCode.DONE


def suspended_text(done: Suspended) -> str:
    """Say what was suspended, and what that replaced."""
    made, before = done.suspension, done.replaced
    until = "" if made.until is None else f" until {moment(made.until)}"
    rows = [f"{line(made.target)} is suspended{until}: {line(made.reason)}"]
    if before is not None:
        rows.append(f"replaces the suspension by {line(before.by)}: {line(before.reason)}")
    return "\n".join(rows)
