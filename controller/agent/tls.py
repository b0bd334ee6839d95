"""This agent's certificate, whom it trusts, and whom no more; read again when the files change.

`daemon` calls it at the start and every few seconds, `doors` and `dialling` for each connection; it calls `trust`, `crl` and
`peer`. TLS 1.3 only, certificates on both ends, no resumption. The files lie in one folder: `NAME.crt`, `NAME.key`, `ca.crt`, and
where they are wanted `ca.crl` (revocation lists in PEM; they have an end, after which nobody is let in) and `denied` (serials).
"""

from __future__ import annotations

import os
import ssl
import stat
from pathlib import Path

from controller.agent.crl import read_serials
from controller.agent.errors import AgentError
from controller.agent.peer import Peer
from controller.agent.trust import read_file
from controller.agent.values import name as as_name
from controller.execution.clock import wall
from controller.wire.record import record

ALPN = "ctl/1"
LARGEST = 1 << 20
"""Bytes of a certificate, a key or a bundle."""
LARGEST_LIST = 16 << 20
"""Bytes of a list of the revoked: some 400,000 serials."""
BUNDLE, LISTS, DENIED = "ca.crt", "ca.crl", "denied"
CERTIFICATE = ".crt"
_HEX = frozenset("0123456789ABCDEF")


@record
class Material:
    """What the folder held at one moment."""

    context: ssl.SSLContext
    authorities: bytes
    gone: frozenset[str]


class Credentials:
    """The folder with certificates.

    Args:
        folder: absolute.
        name: of this server; empty: that of the one certificate there.
        dials: whether it is for dialling; otherwise for who dials here.

    Raises:
        AgentError: a file is missing, damaged, or open to others.
    """

    def __init__(self, folder: str, name: str = "", *, dials: bool = False) -> None:
        self._folder = folder
        self.name = name or only_name(folder)
        self._kind = ssl.PROTOCOL_TLS_CLIENT if dials else ssl.PROTOCOL_TLS_SERVER
        self._stamp = self._look()
        self._now = self._load()
        self.failures = 0
        """Dials that came to no greeting since the files were read last."""

    @property
    def context(self) -> ssl.SSLContext:
        """For the next connection."""
        return self._now.context

    def refresh(self) -> bool:
        """Read again what changed; say whether the authorities are others, so that all have to prove themselves anew.

        Raises:
            AgentError: something cannot be used; what was read before stays in force until the files change again.
        """
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        before, self._now = self._now, self._load()
        self.failures = 0
        return before.authorities != self._now.authorities

    def objection(self, peer: Peer) -> str:
        """Say why somebody is not accepted (any more); empty when he is."""
        if peer.serial in self._now.gone:
            return f"{peer.role} {peer.name} was revoked (serial {peer.serial})"
        if wall() >= peer.until:
            return f"the certificate of {peer.role} {peer.name} has ended"
        return ""

    def _look(self) -> tuple[object, ...]:
        names = (f"{self.name}.crt", f"{self.name}.key", BUNDLE, LISTS, DENIED)
        return tuple(map(self._stat, names))

    def _stat(self, name: str) -> tuple[int, ...]:
        try:
            found = Path(self._path(name)).stat()
        except OSError:
            return ()  # it is missing, which is a state as good as any to compare; reading tells
        return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode)

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}"

    def _load(self) -> Material:
        authorities = self._read(BUNDLE)
        self._read(f"{self.name}.crt")
        self._read(f"{self.name}.key", private=True)
        lists = os.path.lexists(self._path(LISTS))
        gone = self._denied()
        if lists:
            gone |= self._listed()
        return Material(
            context=self._make(authorities, lists=lists),
            authorities=authorities,
            gone=gone,
        )

    def _make(self, authorities: bytes, *, lists: bool) -> ssl.SSLContext:
        context = ssl.SSLContext(self._kind)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.set_alpn_protocols([ALPN])
        if self._kind == ssl.PROTOCOL_TLS_SERVER:
            context.num_tickets = 0  # nobody resumes: each connection shows its certificate
        self._trust(context, authorities, lists=lists)
        certificate, key = self._path(f"{self.name}.crt"), self._path(f"{self.name}.key")
        try:
            context.load_cert_chain(certificate, key, password=_no_passphrase)
        except (ssl.SSLError, OSError, ValueError) as error:
            raise AgentError(
                f"cannot use {certificate} with {key}: they do not belong together, or are damaged"
            ) from error
        return context

    def _trust(self, context: ssl.SSLContext, authorities: bytes, *, lists: bool) -> None:
        path = self._path(BUNDLE)
        try:
            context.load_verify_locations(cadata=authorities.decode("ascii"))
            if lists:
                path = self._path(LISTS)
                context.load_verify_locations(cafile=path)
                context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        except (ssl.SSLError, OSError, ValueError) as error:
            raise AgentError(f"cannot trust by {path}: it is damaged, or holds nothing") from error
        if not context.get_ca_certs():
            raise AgentError(f"cannot trust anybody: {self._path(BUNDLE)} holds no authority")

    def _denied(self) -> frozenset[str]:
        if not os.path.lexists(self._path(DENIED)):
            return frozenset()
        text = self._read(DENIED, most=LARGEST_LIST).decode("ascii", "replace")
        found = set()
        for number, line in enumerate(text.splitlines(), start=1):
            word = line.strip()
            if not word or word.startswith("#"):
                continue
            if not _HEX.issuperset(word):  # to guess would be to let somebody in
                raise AgentError(f"cannot read {self._path(DENIED)}:{number}: no serial")
            found.add(word if len(word) % 2 == 0 else f"0{word}")
        return frozenset(found)

    def _listed(self) -> frozenset[str]:
        try:
            return read_serials(self._read(LISTS, most=LARGEST_LIST))
        except AgentError as error:
            raise AgentError(f"cannot read {self._path(LISTS)}: {error.message}") from error

    def _read(self, name: str, *, most: int = LARGEST, private: bool = False) -> bytes:
        path = self._path(name)
        try:
            data = read_file(path, most=most)
            if private and stat.S_IMODE(Path(path).stat().st_mode) & 0o077:
                raise AgentError(
                    f"cannot use the private key {path}: others may read it",
                    hint=f"chmod 600 {path}",
                )
        except OSError as error:
            raise AgentError(
                f"cannot read {path}: {(error.strerror or 'no such file').lower()}",
                hint="ctl agent enroll makes the certificate of a server",
            ) from error
        return data


def only_name(folder: str) -> str:
    """Give the name of this server, as the one certificate in the folder has it.

    Raises:
        AgentError: there is none, or more than one.
    """
    try:
        files = {one.name for one in Path(folder).iterdir()}
    except OSError as error:
        raise AgentError(
            f"cannot read {folder}: {(error.strerror or 'unreadable').lower()}",
            hint="--pki DIR says where certificates lie; ctl agent enroll makes them",
        ) from error
    names = sorted(one[: -len(CERTIFICATE)] for one in files if one.endswith(CERTIFICATE))
    own = [one for one in names if f"{one}.key" in files and f"{one}{CERTIFICATE}" != BUNDLE]
    if len(own) != 1:
        raise AgentError(
            f"cannot tell the name of this server: {folder} holds {len(own)} certificates with keys",
            hint="--name NAME says which; ctl agent enroll makes one",
        )
    try:
        return as_name(own[0])
    except ValueError as error:
        raise AgentError(f'cannot be named "{own[0]}": {error}') from error


def _no_passphrase() -> str:
    """Stand where OpenSSL would ask the terminal."""
    raise ValueError("the key has a passphrase")
