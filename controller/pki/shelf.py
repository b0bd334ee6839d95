"""The shelf of an authority: its ledger, and the files that follow from it.

Called by `founding`, `issuing` and `revoking`. The ledger is the only truth. A new key is staged, then its entry is appended, then the
files are set right; whatever a crash leaves between is set right by the next command: a staged key without an entry was never used.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding

from controller.errors import RefusedError, StateError
from controller.pki import certificate, keys, ledger, revocation
from controller.pki.entries import Entry, Founded, Issued, Listed, encode
from controller.pki.folder import PRIVATE, PUBLIC, Folder, open_folder
from controller.pki.keys import PrivateKey
from controller.pki.ledger import Ledger

LEDGER: Final = "ledger"
BUNDLE: Final = "ca.crt"
KEY: Final = "ca.key"
CRL: Final = "crl.pem"
DENIED: Final = "denied"
FRESH: Final = timedelta(days=7)
"""A revocation list with less than this to live is signed anew by any command that writes."""


class Shelf:
    """The ledger and files of one authority, held by one command; made by `open_shelf`."""

    def __init__(self, folder: Folder, now: datetime) -> None:
        self.folder = folder
        self.ledger = Ledger()
        self._now = now
        self._load()

    def commit(self, *entries: Entry, key: PrivateKey | None = None) -> None:
        """Write down what happened, and set the files right.

        Args:
            entries: what happened, in this order.
            key: the new private key of the first of them.

        Raises:
            RefusedError: the ledger is full.
            StateError: the disk says no. Unless the line was written, nothing happened.
        """
        first = entries[0]
        if isinstance(first, Issued) and self.ledger.length >= ledger.MOST:
            raise RefusedError(
                f"cannot sign: {self.folder.path / LEDGER} has {self.ledger.length} lines",
                hint="found an authority in another folder",
            )
        if key is not None and isinstance(first, Founded | Issued):
            self.folder.create(_staged(first.serial), keys.to_pem(key), mode=PRIVATE)
        self._append(*entries)
        self.settle()

    def settle(self) -> None:
        """Make every file what the ledger says."""
        self._settle_keys()
        self._settle_leaf()
        if not self.ledger.authorities:
            return
        self._settle_authorities()
        self.folder.write(DENIED, revocation.deny_list(self.ledger.denied(self._now)), mode=PUBLIC)
        self._settle_lists()

    def relist(self) -> None:
        """Sign the revocation lists anew; they carry the number of the line that tells of them."""
        lists = self._lists(self.ledger.length + 1)
        self._append(Listed(at=self._now))
        self.folder.write(CRL, lists, mode=PUBLIC)

    def key_of(self, authority: Founded) -> PrivateKey:
        """Read the private key of an authority.

        Raises:
            StateError: it is not there, or is not the key of this certificate.
        """
        name = KEY if authority is self.ledger.newest else retired_key(authority.authority)
        pem = self.folder.read(name)
        where = str(self.folder.path / name)
        if pem is None:
            raise StateError(
                f"cannot find the authority's private key {where}", hint="put it back to sign"
            )
        key = keys.from_pem(pem, where=where)
        if keys.identifier(key.public_key()) != authority.authority:
            raise StateError(f"cannot use {where}: it is not the key of {BUNDLE}")
        return key

    def _load(self) -> None:
        data = self.folder.read(LEDGER) or b""
        self.ledger = ledger.read(data, where=str(self.folder.path / LEDGER))

    def _append(self, *entries: Entry) -> None:
        self.folder.append(LEDGER, b"".join(map(encode, entries)))
        self._load()

    def _settle_keys(self) -> None:
        """Give staged keys their places, or throw them away."""
        for name in self.folder.names():
            if not (name.startswith(".") and name.endswith(".key")):
                continue
            serial = name[1:-4]
            leaf = self.ledger.issued.get(serial)
            root = next((a for a in self.ledger.authorities if a.serial == serial), None)
            if root is not None:
                self._settle_root(name)
            elif leaf is not None:
                self.folder.move(name, f"{leaf.name}.key")
            else:
                self.folder.remove(name)

    def _settle_root(self, staged: str) -> None:
        """Put the key of a new authority in its place, and keep the old one beside it."""
        before = self.ledger.authorities[:-1]
        if before:
            self.folder.keep(KEY, retired_key(before[-1].authority))
        self.folder.move(staged, KEY)

    def _settle_leaf(self) -> None:
        """Write the certificate that was signed last; those before it were written then."""
        last = self.ledger.last
        if last is not None:
            self.folder.write(f"{last.name}.crt", last.certificate.encode(), mode=PUBLIC)

    def _settle_authorities(self) -> None:
        trusted = self.ledger.trusted
        self.folder.write(BUNDLE, bundle(self.ledger), mode=PUBLIC)
        for authority in self.ledger.authorities:
            if authority not in trusted:
                self.folder.remove(retired_key(authority.authority))

    def _settle_lists(self) -> None:
        """Sign the revocation lists when they tell too little, or soon end."""
        data = self.folder.read(CRL)
        told, end = 0, self._now
        if data is not None:
            told, end = revocation.number_in(data, where=str(self.folder.path / CRL))
        if self.ledger.changed > self.ledger.listed or end - self._now < FRESH:
            self.relist()
        elif told != self.ledger.listed:
            self.folder.write(CRL, self._lists(self.ledger.listed), mode=PUBLIC)

    def _lists(self, number: int) -> bytes:
        """Sign a list for each trusted authority."""
        gone = tuple(self.ledger.denied(self._now))
        signed = (
            revocation.sign(
                (one for one in gone if one[0].authority == authority.authority),
                issuer=certificate.from_pem(authority.certificate, where=LEDGER),
                key=self.key_of(authority),
                number=number,
                now=self._now,
            )
            for authority in self.ledger.trusted
        )
        return b"".join(one.public_bytes(Encoding.PEM) for one in signed)


@contextmanager
def open_shelf(path: Path, *, now: datetime, make: bool = False) -> Iterator[Shelf]:
    """Hold an authority for one command that writes; what a crash has left is set right first.

    Args:
        path: its folder.
        now: the time, for lists and states.
        make: make the folder when it is not there.

    Raises:
        NotFoundError: there is no such folder.
        RefusedError: others may write in it, or somebody else holds it.
        StateError: the disk says no, or the ledger is damaged.
    """
    with open_folder(path, make=make, shared=True) as folder, folder.locked():
        shelf = Shelf(folder, now)
        shelf.settle()
        yield shelf


def look(path: Path) -> Ledger:
    """Read the ledger of an authority without holding it.

    Raises:
        NotFoundError: there is no authority.
        StateError: the ledger cannot be read.
    """
    with open_folder(path, shared=True) as folder:
        data = folder.read(LEDGER) or b""
    found = ledger.read(data, where=str(path / LEDGER))
    _ = found.newest
    return found


def bundle(known: Ledger) -> bytes:
    """Give the certificates of every trusted authority, the newest first."""
    return "".join(authority.certificate for authority in known.trusted).encode()


def retired_key(authority: str) -> str:
    """Name the file of the private key of an authority that no longer signs leaves."""
    return f"ca-{authority}.key"


def _staged(serial: str) -> str:
    return f".{serial}.key"
