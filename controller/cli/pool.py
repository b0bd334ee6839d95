"""`ctl pool`: how many jobs servers with agents run at once."""

from collections.abc import Sequence
from typing import Annotated

import typer

from controller.cli.context import Format, Invocation
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command
from controller.cli.views.documents import to_json
from controller.cli.views.tables import table
from controller.errors import NeedsAgentError, RefusedError, TransportError
from controller.reconcile.exchange.answers import ServerPool

app = typer.Typer()

On = Annotated[str, typer.Option("--on", metavar="SELECTOR", help="The servers.")]
BOTH = (Format.TABLE, Format.JSON)


@command(app, "show", verb="pool show", formats=BOTH)
async def show(ctl: Invocation, *, on: On) -> int:
    """Show the workers of servers with agents, and what runs and waits there now."""
    async with ctl.open() as controller:
        found = await controller.pools(on)
    return _tell(ctl, found)


@command(app, "set", verb="pool set", formats=BOTH)
async def set_(
    ctl: Invocation,
    *,
    workers: Annotated[int, typer.Argument(metavar="N", min=1, max=1_000, help="Jobs at once.")],
    on: On,
) -> int:
    """Change how many jobs servers with agents run at once, until the agent starts anew; what runs goes on."""
    async with ctl.open() as controller:
        found = await controller.pools(on, workers=workers)
    return _tell(ctl, found)


def _tell(ctl: Invocation, found: Sequence[ServerPool]) -> int:
    if ctl.format is Format.JSON:
        ctl.print(to_json([_document(one) for one in found]))
    else:
        heads = ("SERVER", "WORKERS", "RUNNING", "WAITING", "REASON")
        ctl.print(table(heads, [_row(one) for one in found], ctl.terminal.style))
    return _code(found)


def _row(one: ServerPool) -> tuple[str, ...]:
    if one.pool is None:
        return (one.server, "?", "?", "?", "-" if one.trouble is None else one.trouble.message)
    pool = one.pool
    return (one.server, str(pool.workers), str(pool.running), str(pool.waiting), "-")


def _document(one: ServerPool) -> dict[str, object]:
    pool = one.pool
    return {
        "server": one.server,
        "workers": None if pool is None else pool.workers,
        "running": None if pool is None else pool.running,
        "waiting": None if pool is None else pool.waiting,
        "error": None if one.trouble is None else one.trouble.reference,
        "message": None if one.trouble is None else one.trouble.message,
    }


def _code(found: Sequence[ServerPool]) -> ExitCode:
    """Choose the exit code: servers without agents are left out of `--on all`, unless there is no other."""
    troubles = [one.trouble for one in found if one.trouble is not None]
    if any(isinstance(each, TransportError) for each in troubles):
        return ExitCode.UNREACHABLE
    refused = [each for each in troubles if isinstance(each, RefusedError)]
    if len(refused) < len(troubles):
        return ExitCode.FAILED
    without = all(isinstance(each, NeedsAgentError) for each in refused)
    return (
        ExitCode.REFUSED
        if refused and (not without or len(refused) == len(found))
        else ExitCode.DONE
    )
