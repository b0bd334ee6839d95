"""Tokens of the API: made, proved, rotated, revoked. Only a SHA-256 of a secret is ever kept.

Called by `api` for every request, by the faces for `ctl token`, and by `service` at the first start; calls the store. A token is 32
letters: eight that are its public id, and 24 that are secret (142 bits, so that a plain hash is enough).
"""

import asyncio
import hashlib
import hmac
import secrets
import string
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from controller.clock import Clock
from controller.errors import NotFoundError, RefusedError, UsageError
from controller.journal.line import Line
from controller.journal.log import Log
from controller.model.token import Actor, Role, Scope, Token
from controller.store.ports_serving import Tokens

ALPHABET: Final = string.digits + string.ascii_letters
ID_LENGTH: Final = 8
SECRET_LENGTH: Final = 24
LENGTH: Final = ID_LENGTH + SECRET_LENGTH
MOST: Final = 1000
"""Tokens that are good at the same time."""
LONGEST_GRACE: Final = timedelta(days=30)
READ: Final = 20_000
"""Lines of the activity log that an audit looks at."""
USED_EVERY: Final = timedelta(minutes=1)
LONGEST_NAME: Final = 63
NOBODY: Final = hashlib.sha256(b"nobody").hexdigest()
"""What an unknown id is compared with, so that it takes the same work as a known one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """A token just made, and its text, which nobody can show again."""

    token: Token
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a text proved: the token when it is good, else why not in one word; `unknown` covers all that cannot be told apart."""

    token: Token | None = None
    refusal: str | None = None


