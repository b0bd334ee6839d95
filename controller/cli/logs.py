"""`ctl logs`: the activity and connectivity logs, and the check of their chain.

Reads the files itself, so that they can be read while everything else is broken; with --controller it asks for them.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from controller.cli.context import Format, Invocation
from controller.cli.dates import read_since
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command
from controller.cli.remote.way import Way
from controller.cli.standard import ending, while_read
from controller.cli.views.documents import to_json, to_jsonl
from controller.cli.views.logs import entry_text, findings_text
from controller.errors import UsageError
from controller.journal.line import Line
from controller.journal.log import Log, Name
from controller.journal.verify import Finding
from controller.reconcile.documents import findings_document, line_document
from controller.source.place import find
from controller.store.folder import STATE_FOLDER, folder_of, is_shared, shared_folder

app = typer.Typer()

FORMATS: Final = (Format.TABLE, Format.JSON, Format.JSONL)
NAMES: Final[tuple[Name, ...]] = ("activity", "connectivity")

Number = Annotated[int, typer.Option("-n", min=1, max=100_000, metavar="N", help="So many lines.")]
Follow = Annotated[bool, typer.Option("-f", "--follow", help="Go on as lines are written.")]
Since = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="From 2h ago, or from 2026-01-31.")
]


def folder(ctl: Invocation) -> Path:
    """Find where the logs of this state lie.

    Raises:
        NotFoundError: there is no config repository here.
        UsageError: that is no state.
    """
    state = ctl.settings.where.state
    if state is None:
        return find(ctl.directory) / STATE_FOLDER / "logs"
    if is_shared(state):
        return shared_folder(ctl.surroundings.environment, ctl.settings.person.home) / "logs"
    return ctl.surroundings.cwd / folder_of(state) / "logs"


@command(app, "activity", verb="logs activity", formats=FORMATS)
async def activity(
    ctl: Invocation, *, number: Number = 10, follow: Follow = False, since: Since = None
) -> int:
    """Show who changed what, newest last."""
    return await while_read(ctl.terminal.out, _show(ctl, "activity", number, since, follow=follow))


@command(app, "connectivity", verb="logs connectivity", formats=FORMATS)
async def connectivity(
    ctl: Invocation, *, number: Number = 10, follow: Follow = False, since: Since = None
) -> int:
    """Show which server was reachable when, and why not, newest last."""
    return await while_read(
        ctl.terminal.out, _show(ctl, "connectivity", number, since, follow=follow)
    )


async def _show(
    ctl: Invocation, name: Name, number: int, since: str | None, *, follow: bool
) -> int:
    if ctl.format is Format.JSON and follow:
        raise UsageError("-f gives one document a line", hint="use -o jsonl")
    way, clock = ctl.way(), ctl.surroundings.clock
    moment = None if since is None else read_since(since, clock.now(), flag="--since")
    if way is not None:
        return await _show_remote(ctl, way, name, number, moment, follow=follow)
    log = Log(folder(ctl), name, clock=clock)
    lines = log.tail(number) if moment is None else log.since(moment)
    _print(ctl, lines)
    if follow:
        async with ending(log.follow(after=lines[-1].seq if lines else None)) as fresh:
            async for line in fresh:
                _print(ctl, (line,))
    return ExitCode.DONE


async def _show_remote(
    ctl: Invocation, way: Way, name: Name, number: int, moment: datetime | None, *, follow: bool
) -> int:
    """Show a log of a controller that serves elsewhere."""
    from controller.cli.remote.client import Client
    from controller.cli.remote.logs import RemoteLog

    async with Client(way) as client:
        log = RemoteLog(client, name)
        lines = await (log.tail(number) if moment is None else log.since(moment))
        _print(ctl, lines)
        if follow:
            async with ending(log.follow(after=lines[-1].seq if lines else -1)) as fresh:
                async for line in fresh:
                    _print(ctl, (line,))
    return ExitCode.DONE


def _print(ctl: Invocation, lines: Sequence[Line]) -> None:
    match ctl.format:
        case Format.JSON:
            ctl.print(to_json([line_document(line) for line in lines]))
        case Format.JSONL:
            ctl.print(to_jsonl(line_document(line) for line in lines))
        case _:
            ctl.print("\n".join(entry_text(line, ctl.terminal.style) for line in lines))


@command(app, "verify", verb="logs verify", formats=(Format.TABLE, Format.JSON))
async def verify(ctl: Invocation) -> int:
    """Check the hash chain of both logs: that no line was altered, removed or put in later.

    Exit 1 when it does not hold.
    """
    way = ctl.way()
    checked = _verified(ctl) if way is None else await _verified_there(way)
    if ctl.format is Format.JSON:
        ctl.print(to_json(findings_document(checked)))
    else:
        ctl.print(findings_text(checked, ctl.terminal.style))
    broken = any(finding.broken for found in checked.values() for finding in found)
    return ExitCode.ERROR if broken else ExitCode.DONE


def _verified(ctl: Invocation) -> dict[str, tuple[Finding, ...]]:
    place = folder(ctl)
    logs = {name: Log(place, name, clock=ctl.surroundings.clock) for name in NAMES}
    return {str(name): log.verify() if place.is_dir() else () for name, log in logs.items()}


async def _verified_there(way: Way) -> dict[str, tuple[Finding, ...]]:
    """Have the logs of a controller that serves elsewhere checked where they lie."""
    from controller.cli.remote.client import Client
    from controller.cli.remote.logs import verified

    async with Client(way) as client:
        return await verified(client)
