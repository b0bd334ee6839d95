"""`ctl get KIND [NAME]`: what is declared, and what was observed of it."""

from collections.abc import Sequence
from typing import Annotated

import typer

from controller.cli.context import Format, Invocation
from controller.cli.exitcodes import ExitCode
from controller.cli.options import READING, command
from controller.cli.remote.way import Way
from controller.cli.views.documents import to_json, to_jsonl, to_yaml
from controller.cli.views.kinds import KINDS, Kind
from controller.cli.views.rows import Document
from controller.cli.views.tables import table
from controller.cli.views.words import line
from controller.cli.views.world import World
from controller.errors import NotFoundError

app = typer.Typer()


@command(app, "get", formats=READING)
async def get(
    ctl: Invocation,
    *,
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}; singular works, too.")],
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="One of them.")] = "",
) -> int:
    """Show what is declared, and what was last observed of it. Opens no server.

    ctl get servers NAME -o yaml tells where each variable came from.
    """
    shown = find_kind(kind)
    way = ctl.way()
    if way is not None:
        return await get_remote(ctl, way, shown, name)
    async with ctl.open() as controller:
        world = World(
            declared=await controller.declared(),
            seen=await controller.observed(),
        )
    names = shown.names(world)
    if name:
        if name not in names:
            raise NotFoundError(
                f'no {shown.singular} is called "{name}"', hint=f"ctl get {shown.plural} -o name"
            )
        names = [name]
    ctl.print(_render(ctl, shown, world, names, one=bool(name)))
    return ExitCode.DONE


async def get_remote(ctl: Invocation, way: Way, kind: Kind, name: str) -> int:
    """Show what a controller that serves elsewhere has in force, and what it observed."""
    from controller.cli.remote.client import Client
    from controller.cli.remote.getting import documents

    async with Client(way) as client:
        found = await documents(client, kind.plural, name)
    if ctl.format is Format.NAME:
        ctl.print("\n".join(f"{kind.singular}/{line(str(one['name']))}" for one in found))
    elif ctl.document:
        ctl.print(_documents(ctl, found, one=bool(name)))
    else:
        ctl.print(_table(ctl, kind, found, there=True))
    return ExitCode.DONE


def find_kind(word: str) -> Kind:
    """Find a kind by its plural, its singular or a short form.

    Raises:
        NotFoundError: there is no such kind.
    """
    for kind in KINDS.values():
        if word in {kind.plural, kind.singular, *kind.aliases}:
            return kind
    raise NotFoundError(f'no kind is called "{word}"', hint=f"one of {', '.join(KINDS)}")


def _render(ctl: Invocation, kind: Kind, world: World, names: list[str], *, one: bool) -> str:
    if ctl.format is Format.NAME:
        return "\n".join(f"{kind.singular}/{line(name)}" for name in names)
    if ctl.document:
        return _documents(ctl, [kind.document(world, name) for name in names], one=one)
    return _table(ctl, kind, [kind.line(world, name) for name in names])


def _documents(ctl: Invocation, found: Sequence[Document], *, one: bool) -> str:
    """Write documents for programs."""
    if ctl.format is Format.JSONL:
        return to_jsonl(found)
    printer = to_json if ctl.format is Format.JSON else to_yaml
    return printer(found[0] if one else found)


def _table(ctl: Invocation, kind: Kind, found: Sequence[Document], *, there: bool = False) -> str:
    """Make a table for people; `there` adds what only a controller that stays can tell."""
    wide, now = ctl.format is Format.WIDE, ctl.surroundings.clock.now()
    heads = (*kind.heads, *(kind.there if there else ()), *(kind.more if wide else ()))
    rows = []
    for one in found:
        cells, first = kind.row(one, now, wide=wide), len(kind.heads)
        told = kind.cells(one) if there else ()
        rows.append((*cells[:first], *told, *cells[first:]))
    return table(heads, rows, ctl.terminal.style, width=None if wide else ctl.terminal.width)