def mint() -> str:
    """Make the text of a fresh token."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def hash_of(text: bytes) -> str:
    """Hash the secret part of a token."""
    return hashlib.sha256(text[ID_LENGTH:]).hexdigest()


def id_of(text: bytes) -> str | None:
    """Read the public part; None when it cannot be a token at all."""
    if len(text) != LENGTH or not text.isascii() or not text.isalnum():
        return None
    return text[:ID_LENGTH].decode("ascii")


def matches(text: bytes, stored: Token | None) -> bool:
    """Compare in constant time; an unknown token takes the same work as a wrong one."""
    wanted = NOBODY if stored is None else stored.sha256
    same = hmac.compare_digest(hash_of(text).encode(), wanted.encode())
    return same and stored is not None


def actor_of(token: Token) -> Actor:
    """Say who asks by a token that is good."""
    return Actor(name=token.name, role=token.role, kind="token", id=token.id, scope=token.scope)


class TokenDesk:
    """Makes, proves and ends tokens.

    Args:
        tokens: the shelf.
        activity: the log of who changed what.
        clock: says what time it is.
    """

    def __init__(self, tokens: Tokens, activity: Log, clock: Clock) -> None:
        self._tokens = tokens
        self._activity = activity
        self._clock = clock
        self._noted: dict[str, datetime] = {}

    async def verify(self, text: bytes) -> Proof:
        """Say whether a text is a good token now. The store is asked every time, so that a revocation counts at once."""
        id_ = id_of(text)
        found = None if id_ is None else await self._tokens.get(id_)
        if not matches(text, found) or found is None:
            return Proof(refusal="unknown")
        refusal = found.refusal(self._clock.now())
        return Proof(token=found, refusal=refusal)

    async def still_good(self, id_: str) -> bool:
        """Say whether a token that was proved is good still; open streams ask again and again."""
        found = await self._tokens.get(id_)
        return found is not None and found.refusal(self._clock.now()) is None

    async def note_use(self, id_: str, place: str) -> None:
        """Note from where a token was used, once a minute at most."""
        now = self._clock.now()
        before = self._noted.get(id_)
        if before is not None and now - before < USED_EVERY:
            return
        if len(self._noted) >= MOST:
            self._noted.clear()
        self._noted[id_] = now
        await self._tokens.used(id_, now, place)

    async def create(
        self,
        *,
        name: str,
        role: Role,
        scope: Scope | None = None,
        expires: timedelta | None = None,
        by: str,
    ) -> Minted:
        """Make a token.

        Args:
            name: whose it is; the word that `access` uses.
            role: what it may do.
            scope: what of the fleet it reaches.
            expires: how long it is good; None: until it is revoked.
            by: who makes it.

        Raises:
            UsageError: the name or the time is not one.
            RefusedError: there are too many.
        """
        guard_name(name)
        now = self._clock.now()
        if expires is not None and expires <= timedelta(0):
            raise UsageError("a token that has ended already is of no use", hint="expires: 90d")
        kept = await self._tokens.all()
        if sum(1 for one in kept if one.refusal(now) is None) >= MOST:
            raise RefusedError(f"there are {MOST} tokens already", hint="revoke some first")
        ends = None if expires is None else now + expires
        told = {
            "name": name,
            "role": role.value,
            "expires": None if ends is None else ends.isoformat(),
        }
        await self._activity.append("token-creating", by, **told)
        minted = await self._add(
            Token(
                id="", name=name, role=role, sha256="", scope=scope or Scope(), by=by,
                created_at=now, expires_at=ends,
            )
        )  # fmt: skip
        await self._activity.conclude("token-created", by, token=minted.token.id, **told)
        return minted

    async def all(self) -> tuple[Token, ...]:
        """List all tokens, those that are over included."""
        return await self._tokens.all()

    async def rotate(self, id_: str, *, grace: timedelta, by: str) -> Minted:
        """Make a token in the place of another, which stays good for `grace`.

        Raises:
            NotFoundError: there is no such token.
            RefusedError: it is over, or was rotated before.
            UsageError: the grace is negative or longer than 30 days.
        """
        if not timedelta(0) <= grace <= LONGEST_GRACE:
            raise UsageError(f"a grace is at most {LONGEST_GRACE.days} days", hint="grace: 24h")
        old, now = await self._known(id_), self._clock.now()
        refusal = "rotated" if old.successor is not None else old.refusal(now)
        if refusal is not None:
            raise RefusedError(
                f"cannot rotate token {id_}: it is {refusal}", hint="create a new one"
            )
        await self._activity.append("token-rotating", by, token=id_, name=old.name)
        life = None if old.expires_at is None else old.expires_at - old.created_at
        made = await self._add(
            replace(
                old, by=by, created_at=now, expires_at=None if life is None else now + life,
                used_at=None, used_from=None,
            )
        )  # fmt: skip
        after = replace(old, grace_until=now + grace, successor=made.token.id)
        if not await self._tokens.change(old, after):
            await self._end(made.token, now)
            raise RefusedError(f"cannot rotate token {id_}: somebody else just changed it")
        await self._activity.conclude("token-rotated", by, token=id_, successor=made.token.id)
        return made

    async def revoke(self, id_: str, *, by: str) -> Token:
        """End a token now, on open streams too; one that was revoked stays as it is.

        Raises:
            NotFoundError: there is no such token.
        """
        found = await self._known(id_)
        if found.revoked_at is not None:
            return found
        await self._activity.append("token-revoking", by, token=id_, name=found.name)
        ended = await self._end(found, self._clock.now())
        await self._activity.conclude("token-revoked", by, token=id_, name=found.name)
        return ended

    async def audit(self, id_: str | None = None, *, limit: int = 50) -> tuple[Line, ...]:
        """List what the activity log has of tokens, or of one of them, oldest first."""
        lines = await asyncio.to_thread(self._activity.tail, READ)
        found = [line for line in lines if _speaks_of(line, id_)]
        return tuple(found[-limit:])

    async def first(self, *, by: str) -> Minted | None:
        """Make the admin's token of the first start; None when there is any token already."""
        if await self._tokens.all():
            return None
        return await self.create(name="admin", role=Role.ADMIN, by=by)

    async def _add(self, token: Token) -> Minted:
        while True:
            text = mint()
            made = replace(token, id=text[:ID_LENGTH], sha256=hash_of(text.encode()))
            if await self._tokens.add(made):
                return Minted(token=made, text=text)

    async def _end(self, token: Token, now: datetime) -> Token:
        while True:
            ended = replace(token, revoked_at=now)
            if await self._tokens.change(token, ended):
                return ended
            token = await self._known(token.id)
            if token.revoked_at is not None:
                return token

    async def _known(self, id_: str) -> Token:
        found = await self._tokens.get(id_)
        if found is None:
            raise NotFoundError(f"there is no token {id_[:LENGTH]!r}", hint="ctl token list")
        return found


def _speaks_of(line: Line, id_: str | None) -> bool:
    """Say whether a line of the log was written about a token, or about what was done with it."""
    token = line.fields.get("token")
    if id_ is None:
        return token is not None or line.event.startswith("token-")
    return id_ in {token, line.fields.get("successor")}


def guard_name(name: str) -> None:
    """Refuse what cannot be anybody's name.

    Raises:
        UsageError: it is empty, long, holds more than letters, digits and "@._-", or is root's, as whom commands that nobody
            declared would then run.
    """
    if name == "root":
        raise UsageError("a token cannot be root's", hint="the name of a person or a program")
    good = name.isascii() and all(sign.isalnum() or sign in "@._-" for sign in name)
    if not name or len(name) > LONGEST_NAME or not good:
        raise UsageError(
            "a token's name has 1 to 63 letters, digits or @ . _ -",
            hint="the word that access uses",
        )
