"""`ctl pki invite`: tokens by which servers enrol by themselves.

A verb of `pki`, which registers it.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.authority import FOLDER, Days, Dir, actor, folder_of, print_view
from controller.cli.context import Invocation
from controller.cli.dates import read_duration
from controller.cli.enrolling import waiting
from controller.cli.exitcodes import ExitCode
from controller.cli.options import Answer
from controller.cli.views.invitations import Guests, Token
from controller.errors import UsageError
from controller.pki import inviting


def invite(
    ctl: Invocation,
    *,
    name: Annotated[
        str | None, typer.Argument(help="The server, as it is declared; none with --list.")
    ] = None,
    at: Annotated[
        str,
        typer.Option("--at", metavar="HOST:PORT", help="Where agents dial, for the command shown."),
    ] = "HOST:9444",
    valid: Annotated[
        str, typer.Option("--valid", metavar="TIME", help="How long the token is good.")
    ] = "24h",
    san: Annotated[
        list[str] | None,
        typer.Option("--san", metavar="NAME", help="A further DNS: or IP: name."),
    ] = None,
    renew: Annotated[
        bool, typer.Option("--renew", help="For a name that has a certificate already.")
    ] = False,
    listed: Annotated[
        bool, typer.Option("--list", help="List invitations; no token is ever shown again.")
    ] = False,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="End every invitation of the name.")
    ] = False,
    listen: Annotated[
        str | None,
        typer.Option("--listen", metavar="HOST:PORT", help="Answer here until it has enrolled."),
    ] = None,
    days: Days = None,
    place: Dir = FOLDER,
) -> Answer:
    """Make a token by which a server gets its certificate; its key is made there and never leaves it.

    A token is good once, for one name and 24 hours. The server also needs the pin, which tells it whom to trust. Somebody has to
    answer where it dials: a controller that listens for agents, or with --listen this command, as the controller whose certificate
    lies in the authority's folder.
    """
    folder, now = folder_of(ctl, place), ctl.surroundings.clock.now()
    if listed is (name is not None) or (withdraw and (name is None or listen)):
        raise UsageError("invite takes a NAME, or --list; --withdraw takes a NAME alone")
    if name is None:
        print_view(ctl, Guests(invitations=inviting.invited(folder, now=now)))
        return ExitCode.DONE
    if withdraw:
        print_view(ctl, Guests(invitations=inviting.withdraw(folder, name, now=now)))
        return ExitCode.DONE
    guest = inviting.Guest(
        name=name,
        alternatives=tuple(san or ()),
        days=days,
        valid=timedelta(seconds=read_duration(valid, flag="--valid")),
        renew=renew,
    )
    if listen is not None:
        return _and_wait(ctl, folder, guest, at, listen)
    made = inviting.invite(folder, guest, now=now, by=actor(ctl))
    print_view(ctl, Token(invited=made, at=at))
    return ExitCode.DONE


async def _and_wait(
    ctl: Invocation, folder: Path, guest: inviting.Guest, at: str, listen: str
) -> int:
    """Listen first, so that the token that is shown is worth something."""
    async with waiting(ctl, folder, listen) as those:
        now = ctl.surroundings.clock.now()
        made = inviting.invite(folder, guest, now=now, by=actor(ctl))
        print_view(ctl, Token(invited=made, at=at))
        ctl.note(
            f"listens on port {those.listener.port} until {guest.name} has enrolled; Ctrl-C ends that, not the token"
        )
        if not await those.enrolled(guest.name, seconds=guest.valid.total_seconds()):
            ctl.note(f"{guest.name} has not enrolled, and the token has ended")
            return ExitCode.ERROR
    return ExitCode.DONE
