"""The certificate of a server that gets its agent over another carrier: kept while it is good, else signed anew.

Called by `installing`; calls `pki`. Where the server has openssl, its key is made there and never travels.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from controller.errors import RefusedError
from controller.model.inventory import Server
from controller.pki import alternatives, issuing, shelf
from controller.pki.entries import Issued, KeyPlace
from controller.pki.folder import open_folder
from controller.pki.ledger import Ledger
from controller.pki.role import Role
from controller.reconcile.exchange.installs import Signed

SPARE: Final = timedelta(days=30)
"""A certificate with less than this to live, or less than a third of its life, is renewed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """What a server gets: `certificate` and `key` are empty where it keeps what it has."""

    authority: str
    denied: str
    certificate: str = ""
    key: str = ""
    issued: Signed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The authority at work for one installation."""

    folder: Path
    now: datetime
    by: str
    days: int | None

    def check(self, server: Server) -> None:
        """See that there is an authority, and that the name is not somebody else's.

        Raises:
            NotFoundError: there is no authority.
            RefusedError: the name is not that of an agent.
        """
        live = shelf.look(self.folder).live(server.name, self.now)
        if live and live[-1].role is not Role.AGENT:
            raise RefusedError(
                f"cannot certify {server.name} as agent: it has a certificate as {live[-1].role}",
                hint=f"name the server otherwise, or ctl pki revoke {server.name}",
            )

    async def papers(
        self, server: Server, has: str, ask: Callable[[], Awaitable[bytes]] | None, *, anew: bool
    ) -> Papers:
        """Give what the server needs.

        Args:
            server: whose they are.
            has: the certificate it has, empty where it has none.
            ask: asks it for a request; None where it cannot make one.
            anew: sign a new one though the one it has is good.
        """
        one = None
        if anew or not self._is_good(shelf.look(self.folder), server, has):
            one = self._sign(server, None if ask is None else await ask())
        known = shelf.look(self.folder)
        with open_folder(self.folder, shared=True) as folder:
            denied = folder.read(shelf.DENIED) or b""
            made_here = one is not None and one.key is KeyPlace.HERE
            key = folder.read(f"{server.name}.key") if made_here else None
        return Papers(
            authority=shelf.bundle(known).decode(),
            denied=denied.decode(),
            certificate="" if one is None else one.certificate,
            key=(key or b"").decode(),
            issued=None
            if one is None
            else Signed(serial=one.serial, not_after=one.not_after, key_travelled=made_here),
        )

    def _is_good(self, known: Ledger, server: Server, has: str) -> bool:
        """Say whether the certificate a server has is its newest, of the authority that signs, and good for a while."""
        live = known.live(server.name, self.now)
        if not live or live[-1].certificate.strip() != has.strip():
            return False
        life = live[-1].not_after - live[-1].not_before
        left = live[-1].not_after - self.now
        return live[-1].authority == known.newest.authority and left > min(SPARE, life / 3)

    def _sign(self, server: Server, request: bytes | None) -> Issued:
        live = shelf.look(self.folder).live(server.name, self.now)
        if live and request is None and live[-1].key is KeyPlace.ELSEWHERE:
            raise RefusedError(
                f"cannot certify {server.name}: its last key was made there, and it has no openssl for another",
                hint=f"install openssl there, or ctl pki revoke {server.name} first",
            )
        if live:
            renewal = issuing.Renewal(days=self.days, request=request)
            return issuing.renew(self.folder, server.name, renewal, now=self.now, by=self.by)
        found = alternatives.own(server.address) if server.address else None
        wish = issuing.Wish(
            name=server.name,
            role=Role.AGENT,
            alternatives=() if found is None else (found,),
            days=self.days,
            request=request,
        )
        return issuing.issue(self.folder, wish, now=self.now, by=self.by)
