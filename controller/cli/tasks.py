"""`ctl tasks`: the scripts that servers offer."""

import typer

from controller.cli.agents import Addr, On, PkiFolder, one_way
from controller.cli.context import Format, Invocation
from controller.cli.exitcodes import ExitCode
from controller.cli.options import READING, command
from controller.cli.views.documents import to_json, to_jsonl, to_yaml
from controller.cli.views.scripts import offers_documents, offers_table
from controller.cli.views.words import line
from controller.errors import TransportError
from controller.reconcile.exchange.answers import ServerOffers

app = typer.Typer()


@command(app, "tasks", formats=READING)
async def tasks(ctl: Invocation, *, on: On = None, addr: Addr = None, pki: PkiFolder = None) -> int:
    """List the scripts that the agents of servers offer; `ctl run NAME --on SERVER` runs one."""
    address = one_way(on, addr)
    async with ctl.open(bare=address is not None, pki=pki) as controller:
        found = await controller.offers(on=on, address=address)
    _print(ctl, found)
    return _code(found)


def _print(ctl: Invocation, found: tuple[ServerOffers, ...]) -> None:
    match ctl.format:
        case Format.JSON:
            ctl.print(to_json(offers_documents(found)))
        case Format.YAML:
            ctl.print(to_yaml(offers_documents(found)))
        case Format.JSONL:
            ctl.print(to_jsonl(offers_documents(found)))
        case Format.NAME:
            ctl.print("\n".join(sorted({each.name for one in found for each in one.scripts})))
        case _:
            ctl.print(offers_table(found, ctl.terminal.style))
    for one in found:
        if one.trouble is not None:
            ctl.terminal.note(line(f"{one.server}: {one.trouble.message}"))


def _code(found: tuple[ServerOffers, ...]) -> int:
    """Choose the exit code: a server that is not reached is told apart from one that cannot offer anything."""
    troubles = [one.trouble for one in found if one.trouble is not None]
    if any(not isinstance(trouble, TransportError) for trouble in troubles):
        return ExitCode.REFUSED
    return ExitCode.UNREACHABLE if troubles else ExitCode.DONE
