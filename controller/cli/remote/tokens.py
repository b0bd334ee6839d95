"""Tokens of a serving controller, behind the port that `ctl token` uses here."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from controller.cli.remote.client import Client, listing, mapping
from controller.cli.remote.reading import line_of, token_of
from controller.cli.remote.said import ROTATE_GRACE, said, unless
from controller.errors import NotFoundError
from controller.journal.line import Line
from controller.model.token import Role, Scope, Token

PAGE = 500
ID_LENGTH: Final = 8
"""Letters of the id of a token."""
MOST_SHOWN: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """A token just made, and its text, which nobody can show again."""

    token: Token
    text: str


class RemoteTokens:
    """Tokens over there; who acts is whoever the own token names, whatever `by` says."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def create(
        self,
        *,
        name: str,
        role: Role,
        scope: Scope | None = None,
        expires: timedelta | None = None,
        by: str,
    ) -> Minted:
        """Make a token."""
        del by
        reach = scope or Scope()
        body = said(
            name=name,
            role=role.value,
            scope=said(targets=reach.targets, servers=reach.servers),
            expires=None if expires is None else expires.total_seconds(),
        )
        return _minted(await self._client.send("POST", "/api/v1/tokens", body))

    async def all(self) -> tuple[Token, ...]:
        """List all tokens, those that are over included."""
        return tuple(map(token_of, listing(await self._client.get("/api/v1/tokens"))))

    async def rotate(self, id_: str, *, grace: timedelta, by: str) -> Minted:
        """Make a token in the place of another, which stays good for a while."""
        del by
        body = said(grace=unless(grace.total_seconds(), ROTATE_GRACE))
        path = f"/api/v1/tokens/{_known(id_)}/rotate"
        return _minted(await self._client.send("POST", path, body))

    async def revoke(self, id_: str, *, by: str) -> Token:
        """End a token now."""
        del by
        return token_of(await self._client.send("POST", f"/api/v1/tokens/{_known(id_)}/revoke"))

    async def audit(self, id_: str | None = None, *, limit: int = 50) -> tuple[Line, ...]:
        """List what the activity log has of tokens, or of one, oldest first."""
        told = await self._client.get("/api/v1/tokens/audit", limit=PAGE)
        lines = [line_of(one) for one in listing(told)]
        mine = [
            line
            for line in lines
            if id_ is None or id_ in {line.fields.get("token"), line.fields.get("successor")}
        ]
        return tuple(mine[-limit:])


def _known(id_: str) -> str:
    """Refuse what can be the id of no token, as if it were asked for here.

    Raises:
        NotFoundError: it is none.
    """
    if len(id_) != ID_LENGTH or not (id_.isascii() and id_.isalnum()):
        raise NotFoundError(f"there is no token {id_[:MOST_SHOWN]!r}", hint="ctl token list")
    return id_


def _minted(document: object) -> Minted:
    told = mapping(document)
    return Minted(token=token_of(told), text=str(told["text"]))
