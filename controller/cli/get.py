"""`ctl get KIND [NAME]`: what is declared, and what was observed of it."""

from typing import Annotated

import typer

from controller.cli.context import Format, Invocation
from controller.cli.exitcodes import ExitCode
from controller.cli.options import READING, command
from controller.cli.remote.way import Way
from controller.cli.views.documents import to_json, to_jsonl, to_yaml
from controller.cli.views.kinds import KINDS, Kind
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
            now=ctl.surroundings.clock.now(),
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
    from controller.cli.remote.getting import COLUMNS, documents, rows

    client = Client(way)
    try:
        found = await documents(client, kind.plural, name)
    finally:
        await client.close()
    match ctl.format:
        case Format.NAME:
            ctl.print("\n".join(f"{kind.singular}/{line(str(one['name']))}" for one in found))
        case Format.JSONL:
            ctl.print(to_jsonl(found))
        case Format.JSON | Format.YAML:
            printer = to_json if ctl.format is Format.JSON else to_yaml
            ctl.print(printer(found[0] if name else found))
        case _:
            width = None if ctl.format is Format.WIDE else ctl.terminal.width
            cells = rows(kind.plural, found, ctl.surroundings.clock.now())
            heads = tuple(COLUMNS[kind.plural])
            ctl.print(table(heads, cells, ctl.terminal.style, width=width))
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
    if not ctl.document:
        return _rows(ctl, kind, world, names)
    documents = [kind.document(world, name) for name in names]
    if ctl.format is Format.JSONL:
        return to_jsonl(documents)
    printer = to_json if ctl.format is Format.JSON else to_yaml
    return printer(documents[0] if one else documents)


def _rows(ctl: Invocation, kind: Kind, world: World, names: list[str]) -> str:
    wide = ctl.format is Format.WIDE
    heads = kind.heads + (kind.more if wide else ())
    rows = [kind.row(world, name, wide) for name in names]
    return table(heads, rows, ctl.terminal.style, width=None if wide else ctl.terminal.width)
