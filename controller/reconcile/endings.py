"""Everything of a controller that ends at a known time: secrets, tokens, certificates, and what people decided for a while.

Called by the loop's reconciler of endings; calls `secrets` and `pki`. Nothing here reads a value.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Final

from controller.errors import ControllerError, NotFoundError, RefusedError, StateError
from controller.model.declaration import Declaration
from controller.model.standing import Ignore, Pin, Standing, Suspension
from controller.model.token import Token
from controller.pki import shelf
from controller.pki.details import details
from controller.pki.ledger import Ledger, State
from controller.planning.expiry import DAYS, Ending
from controller.secrets.expiring import expiring

LARGEST: Final = 1 << 20
"""Bytes of a certificate's file that are read."""
MOST: Final = 1_000
"""Certificates of a folder without a ledger that are looked at."""
LONG_OVER: Final = timedelta(days=30)
"""Tokens and certificates that ended before are nobody's loss any more."""
AHEAD: Final = timedelta(days=1)
"""How much earlier than the first warning a secret is known of, so that it is not overslept."""


def secret_endings(declaration: Declaration, now: datetime) -> Iterator[Ending]:
    """List the declared secrets whose end is near."""
    for one in expiring(declaration, now, (*DAYS, max(DAYS) + AHEAD.days)):
        users = [*(f"repo {name}" for name in one.repos), *(f"task {name}" for name in one.tasks)]
        yield Ending(
            subject=f"secret/{one.name}",
            title=f"secret {one.name}",
            ends=datetime.combine(one.ends, time(), UTC),
            lines=(f"used by {', '.join(users)}",) if users else (),
            facts={"secret": one.name, "repos": list(one.repos), "tasks": list(one.tasks)},
        )


def token_endings(tokens: Iterable[Token], now: datetime) -> Iterator[Ending]:
    """List the tokens that end by themselves; one that was replaced is nobody's loss."""
    for token in tokens:
        ended = token.refusal(now) not in {None, "expired"} or token.successor is not None
        if token.expires_at is None or ended or token.expires_at < now - LONG_OVER:
            continue
        yield Ending(
            subject=f"token/{token.id}",
            title=f"token {token.name} ({token.id})",
            ends=token.expires_at,
            began=token.created_at,
            lines=(f"ctl token rotate {token.id}",),
            facts={"token": token.id, "name": token.name, "role": token.role.value},
        )


def certificate_endings(folder: Path, now: datetime) -> tuple[Ending, ...]:
    """List the certificates in the controller's folder; nothing where there is none.

    An authority knows all that it ever signed, and what became of it. Elsewhere the files say what there is.
    """
    try:
        ledger = shelf.look(folder)
    except (
        NotFoundError,
        RefusedError,
        StateError,
    ):  # whoever signs there says what is wrong with it
        found = _of_files(folder)
    else:
        found = _of_ledger(ledger, now)
    return tuple(one for one in found if one.ends >= now - LONG_OVER)


def decided_ends(declaration: Declaration, standing: Standing) -> Iterator[tuple[datetime, str]]:
    """List when what holds a target for a while ends, and which target that is."""
    for target in declaration.targets.values():
        if target.suspended is not None and target.suspended.until is not None:
            yield target.suspended.until, target.name
    facts: tuple[Suspension | Pin | Ignore, ...] = (
        *standing.suspensions.values(),
        *standing.pins.values(),
        *standing.ignores,
    )
    for fact in facts:
        if fact.until is not None and fact.target in declaration.targets:
            yield fact.until, fact.target


def _of_ledger(ledger: Ledger, now: datetime) -> Iterator[Ending]:
    newest = ledger.newest
    yield _certificate("the authority", newest.not_before, newest.not_after, "ctl pki init")
    for serials in ledger.names.values():
        last = ledger.issued[serials[-1]]
        if ledger.state(last, now) in {State.VALID, State.EXPIRED}:
            renew = f"ctl pki renew {last.name}"
            yield _certificate(last.name, last.not_before, last.not_after, renew)


def _of_files(folder: Path) -> Iterator[Ending]:
    for path in sorted(folder.glob("*.crt"))[:MOST]:
        try:
            with path.open("rb") as file:
                found = details(file.read(LARGEST).decode("ascii"), where=str(path))
        except (
            OSError,
            ValueError,
            ControllerError,
        ):  # whoever needs it says what is wrong with it
            continue
        renew = f"ctl pki renew {path.stem}, where the authority is"
        yield _certificate(path.stem, found.not_before, found.not_after, renew)


def _certificate(name: str, began: datetime, ends: datetime, remedy: str) -> Ending:
    return Ending(
        subject=f"certificate/{name.replace(' ', '-')}",
        title=f"certificate of {name}",
        ends=ends,
        began=began,
        lines=(remedy,),
        facts={"certificate": name},
    )
