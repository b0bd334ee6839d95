"""`ctl pki`: the authority of the agents' wire, its certificates, and their end.

Works on files alone, without a controller and a config repository.
"""

from pathlib import Path
from typing import Annotated

import typer

from controller.cli import delivery, inviting
from controller.cli.authority import FOLDER, FORMATS, Days, Dir, actor, flag, folder_of, print_view
from controller.cli.context import Format, Invocation
from controller.cli.exitcodes import ExitCode
from controller.cli.options import READING, command
from controller.cli.views import certificates as sheets
from controller.cli.views.documents import to_jsonl
from controller.cli.views.pki import Listing
from controller.errors import UsageError
from controller.pki import founding, issuing, revoking, root, shelf
from controller.pki.finding import latest, of_word
from controller.pki.ledger import LIVE
from controller.pki.reason import Reason
from controller.pki.role import PEOPLE, Role
from controller.pki.subject import ROOT, check_owner

app = typer.Typer()

Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Write certificate, key and ca.crt there as well."),
]
Csr = Annotated[
    Path | None,
    typer.Option("--csr", metavar="FILE", help="Sign the key of this request; make none."),
]


@command(app, "init", verb="pki init", formats=FORMATS)
def init(
    ctl: Invocation,
    *,
    place: Dir = FOLDER,
    organisation: Annotated[
        str | None,
        typer.Option(
            "--organisation", metavar="NAME", help="The O of every certificate; default Tillerman."
        ),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option("--days", metavar="N", help="How long the authority lives; default 3650."),
    ] = None,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Make a successor; ca.crt then holds both.")
    ] = False,
    retire: Annotated[
        str | None, typer.Option("--retire", metavar="ID", help="End the trust in the old one.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Retire it though certificates of it are still good.")
    ] = False,
) -> int:
    """Make an authority, its successor, or end the old one.

    To rotate: --rotate, carry ca.crt to every server, renew every certificate, then --retire ID.
    """
    if (rotate and retire is not None) or (force and retire is None):
        raise UsageError("--rotate and --retire are two steps; --force belongs to --retire")
    if (organisation and (rotate or retire)) or (days is not None and retire):
        raise UsageError("--organisation is for the first authority, --days for a new one")
    folder, now, by = folder_of(ctl, place), ctl.surroundings.clock.now(), actor(ctl)
    if retire is not None:
        founding.retire(folder, retire, now=now, by=by, force=force)
        ctl.note(f"retired {retire}: its certificates are refused by whoever has the new ca.crt")
    elif rotate:
        founding.rotate(folder, now=now, by=by, days=root.DAYS if days is None else days)
    else:
        founding.found(
            folder,
            now=now,
            by=by,
            organisation=founding.ORGANISATION if organisation is None else organisation,
            days=root.DAYS if days is None else days,
        )
    known = shelf.look(folder)
    print_view(ctl, sheets.Authorities(ledger=known, now=now, folder=folder))
    step = "renew NAME" if rotate else "issue NAME --role agent --out DIR"
    ctl.next(f"ctl pki {step}{flag(place)}")
    return ExitCode.DONE


@command(app, "issue", verb="pki issue", formats=FORMATS)
def issue(
    ctl: Invocation,
    *,
    name: Annotated[
        str | None, typer.Argument(help="A server as it is declared, or a person.")
    ] = None,
    role: Annotated[
        Role | None, typer.Option("--role", metavar="ROLE", help="agent, user, admin, controller.")
    ] = None,
    san: Annotated[
        list[str] | None,
        typer.Option("--san", metavar="NAME", help="A further DNS:, IP:, email: or URI: name."),
    ] = None,
    days: Days = None,
    out: Out = None,
    csr: Csr = None,
    owner: Annotated[
        str | None,
        typer.Option("--owner", metavar="USER", help="For this Linux user, who gets the files."),
    ] = None,
    place: Dir = FOLDER,
) -> int:
    """Sign a certificate for a name that has none.

    It lives 397 days for agent and controller, 90 for user and admin. An agent and a controller carry their name as DNS or IP;
    a user and an admin carry none. With --owner the name is that of a Linux user, and the role user unless it is admin.
    """
    whose, what = _subject(name, role, owner)
    folder, now = folder_of(ctl, place), ctl.surroundings.clock.now()
    wish = issuing.Wish(
        name=whose,
        role=what,
        alternatives=tuple(san or ()),
        days=days,
        request=delivery.request(ctl, csr),
    )
    to = delivery.prepare(ctl, folder, out, whose, owner)
    one = issuing.issue(folder, wish, now=now, by=actor(ctl))
    delivery.deliver(ctl, folder, one, out, to)
    print_view(ctl, sheets.Certificate(ledger=shelf.look(folder), one=one, now=now, folder=folder))
    return ExitCode.DONE


