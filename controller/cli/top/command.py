"""`ctl top`: the verb."""

import typer

from controller.cli.context import Invocation
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command
from controller.errors import UsageError

app = typer.Typer()


@command(app, "top")
async def top(ctl: Invocation) -> int:
    """Watch servers, targets and jobs live; stop, attach and type into several jobs at once.

    Keys: a attach, d detach, s stop, p pause, r resume, Enter show, / filter, : command, q quit. Whatever runs goes on.
    """
    if not ctl.terminal.out.isatty() or not ctl.surroundings.stdin.isatty():
        raise UsageError("ctl top needs a terminal", hint="ctl status, or ctl jobs list -o json")
    from controller.cli.top.screen import Top  # half a second that nobody else pays

    async with ctl.open() as controller:
        await Top(controller, ctl.surroundings.clock, ctl.terminal.style).run_async()
    return ExitCode.DONE
