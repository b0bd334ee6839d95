"""Finding certificates by what people type: a name, or a serial.

Called by `issuing`, `revoking` and `ctl pki show`. Pure.
"""

from datetime import datetime
from difflib import get_close_matches

from controller.errors import NotFoundError, RefusedError, UsageError
from controller.pki import serial
from controller.pki.entries import Issued
from controller.pki.ledger import Ledger


def of_word(ledger: Ledger, word: str) -> tuple[Issued, ...]:
    """Give every certificate of a name, or the one of a serial; oldest first.

    Raises:
        NotFoundError: there is none.
        UsageError: the word is the name of one and the serial of another.
    """
    named = ledger.of_name(word)
    digits = serial.read(word)
    numbered = ledger.issued.get(digits) if digits else None
    if named and numbered is not None:
        raise UsageError(
            f'cannot tell which is meant: "{word}" is a name and a serial',
            hint="type the serial with colons",
        )
    if named:
        return named
    if numbered is not None:
        return (numbered,)
    near = get_close_matches(word, ledger.names, n=1)
    raise NotFoundError(
        f'cannot find a certificate of "{word}"',
        hint=f'did you mean "{near[0]}"?' if near else "ctl pki list shows all",
    )


def latest(ledger: Ledger, name: str, now: datetime) -> Issued:
    """Give the newest good certificate of a name.

    Raises:
        NotFoundError: it never had one.
        RefusedError: it has had one, and none is good any more.
        UsageError: it is a serial.
    """
    live = ledger.live(name, now)
    if live:
        return live[-1]
    last = of_word(ledger, name)[-1]
    if ledger.live(last.name, now) and last.name.lower() != name.lower():
        raise UsageError(
            f"cannot renew a serial: {last.name} is its name", hint=f"ctl pki renew {last.name}"
        )
    raise RefusedError(
        f"cannot renew {last.name}: its last certificate is {ledger.state(last, now)}",
        hint=f"ctl pki issue {last.name} --role {last.role}",
    )
