"""`ctl resume`: switch a target on again."""

import shlex

import typer

from controller.cli.context import Format, Invocation
from controller.cli.deciding import Reason, Target
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command
from controller.cli.views.documents import to_json, to_yaml
from controller.cli.views.words import line
from controller.reconcile.exchange.decisions import Resumed

app = typer.Typer()


@command(app, "resume", formats=(Format.TABLE, Format.JSON, Format.YAML))
async def resume(ctl: Invocation, *, target: Target, reason: Reason = None) -> int:
    """Lift the suspension of a target.

    To go on with a halted run: ctl apply --resume RUN. To go on with a paused job: ctl jobs resume JOB.
    """
    async with ctl.open(write=True) as controller:
        done = await controller.resume(target, reason=reason or "")
    if ctl.format is Format.JSON:
        ctl.print(to_json(done))
    elif ctl.format is Format.YAML:
        ctl.print(to_yaml(done))
    else:
        ctl.print(resumed_text(target, done))
    ctl.next(f"ctl plan --target {shlex.quote(target)}")
    return ExitCode.DONE


def resumed_text(target: str, done: Resumed) -> str:
    """Say what was resumed, and whether the declaration still holds it."""
    if done.lifted is None:
        said = f"{line(target)} was not suspended by ctl suspend"
    else:
        by, reason = line(done.lifted.by), line(done.lifted.reason)
        said = f"{line(target)} goes on; it was suspended by {by}: {reason}"
    if done.declared is None:
        return said
    return f"{said}\nit is still suspended in its declaration: {line(done.declared)}"
