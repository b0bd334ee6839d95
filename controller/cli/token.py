"""`ctl token`: who may talk to the API of a serving controller, and with which rights."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Annotated, Final

import typer

from controller.cli.context import Format, Invocation
from controller.cli.dates import age, moment, read_duration
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command
from controller.cli.port import MintedToken
from controller.cli.views.documents import to_json, to_jsonl, to_yaml
from controller.cli.views.logs import entry_text
from controller.cli.views.tables import table
from controller.cli.views.words import line
from controller.errors import UsageError
from controller.model.token import Role, Scope, Token
from controller.reconcile.documents import line_document, token_document

app = typer.Typer()

ONE: Final = (Format.TABLE, Format.JSON, Format.YAML)
MANY: Final = (Format.TABLE, Format.WIDE, Format.JSON, Format.YAML, Format.NAME, Format.JSONL)
GRACE: Final = "24h"

Id = Annotated[str, typer.Argument(metavar="ID", help="As ctl token list shows it.")]


@command(app, "create", verb="token create", formats=ONE)
async def create(
    ctl: Invocation,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose it is; the word of access.")],
    role: Annotated[Role, typer.Option("--role", help="What it may do.")] = Role.VIEWER,
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", metavar="targets=GLOB|servers=PATTERN", help="Only these."),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="DURATION", help="Such as 90d; default: never."),
    ] = None,
) -> int:
    """Make a token and print it: this once, for nobody can show it again.

    Where the declarations name NAME under access, the weaker of both roles counts.
    """
    reach = read_scope(scope or ())
    life = None if expires is None else read_duration(expires, flag="--expires")
    async with ctl.open(bare=True) as controller:
        made = await controller.tokens.create(
            name=name,
            role=role,
            scope=reach,
            expires=None if life is None else timedelta(seconds=life),
            by=ctl.settings.person.actor,
        )
    return _show(ctl, made)


@command(app, "list", verb="token list", formats=MANY)
async def list_(
    ctl: Invocation,
    *,
    every: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
) -> int:
    """List tokens: whose they are, what they may do, when they end, when and from where they were used."""
    async with ctl.open(bare=True) as controller:
        found = await controller.tokens.all()
    now = ctl.surroundings.clock.now()
    shown = [one for one in found if every or one.refusal(now) is None]
    match ctl.format:
        case Format.JSON:
            ctl.print(to_json([token_document(one) for one in shown]))
        case Format.YAML:
            ctl.print(to_yaml([token_document(one) for one in shown]))
        case Format.JSONL:
            ctl.print(to_jsonl(token_document(one) for one in shown))
        case Format.NAME:
            ctl.print("\n".join(one.id for one in shown))
        case _:
            ctl.print(_table(ctl, shown))
    if not shown:
        ctl.next("ctl token create NAME --role operator --expires 90d")
    return ExitCode.DONE


@command(app, "rotate", verb="token rotate", formats=ONE)
async def rotate(
    ctl: Invocation,
    *,
    id_: Id,
    grace: Annotated[
        str,
        typer.Option("--grace", metavar="DURATION", help="The old one is good so long; 0s: over."),
    ] = GRACE,
) -> int:
    """Make a token in the place of another: same name, role, scope and length of life."""
    seconds = read_duration(grace, flag="--grace")
    async with ctl.open(bare=True) as controller:
        made = await controller.tokens.rotate(
            id_, grace=timedelta(seconds=seconds), by=ctl.settings.person.actor
        )
    return _show(ctl, made)


@command(app, "revoke", verb="token revoke", formats=ONE)
async def revoke(ctl: Invocation, *, id_: Id) -> int:
    """End a token now; streams that it opened end within 30 seconds."""
    async with ctl.open(bare=True) as controller:
        ended = await controller.tokens.revoke(id_, by=ctl.settings.person.actor)
    if ctl.document:
        _print(ctl, token_document(ended))
    else:
        ctl.print(f"token {line(ended.id)} of {line(ended.name)} is revoked")
    return ExitCode.DONE


@command(app, "audit", verb="token audit", formats=(Format.TABLE, Format.JSON, Format.JSONL))
async def audit(
    ctl: Invocation,
    *,
    id_: Annotated[str, typer.Argument(metavar="[ID]", help="Only this token.")] = "",
    number: Annotated[int, typer.Option("-n", min=1, max=10_000, help="So many lines.")] = 50,
) -> int:
    """Show what was done with tokens, and by whom, as the activity log has it."""
    async with ctl.open(bare=True) as controller:
        found = await controller.tokens.audit(id_ or None, limit=number)
    if ctl.format is Format.JSON:
        ctl.print(to_json([line_document(one) for one in found]))
    elif ctl.format is Format.JSONL:
        ctl.print(to_jsonl(line_document(one) for one in found))
    else:
        ctl.print("\n".join(entry_text(one, ctl.terminal.style) for one in found))
    return ExitCode.DONE


def read_scope(words: Sequence[str]) -> Scope:
    """Read `targets=GLOB` and `servers=PATTERN`.

    Raises:
        UsageError: it is neither, or said twice.
    """
    said: dict[str, str] = {}
    names = {field.name for field in fields(Scope)}
    for word in words:
        name, _, value = word.partition("=")
        if name not in names or not value or name in said:
            raise UsageError(
                f'--scope takes targets=GLOB and servers=PATTERN, each once, not "{word}"',
                hint="--scope 'targets=shop-*' --scope servers=web",
            )
        said[name] = value
    return Scope(**said)


def _show(ctl: Invocation, made: MintedToken) -> int:
    """Print a fresh token: alone on stdout, so that it can be read into a variable."""
    if ctl.document:
        _print(ctl, {**token_document(made.token), "token": made.text})
        return ExitCode.DONE
    ctl.print(made.text)
    end = "" if made.token.expires_at is None else f" until {moment(made.token.expires_at)}"
    ctl.note(
        f"{made.token.role} token {made.token.id} of {line(made.token.name)}{end}: "
        "keep it now, nobody can show it again"
    )
    return ExitCode.DONE


def _print(ctl: Invocation, told: dict[str, object]) -> None:
    ctl.print(to_json(told) if ctl.format is Format.JSON else to_yaml(told))


def _table(ctl: Invocation, tokens: Sequence[Token]) -> str:
    now = ctl.surroundings.clock.now()
    wide = ctl.format is Format.WIDE
    heads = ("ID", "NAME", "ROLE", "SCOPE", "ENDS", "USED", *(("FROM", "BY") if wide else ()))
    rows = []
    for one in tokens:
        scope = [f"{name}={value}" for name, value in _scope(one.scope) if value is not None]
        ends = one.refusal(now) or (moment(one.expires_at) if one.expires_at else "never")
        if one.refusal(now) is None and one.grace_until is not None:
            ends = f"{moment(one.grace_until)} (rotated)"
        used = "never" if one.used_at is None else age(one.used_at, now)
        more = (one.used_from or "-", one.by or "-") if wide else ()
        rows.append((one.id, one.name, one.role, " ".join(scope) or "all", ends, used, *more))
    return table(heads, rows, ctl.terminal.style, width=None if wide else ctl.terminal.width)


def _scope(scope: Scope) -> tuple[tuple[str, str | None], ...]:
    return ("targets", scope.targets), ("servers", scope.servers)
