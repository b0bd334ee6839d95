"""`ctl-agent.pyz enroll`: a key made on this server, and a certificate for it from a controller that was never met before.

`main` calls it; it calls `keyfolder`, `pinning` and `proxy`. What is believed grows in this order: the pin, which a person typed;
the authority whose key has it; over a second connection, the controller whose certificate that authority signed for the very
name that is dialled. Only this one is shown the token. What it answers is tried before it is used.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from controller.agent import pinning
from controller.agent.asking import PATIENCE, LostError, Way, anybody, ask, pinned
from controller.agent.errors import EnrolmentError, SettingsError
from controller.agent.keyfolder import KeyFolder, open_keys
from controller.agent.settings import load_settings
from controller.agent.values import Address
from controller.wire.enrolment import AskAuthority, Authority, Enroll, Enrolled
from controller.wire.record import record

OWN = ("token", "token-file", "ca-pin")
"""What enrolment takes beside the agent's settings."""
TRIES = 3
PAUSE = 2.0
LONGEST_TOKEN = 200


@record
class Wish:
    """Who asks whom for what, and where its keys lie."""

    name: str
    keys: str
    way: Way
    token: str
    pin: str


def enroll_here(words: Sequence[str]) -> Iterator[str]:
    """Enrol this server as words say; tells each step.

    Raises:
        EnrolmentError: it cannot be; what the folder held is as it was.
        FolderError: the folder cannot be trusted or written.
        SettingsError: something is missing or cannot be.
    """
    wish = read_wish(words)
    folder = open_keys(wish.keys, wish.name)
    waited = folder.waits()
    try:
        made = asyncio.run(_enrol(wish, folder))
        folder.adopt(made.certificate.encode(), made.authority.encode())
    except BaseException as error:
        # After a lost answer the token is good for this key alone, so it waits for the next try.
        if not waited and not isinstance(error, LostError):
            folder.drop()
        raise
    finally:
        folder.close()
    yield f"wrote {wish.keys}/{wish.name}.crt, {wish.name}.key and ca.crt"
    yield "an agent that runs reads them by itself; next, where none does: ctl-agent.pyz install"


def read_wish(words: Sequence[str]) -> Wish:
    """Read the command line.

    Raises:
        SettingsError: something is missing or cannot be.
    """
    own, rest = _own_words(words)
    settings = load_settings(rest)
    token = own.get("token", "") or _token_in(own.get("token-file", ""))
    missing = [
        name
        for name, value in (
            ("--connect HOST:PORT", settings.connect),
            ("--name NAME", settings.name),
            ("--token TOKEN", token),
            ("--ca-pin sha256:…", own.get("ca-pin")),
        )
        if not value
    ]
    if missing or not isinstance(settings.connect, Address):
        hint = "ctl pki invite NAME, on the controller's machine, prints the whole command"
        raise SettingsError(f"cannot enroll without {', '.join(missing)}", hint=hint)
    if not pinning.PIN.fullmatch(own["ca-pin"]):
        raise SettingsError(
            "cannot use the pin: sha256: and 64 hex digits", hint="ctl pki show ca tells it"
        )
    way = Way(to=settings.connect, proxy=settings.proxy, patience=PATIENCE)
    return Wish(name=settings.name, keys=settings.pki, way=way, token=token, pin=own["ca-pin"])


async def _enrol(wish: Wish, folder: KeyFolder) -> Enrolled:
    """Find out whom to trust, then ask for the certificate; a lost answer is asked for again, with the same key."""
    told = await ask(wish.way, anybody(), AskAuthority(), Authority)
    authority = pinning.find_pinned(told.authority, wish.pin)
    if authority is None:
        raise EnrolmentError(
            f"cannot trust {wish.way.to}: it shows no authority with the pin {wish.pin}",
            hint="is that the pin which ctl pki show ca tells? If it is, somebody stands between",
        )
    context = pinned(authority)
    request = (await asyncio.to_thread(folder.request)).decode("ascii")
    question = Enroll(token=wish.token, name=wish.name, request=request)
    for left in reversed(range(TRIES)):
        try:
            return await ask(wish.way, context, question, Enrolled)
        except LostError:
            if left == 0:
                raise
        await asyncio.sleep(PAUSE)
    raise AssertionError("the last try raises or returns")


def _own_words(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Part what is enrolment's own from the agent's settings."""
    own: dict[str, str] = {}
    rest: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        name, equals, value = word[2:].partition("=")
        if not word.startswith("--") or name not in OWN:
            rest.append(word)
        elif name in own:
            raise SettingsError(f"cannot set {name} twice")
        elif not equals and not left:
            raise SettingsError(f"--{name}: needs a value")
        else:
            own[name] = value if equals else left.pop(0)
    return own, rest


def _token_in(path: str) -> str:
    """Read the token from a file, or `-` for stdin."""
    if not path:
        return ""
    try:
        if path == "-":
            return sys.stdin.read(LONGEST_TOKEN).strip()
        with Path(path).open(encoding="ascii") as file:
            return file.read(LONGEST_TOKEN).strip()
    except (OSError, ValueError) as error:
        raise SettingsError(f"cannot read the token in {path}: {error}") from error
