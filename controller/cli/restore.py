"""`ctl restore`: a state from a backup, and the word that lets it act again."""

from pathlib import Path
from typing import Annotated

import typer

from controller.cli.context import Format, Invocation
from controller.cli.doorway import restore_state
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command
from controller.cli.views.documents import to_json, to_yaml
from controller.cli.views.words import count, line
from controller.errors import UsageError
from controller.source.place import find
from controller.store.folder import STATE_FOLDER, folder_of

app = typer.Typer()


@command(app, "restore", formats=(Format.TABLE, Format.JSON, Format.YAML))
async def restore(
    ctl: Invocation,
    *,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="What ctl backup wrote.")
    ] = None,
    release: Annotated[
        bool, typer.Option("--release", help="Let a restored state start work again.")
    ] = False,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why.")] = None,
) -> int:
    """Write a backup into a state that is not there yet, or is empty. Nothing is started from it until --release.

    What was open in the backup is closed: work that had begun is interrupted, the rest is planned anew; what is in force is
    learnt from the servers by the next plan.
    """
    if release == (file is not None):
        raise UsageError("name a FILE, or --release", hint="ctl restore FILE")
    if release:
        return await _release(ctl, reason)
    if file is None or reason is not None:
        raise UsageError("--reason goes with --release")
    if ctl.wishes.controller is not None:
        raise UsageError(
            "a backup is restored on this machine, through no controller",
            hint="leave out --controller; --release goes through one",
        )
    done = await restore_state(
        ctl.surroundings.cwd / file,
        _state(ctl),
        actor=ctl.settings.person.actor,
        clock=ctl.surroundings.clock,
    )
    told = {
        "made_at": done.made_at,
        "files": done.files,
        "cancelled": done.cancelled,
        "interrupted": done.interrupted,
    }
    words = f"restored the state of {done.made_at} into {line(str(_state(ctl)))}; it is held"
    if done.cancelled or done.interrupted:
        words += (
            f"\nof {count(done.cancelled + done.interrupted, 'open job')}: "
            f"{done.cancelled} never began and will be planned anew, {done.interrupted} interrupted"
        )
    _print(ctl, told, words)
    ctl.next("ctl plan", "ctl restore --release --reason TEXT")
    return ExitCode.DONE


async def _release(ctl: Invocation, reason: str | None) -> int:
    if not reason:
        raise UsageError("letting a restored state act needs a reason", hint="--reason TEXT")
    async with ctl.open(bare=True, known=True) as controller:
        held = await controller.release(reason=reason)
    if held is None:
        _print(ctl, {"released": None}, "nothing held this state")
    else:
        _print(
            ctl, {"released": held}, f"the state may start work again; it was held: {line(held)}"
        )
    ctl.next("ctl plan")
    return ExitCode.DONE


def _state(ctl: Invocation) -> Path:
    """Say where the state is to be.

    Raises:
        NotFoundError: there is no config repository here, and no --state.
        UsageError: the state is a database.
    """
    said = ctl.settings.where.state
    if said is None:
        return find(ctl.directory) / STATE_FOLDER
    return ctl.surroundings.cwd / folder_of(said)


def _print(ctl: Invocation, told: dict[str, object], words: str) -> None:
    if ctl.format is Format.JSON:
        ctl.print(to_json(told))
    elif ctl.format is Format.YAML:
        ctl.print(to_yaml(told))
    else:
        ctl.print(words)
