"""`ctl trust`: host keys, shown first, pinned after a yes."""

from collections.abc import Sequence
from typing import Annotated

import typer

from controller.cli.context import Format, Invocation
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command
from controller.cli.views.documents import to_json
from controller.cli.views.tables import table
from controller.cli.views.words import count, line
from controller.reconcile.exchange.checks import KeyOffer

app = typer.Typer()


@command(app, "trust", formats=(Format.TABLE, Format.JSON))
async def trust(
    ctl: Invocation,
    *,
    names: Annotated[
        list[str],
        typer.Argument(metavar="SERVER|repo/NAME...", help="Servers, or git hosts of repos."),
    ],
    yes: Annotated[
        bool, typer.Option("-y", "--yes", help="Do not ask; the network then vouches for the keys.")
    ] = False,
) -> int:
    """Fetch host keys, show their fingerprints and, after a yes, pin them in keys/known_hosts.

    Nothing is ever trusted silently. Compare the fingerprints with those on the machine itself:
    ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub
    """
    async with ctl.open(here=True) as controller:
        offers = await controller.trust(tuple(names))
        _show(ctl, offers)
        fresh = [offer for offer in offers if not offer.known]
        if not fresh:
            ctl.note("all of these are pinned already")
            return ExitCode.DONE
        question = f"Pin {count(len(fresh), 'host key')}?"
        if any(offer.conflicts for offer in fresh):
            question = f"Another key is pinned already for some of these names. {question}"
        if not (yes or ctl.confirm(question, flag="-y")):
            ctl.note("nothing was pinned")
            return ExitCode.REFUSED
        path = await controller.accept(fresh)
    ctl.note(f"pinned in {line(path)}")
    ctl.next(f"git add {line(path)} && git commit -m 'Pin host keys'")
    return ExitCode.DONE


def _show(ctl: Invocation, offers: Sequence[KeyOffer]) -> None:
    if ctl.format is Format.JSON:
        ctl.print(to_json(list(offers)))
        return
    heads = ("NAME", "ADDRESS", "KEY", "FINGERPRINT", "PINNED")
    rows = [
        (
            offer.name,
            f"{offer.address}:{offer.port}",
            next(iter(offer.line.split()[1:2]), "-"),
            offer.fingerprint,
            "yes" if offer.known else "another" if offer.conflicts else "no",
        )
        for offer in offers
    ]
    ctl.print(table(heads, rows, ctl.terminal.style))
