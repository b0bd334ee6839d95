"""`ctl approve`: a yes to exactly what a plan does to a target."""

import shlex
from typing import Annotated

import typer

from controller.cli.context import Format, Invocation
from controller.cli.deciding import Reason, Target
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command
from controller.cli.views.documents import to_json, to_yaml
from controller.cli.views.plan import PlanScene, plan_text
from controller.cli.views.words import line
from controller.model.plan import Plan
from controller.reconcile.exchange.decisions import Approved
from controller.reconcile.exchange.requests import Confirm

app = typer.Typer()


@command(app, "approve", formats=(Format.TABLE, Format.JSON, Format.YAML))
async def approve(
    ctl: Invocation,
    *,
    target: Target,
    reason: Reason = None,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
) -> int:
    """Plan now, show what would happen to a target, and after a yes approve exactly that.

    The approval counts for these changes only: once an input or a server differs, another is needed.
    """
    with ctl.listen() as listener:
        async with ctl.open(write=True, listener=listener) as controller:
            confirm = _confirmer(ctl, target, controller.state, asking=not yes)
            done = await controller.approve(target, reason=reason or "", confirm=confirm)
    _tell(ctl, target, done)
    if done.approval is not None:
        ctl.next(f"ctl apply --target {shlex.quote(target)}")
    return ExitCode.REFUSED if done.digest is not None and done.approval is None else ExitCode.DONE


def _confirmer(ctl: Invocation, target: str, state: str, *, asking: bool) -> Confirm:
    def confirm(plan: Plan) -> bool:
        style = ctl.terminal.err_style if ctl.document else ctl.terminal.style
        shown = plan_text(
            plan, PlanScene(now=ctl.surroundings.clock.now(), style=style, state=state)
        )
        if not ctl.document:
            ctl.print(shown)
        elif asking:
            ctl.terminal.note(shown)
        return not asking or ctl.confirm(f"Approve this for {line(target)}?", flag="-y")

    return confirm


def _tell(ctl: Invocation, target: str, done: Approved) -> None:
    document = {"target": target, "digest": done.digest, "approval": done.approval}
    if ctl.format is Format.JSON:
        ctl.print(to_json(document))
    elif ctl.format is Format.YAML:
        ctl.print(to_yaml(document))
    elif done.digest is None:
        ctl.print(f"Nothing to approve: no change of {line(target)} would run.")
    elif done.approval is None:
        ctl.print("Nothing was approved.")
    else:
        ctl.print(f"{line(done.approval.by)} approved plan {done.digest[:8]} of {line(target)}.")
