"""`ctl drift`: what differs from what was applied; adopt it, or ignore it for a while."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.context import Format, Invocation
from controller.cli.deciding import Reason, Target, needed_reason, read_until
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command
from controller.cli.plan import Limit
from controller.cli.views.documents import to_json, to_yaml
from controller.cli.views.drift import (
    adoption_notes,
    drift_document,
    drift_text,
    ignored_text,
    patch_text,
)
from controller.cli.views.words import line
from controller.errors import StateError, UsageError
from controller.reconcile.exchange.drifts import Adoption, DriftReport

app = typer.Typer(help="What differs from what was applied: see it, adopt it, ignore it.")

Server = Annotated[str, typer.Argument(metavar="SERVER", help="One of its servers.")]
OnePath = Annotated[
    str | None, typer.Option("--path", metavar="PATH", help="Only this path on the server.")
]
DOCUMENTS = (Format.TABLE, Format.JSON, Format.YAML)


@command(app, "show", verb="drift show", formats=DOCUMENTS)
async def show(
    ctl: Invocation,
    *,
    target: Annotated[
        str | None, typer.Argument(metavar="[TARGET]", help="A target; default: all.")
    ] = None,
    limit: Limit = None,
) -> int:
    """Show every difference on the servers, and what speaks for who made it, with how sure that is.

    Read only. certain: another controller left its name. likely, possible: times, owners, logins and commands of
    sudo that fit; what a server cannot tell is said.
    """
    with ctl.listen() as listener:
        async with ctl.open(listener=listener) as controller:
            report = await controller.drift(target, limit=limit)
    if ctl.format is Format.TABLE:
        ctl.print(drift_text(report, ctl.terminal.style))
    else:
        printer = to_json if ctl.format is Format.JSON else to_yaml
        ctl.print(printer(drift_document(report)))
    _next(ctl, report)
    return ExitCode.DONE


def _next(ctl: Invocation, report: DriftReport) -> None:
    for pair in report.pairs:
        words = f"{shlex.quote(pair.target)} {shlex.quote(pair.server)}"
        if any(part.path is not None for part in pair.parts):
            ctl.next(
                f"ctl apply --heal --target {shlex.quote(pair.target)}",
                f"ctl drift adopt {words} --out drift.patch",
            )
            return
        if pair.parts:
            ctl.next(
                f"ctl apply --heal --target {shlex.quote(pair.target)}",
                f"ctl drift ignore {words} --reason TEXT --until 7d",
            )
            return


@command(app, "adopt", verb="drift adopt")
async def adopt(
    ctl: Invocation,
    *,
    target: Target,
    server: Server,
    path: OnePath = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write the patch there instead of to stdout."),
    ] = None,
) -> int:
    """Write the drifted files of a server as a patch for the config repository; writes nothing else.

    Expressions of templates stay as they are; a change of what they gave is refused with its place (exit 4). Files
    with secrets are refused. Read the patch before you commit it: its text comes from the server.
    """
    with ctl.listen() as listener:
        async with ctl.open(listener=listener) as controller:
            done = await controller.adopt_drift(target, server, path=path)
    for note in adoption_notes(done):
        ctl.note(note)
    if done.patch and out is not None:
        _write(ctl.surroundings.cwd / out, done.patch)
        ctl.next(f"git apply {shlex.quote(str(out))}")
    elif done.patch:
        ctl.print(patch_text(done.patch, terminal=ctl.terminal.width is not None))
        ctl.next(f"{_again(target, server, path)} | git apply")
    return _code(done)


def _code(done: Adoption) -> int:
    return ExitCode.REFUSED if done.refused else ExitCode.DONE


def _again(target: str, server: str, path: str | None) -> str:
    words = ["ctl", "drift", "adopt", target, server, *([] if path is None else ["--path", path])]
    return shlex.join(words)


def _write(path: Path, patch: str) -> None:
    try:
        path.write_bytes(patch.encode())
    except OSError as error:
        raise StateError(f"cannot write {path}: {error.strerror}") from error


@command(app, "ignore", verb="drift ignore", formats=DOCUMENTS)
async def ignore(
    ctl: Invocation,
    *,
    target: Target,
    server: Server,
    path: OnePath = None,
    reason: Reason = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until", metavar="TIME", help="2h, 3d, 2026-12-01 or 2026-12-01T09:00:00Z; needed."
        ),
    ] = None,
    lift: Annotated[bool, typer.Option("--lift", help="Show it again.")] = False,
) -> int:
    """Hide drift of a target on a server, or of one path of it, until a time; plans say so in a note.

    Needs --reason and --until. It is then neither shown nor healed; --lift ends it at once.
    """
    if lift:
        if until is not None:
            raise UsageError("--until is for ignoring", hint="leave out --until")
        return await _lift(ctl, target, server, path, reason or "")
    why = needed_reason(reason)
    end = read_until(until, ctl.surroundings.clock.now())
    if end is None:
        raise UsageError("this needs an end", hint="--until 7d")
    async with ctl.open(write=True) as controller:
        done = await controller.ignore_drift(target, server, path=path, reason=why, until=end)
    _tell(ctl, done, ignored_text(done))
    return ExitCode.DONE


async def _lift(ctl: Invocation, target: str, server: str, path: str | None, reason: str) -> int:
    async with ctl.open(write=True) as controller:
        found = await controller.show_drift_again(target, server, path=path, reason=reason)
    what = f"drift of {line(target)} on {line(server)}" + (f", {line(path)}," if path else "")
    said = f"{what} was not ignored" if found is None else f"{what} is shown again"
    _tell(ctl, {"lifted": found}, said)
    return ExitCode.DONE


def _tell(ctl: Invocation, document: object, text: str) -> None:
    if ctl.format is Format.TABLE:
        ctl.print(text)
    else:
        ctl.print((to_json if ctl.format is Format.JSON else to_yaml)(document))
