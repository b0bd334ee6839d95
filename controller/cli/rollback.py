"""`ctl rollback`: hold a target at an earlier commit of its repo, or let go of it."""

import shlex
from typing import Annotated

import typer

from controller.cli.context import Format, Invocation
from controller.cli.dates import moment
from controller.cli.deciding import Reason, Target, Until, needed_reason, read_until
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command
from controller.cli.views.documents import to_json, to_yaml
from controller.cli.views.words import count, line
from controller.errors import UsageError
from controller.reconcile.exchange.decisions import RolledBack

app = typer.Typer()

Lift = Annotated[bool, typer.Option("--lift", help="Let go of the commit it is held at.")]


@command(app, "rollback", formats=(Format.TABLE, Format.JSON, Format.YAML))
async def rollback(
    ctl: Invocation,
    *,
    target: Target,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="REV|previous", help="The commit, tag or branch to go to."),
    ] = None,
    lift: Lift = False,
    reason: Reason = None,
    until: Until = None,
) -> int:
    """Pin a target at an earlier commit of its repo and keep the newest one out; ctl apply then does it.

    The pin ends with --lift, at --until, or by itself once a later commit changes what the two commits differ in.
    previous is the commit of the last run that ended well with another commit than the last run had.
    """
    if lift == (to is not None):
        raise UsageError("say either --to REV or --lift", hint="ctl rollback TARGET --to previous")
    if lift and until:
        raise UsageError("--until is for a pin", hint="leave out --until")
    why = needed_reason(reason)
    if to is None:
        return await _lift(ctl, target, why)
    end = read_until(until, ctl.surroundings.clock.now())
    with ctl.listen() as listener:
        async with ctl.open(write=True, listener=listener) as controller:
            done = await controller.rollback(target, to=to, reason=why, until=end)
    _print(ctl, done, rolled_back_text(done))
    ctl.next(f"ctl apply --target {shlex.quote(target)}")
    return ExitCode.DONE


async def _lift(ctl: Invocation, target: str, reason: str) -> int:
    async with ctl.open(write=True) as controller:
        pin = await controller.lift_pin(target, reason=reason)
    name = line(target)
    if pin is None:
        _print(ctl, {"lifted": None}, f"{name} is not pinned")
        return ExitCode.DONE
    _print(ctl, {"lifted": pin}, f"{name} is no longer pinned at {pin.commit[:7]}")
    ctl.next(f"ctl plan --target {shlex.quote(target)}")
    return ExitCode.DONE


def _print(ctl: Invocation, document: object, text: str) -> None:
    if ctl.format is Format.JSON:
        ctl.print(to_json(document))
    elif ctl.format is Format.YAML:
        ctl.print(to_yaml(document))
    else:
        ctl.print(text)


def rolled_back_text(done: RolledBack) -> str:
    """Say where a target is pinned, and what lets it go."""
    pin, before = done.pin, done.replaced
    until = "" if pin.until is None else f" until {moment(pin.until)}"
    again = f"changes one of {count(done.files, 'file')}" if pin.files else f"follows {pin.bad[:7]}"
    rows = [
        f"{line(pin.target)} is pinned at {pin.commit[:7]}{until}: {line(pin.reason)}",
        f"{pin.bad[:7]} is kept out; a later commit that {again} lifts the pin",
    ]
    if before is not None:
        rows.append(
            f"replaces the pin at {before.commit[:7]} by {line(before.by)}: {line(before.reason)}"
        )
    return "\n".join(rows)
