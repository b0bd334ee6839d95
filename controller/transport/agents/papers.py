"""Who this controller is towards agents: its certificate, whom it trusts, and whom no more; read again when files change.

Made by `service` from the person's `pki`; `dialer` and `listener` ask it for TLS contexts and show it certificates.
It calls `pki`. The folder holds `NAME.crt`, `NAME.key`, `ca.crt`, and where certificates were revoked `denied`.
"""

import hashlib
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controller.errors import NotFoundError, RefusedError, StateError
from controller.pki.contexts import Clients, Identity, client_context, server_context
from controller.pki.denied import DenyList
from controller.pki.peer import LARGEST, Peer, peer
from controller.pki.role import Role

ALPN: Final = "ctl/1"
ENROLMENT: Final = "ctl-enroll/1"
TRUST: Final = "ca.crt"
DENIED: Final = "denied"
ACTING: Final = (Role.CONTROLLER, Role.ADMIN, Role.USER)
"""Roles that may speak to agents, in the order in which they are chosen."""
MOST: Final = 10_000
"""Certificates in one folder that are looked at for one of our own."""
REMEMBERED: Final = 20_000
"""Certificates of agents that were read, so that a storm of reconnects reads none of them again."""

Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contexts:
    """How connections begin."""

    dialling: ssl.SSLContext
    listening: ssl.SSLContext | None


class Papers:
    """One folder of certificates, seen as one of its names.

    Args:
        folder: where they lie.
        name: whose they are; None: the only one of the first role that is there.
        roles: who it may be, in this order.
    """

    def __init__(
        self, folder: Path, name: str | None = None, roles: Sequence[Role] = ACTING
    ) -> None:
        self._folder = folder
        self._wish = name
        self._roles = roles
        self._own: Peer | None = None
        self._stamp: Stamp = ()
        self._contexts: Contexts | None = None
        self._seen: dict[bytes, Peer] = {}
        self._deny = DenyList(folder / DENIED)

    @property
    def own(self) -> Peer:
        """Who we are.

        Raises:
            NotFoundError: there is no certificate to act with, or more than one.
            StateError: it cannot be read.
        """
        found = self.found
        if found is None:
            raise NotFoundError(
                f"cannot speak to agents: {self._folder} holds no certificate with its key for a controller, admin or user",
                hint="ctl pki issue NAME --role controller, or say where it is in ~/.config/ctl/config.yaml: pki: {dir: DIR}",
            )
        return found

    @property
    def found(self) -> Peer | None:
        """Who we are; None where nobody said, and there is nobody to be.

        Raises:
            NotFoundError: the one who was named is not there, or there is more than one.
            RefusedError: the one who was named may not be.
            StateError: it cannot be read.
        """
        if self._own is None:
            self._own = self._named(self._wish) if self._wish else self._only()
        return self._own

    @property
    def identity(self) -> Identity:
        """What shows who we are."""
        return self._identity(self.own.name)

    def dialling(self) -> ssl.SSLContext:
        """Give what dials agents.

        Raises:
            StateError: a file is missing, damaged, or open to others.
        """
        return self._load().dialling

    def listening(self) -> ssl.SSLContext:
        """Give what takes agents that dial.

        Raises:
            RefusedError: only a controller listens.
            StateError: a file is missing, damaged, or open to others.
        """
        found = self._load().listening
        if found is None:
            raise RefusedError(
                f"cannot listen for agents as {self.own.role} {self.own.name}",
                hint="ctl pki issue NAME --role controller",
            )
        return found

    def agent(self, der: bytes | None) -> Peer:
        """Say which agent a certificate names.

        Raises:
            RefusedError: none, or one that was revoked.
            StateError: the deny list cannot be read.
        """
        if der is None:
            raise RefusedError("cannot accept the certificate: there is none")
        denied = self.denied()
        key = hashlib.sha256(der).digest()
        found = self._seen.get(key)
        if found is None or found.serial in denied:
            found = peer(der, denied=denied, roles=(Role.AGENT,))
            if len(self._seen) >= REMEMBERED:
                self._seen.clear()
            self._seen[key] = found
        return found

    def denied(self) -> frozenset[str]:
        """Give the serials that are refused now; a list that was there must stay there.

        Raises:
            StateError: it cannot be read.
        """
        return self._deny.current()

    def _load(self) -> Contexts:
        """Give the contexts, made anew where a file has changed, as by a renewal."""
        own = self.identity
        trust = self._folder / TRUST
        stamp = tuple(_stamp(path) for path in (own.certificate, own.key, trust))
        if self._contexts is None or stamp != self._stamp:
            listens = self.own.role is Role.CONTROLLER
            self._contexts = Contexts(
                dialling=client_context(own, trust=trust, alpn=[ALPN]),
                listening=server_context(
                    own, trust=trust, clients=Clients.OPTIONAL, alpn=[ALPN, ENROLMENT]
                )
                if listens
                else None,
            )
            self._stamp = stamp
        return self._contexts

    def _identity(self, name: str) -> Identity:
        return Identity(certificate=self._folder / f"{name}.crt", key=self._folder / f"{name}.key")

    def _named(self, name: str) -> Peer:
        path = self._folder / f"{name}.crt"
        try:
            found = _read(path)
        except OSError as error:
            raise NotFoundError(
                f"cannot read the certificate {path}: {error.strerror or error}",
                hint=f"ctl pki issue {name} --role controller --out {self._folder}",
            ) from error
        if found.role not in self._roles:
            raise RefusedError(f"cannot act as {found.role} {found.name}: agents take orders")
        return found

    def _only(self) -> Peer | None:
        """Choose who to be, where nobody said."""
        ours = list(self._ours())
        for role in self._roles:
            names = sorted(one.name for one in ours if one.role is role)
            if len(names) > 1:
                raise NotFoundError(
                    f"cannot tell who to be: {self._folder} has {', '.join(names[:5])}",
                    hint=f"say it in ~/.config/ctl/config.yaml: pki: {{name: {names[0]}}}",
                )
            if names:
                return next(one for one in ours if one.name == names[0])
        return None

    def _ours(self) -> Iterator[Peer]:
        """Look at every certificate whose key is here, too."""
        try:
            paths = sorted(self._folder.glob("*.crt"))[:MOST]
            for path in paths:
                if path.name != TRUST and path.with_suffix(".key").exists():
                    yield from _readable(path)
        except OSError as error:
            raise StateError(
                f"cannot look for certificates in {self._folder}: {error.strerror or error}"
            ) from error


def _readable(path: Path) -> Iterator[Peer]:
    """Read a certificate, and pass by what is none of ours."""
    try:
        yield _read(path)
    except (RefusedError, StateError):
        return


def _read(path: Path) -> Peer:
    with path.open("rb") as file:
        pem = file.read(2 * LARGEST)
    try:
        return peer(ssl.PEM_cert_to_DER_cert(pem.decode("ascii")))
    except ValueError as error:
        raise StateError(f"cannot read {path}: it is no certificate") from error


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise StateError(f"cannot read {path}: {error.strerror or error}") from error
    return found.st_ino, found.st_size, found.st_mtime_ns