@command(app, "list", verb="pki list", formats=READING)
def list_(
    ctl: Invocation,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what is expired, revoked or retired.")
    ] = False,
    place: Dir = FOLDER,
) -> int:
    """List authorities and certificates with the days they have left; warn below 30, 7 and 1."""
    folder = folder_of(ctl, place)
    listing = Listing(
        ledger=shelf.look(folder), now=ctl.surroundings.clock.now(), everything=everything
    )
    match ctl.format:
        case Format.NAME:
            ctl.print("\n".join(listing.names()))
        case Format.JSONL:
            ctl.print(to_jsonl(listing.documents()))
        case _:
            print_view(ctl, listing)
    for warning in listing.warnings():
        ctl.note(warning)
    return ExitCode.DONE


@command(app, "show", verb="pki show", formats=FORMATS)
def show(
    ctl: Invocation,
    *,
    name: Annotated[str, typer.Argument(help="A name, a serial, or ca for the authority itself.")],
    place: Dir = FOLDER,
) -> int:
    """Show every field of a certificate, its fingerprint, and the pin that enrolment takes."""
    folder, now = folder_of(ctl, place), ctl.surroundings.clock.now()
    known = shelf.look(folder)
    if name == ROOT:
        print_view(ctl, sheets.Authorities(ledger=known, now=now, folder=folder))
        return ExitCode.DONE
    own = name.removeprefix(f"{ROOT}-")
    one = next((a for a in known.authorities if a.authority == own), None)
    if one is not None:
        print_view(ctl, sheets.Authority(ledger=known, one=one, now=now))
        return ExitCode.DONE
    found = of_word(known, name)
    good = [each for each in found if known.state(each, now) in LIVE]
    last = (good or list(found))[-1]
    print_view(ctl, sheets.Certificate(ledger=known, one=last, now=now, folder=folder))
    return ExitCode.DONE


@command(app, "renew", verb="pki renew", formats=FORMATS)
def renew(
    ctl: Invocation,
    *,
    name: Annotated[str | None, typer.Argument(help="Whose next certificate to sign.")] = None,
    same_key: Annotated[
        bool, typer.Option("--same-key", help="Keep the key; otherwise a new one is made.")
    ] = False,
    revoke_old: Annotated[
        bool, typer.Option("--revoke-old", help="Refuse those before it from now on.")
    ] = False,
    crl: Annotated[
        bool, typer.Option("--crl", help="Only sign the revocation list and deny list anew.")
    ] = False,
    days: Days = None,
    out: Out = None,
    csr: Csr = None,
    place: Dir = FOLDER,
) -> int:
    """Sign the next certificate of a name before the one it has ends; role and names stay.

    The old one stays good until its end unless --revoke-old.
    """
    folder, now = folder_of(ctl, place), ctl.surroundings.clock.now()
    if crl is (name is not None):
        raise UsageError("renew takes a NAME, or --crl")
    if name is None:
        if same_key or revoke_old or days is not None or out or csr:
            raise UsageError("--crl stands alone: it signs no certificate")
        revoking.relist(folder, now=now)
        ctl.note(f"signed {folder / shelf.CRL} and wrote {folder / shelf.DENIED}")
        return ExitCode.DONE
    renewal = issuing.Renewal(
        days=days, same_key=same_key, request=delivery.request(ctl, csr), revoke_old=revoke_old
    )
    whose = latest(shelf.look(folder), name, now).name
    to = delivery.prepare(ctl, folder, out, whose, None)
    one = issuing.renew(folder, whose, renewal, now=now, by=actor(ctl))
    delivery.deliver(ctl, folder, one, out, to)
    print_view(ctl, sheets.Certificate(ledger=shelf.look(folder), one=one, now=now, folder=folder))
    return ExitCode.DONE


@command(app, "revoke", verb="pki revoke", formats=FORMATS)
def revoke(
    ctl: Invocation,
    *,
    word: Annotated[str, typer.Argument(metavar="NAME|SERIAL", help="Which certificate.")],
    reason: Annotated[
        Reason, typer.Option("--reason", metavar="WHY", help=f"One of: {', '.join(Reason)}.")
    ] = Reason.UNSPECIFIED,
    place: Dir = FOLDER,
) -> int:
    """Refuse every good certificate of a name, or the one of a serial, from now on.

    Writes the deny list, which listeners read within 30 seconds, and the revocation list. It cannot be undone.
    """
    folder, now = folder_of(ctl, place), ctl.surroundings.clock.now()
    gone = revoking.revoke(folder, word, reason=reason, now=now, by=actor(ctl))
    print_view(ctl, Listing(ledger=shelf.look(folder), now=now, everything=True, only=gone))
    return ExitCode.DONE


command(app, "invite", verb="pki invite", formats=FORMATS)(inviting.invite)


def _subject(name: str | None, role: Role | None, owner: str | None) -> tuple[str, Role]:
    """Settle for whom a certificate is.

    Raises:
        UsageError: name, role and owner do not say one thing.
    """
    if owner is not None:
        check_owner(owner)
        role = role or Role.USER
        if role not in PEOPLE or name not in {None, owner}:
            raise UsageError(
                "--owner USER names the certificate itself, of role user or admin",
                hint=f"ctl pki issue --owner {owner}",
            )
        return owner, role
    if name is None or role is None:
        raise UsageError(
            "issue takes a NAME and a --role, or an --owner", hint=f"roles: {', '.join(Role)}"
        )
    return name, role
