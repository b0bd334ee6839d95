"""`ctl check server NAME`, `ctl check repo NAME` and `ctl check config`: look now."""

from typing import Annotated

import typer

from controller.cli.context import Format, Invocation
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command
from controller.cli.views.checks import config_text, repo_text, server_text
from controller.cli.views.documents import to_json, to_yaml
from controller.errors import UsageError
from controller.reconcile.documents import FORMAT_VERSION, plain
from controller.reconcile.exchange.checks import ConfigCheck, RepoCheck, ServerCheck

app = typer.Typer()
FORMATS = (Format.TABLE, Format.JSON, Format.YAML)
AcceptRewind = Annotated[
    bool, typer.Option("--accept-rewind", help="Accept rewritten history; needs --reason.")
]
Reason = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", help="Why, for the activity log.")
]


@command(app, "server", verb="check server", formats=FORMATS)
async def server(
    ctl: Invocation, name: Annotated[str, typer.Argument(help="A declared server.")]
) -> int:
    """Reach a server over its transport and run uptime there.

    Exit 3 when it was not reached, 2 when uptime failed.
    """
    async with ctl.open() as controller:
        answer = await controller.check_server(name)
    if not _document(ctl, answer):
        ctl.print(server_text(answer, ctl.terminal.style))
    if not answer.seen.reached:
        return ExitCode.UNREACHABLE
    return ExitCode.FAILED if answer.exit_code else ExitCode.DONE


@command(app, "repo", verb="check repo", formats=FORMATS)
async def repo(
    ctl: Invocation,
    *,
    name: Annotated[str, typer.Argument(help="A declared repo.")],
    accept_rewind: AcceptRewind = False,
    reason: Reason = None,
) -> int:
    """Fetch a repo, show branch, head, date, branches and status, then clean its cache."""
    _check_reason(reason, accept_rewind=accept_rewind)
    async with ctl.open(write=accept_rewind) as controller:
        answer = await controller.check_repo(name, accept_rewind=accept_rewind, reason=reason)
    if not _document(ctl, answer):
        ctl.print(repo_text(answer, ctl.terminal.style, ctl.surroundings.clock.now()))
    return ExitCode.ERROR if answer.seen.error is not None else ExitCode.DONE


@command(app, "config", verb="check config", formats=FORMATS)
async def config(
    ctl: Invocation, *, accept_rewind: AcceptRewind = False, reason: Reason = None
) -> int:
    """Have a controller look at its config repository, and say which commit is in force.

    Exit 1 when the newest commit is not, 6 when nobody has looked in time.
    """
    _check_reason(reason, accept_rewind=accept_rewind)
    async with ctl.open() as controller:
        answer = await controller.check_config(accept_rewind=accept_rewind, reason=reason)
    if not _document(ctl, answer):
        ctl.print(config_text(answer, ctl.terminal.style))
    if answer.waiting:
        return ExitCode.WAITING
    return ExitCode.DONE if answer.error is None else ExitCode.ERROR


def _check_reason(reason: str | None, *, accept_rewind: bool) -> None:
    """See that a rewind is accepted with a reason, and nothing else is.

    Raises:
        UsageError: it is not.
    """
    if accept_rewind and not (reason or "").strip():
        raise UsageError(
            "--accept-rewind needs --reason TEXT", hint="it goes into the activity log"
        )
    if reason and not accept_rewind:
        raise UsageError("--reason belongs to --accept-rewind")


def _document(ctl: Invocation, answer: ServerCheck | RepoCheck | ConfigCheck) -> bool:
    """Print the document a program asked for; say whether one was asked for."""
    printers = {Format.JSON: to_json, Format.YAML: to_yaml}
    if ctl.format not in printers:
        return False
    fields = plain(answer)
    body = fields if isinstance(fields, dict) else {}
    ctl.print(printers[ctl.format]({"format_version": FORMAT_VERSION, **body}))
    return True
