"""Sheets: every field of a certificate or an authority, for people and programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from controller.cli.dates import moment
from controller.cli.views.pki import Listing, Row, document_of, state_of, state_word
from controller.cli.views.style import Style, Symbol
from controller.cli.views.words import count, line
from controller.pki.details import Details, details
from controller.pki.entries import Founded, Issued
from controller.pki.ledger import Ledger
from controller.pki.shelf import BUNDLE, LEDGER
from controller.reconcile.documents import FORMAT_VERSION, iso, plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Every field of one certificate."""

    ledger: Ledger
    one: Issued
    now: datetime
    folder: Path

    def text(self, style: Style, *, wide: bool = False) -> str:
        """Give it to people."""
        listing = Listing(ledger=self.ledger, now=self.now, everything=True, only=[self.one])
        row = listing.rows()[0]
        signer = next(a for a in self.ledger.authorities if a.authority == row.authority)
        pairs = [
            ("name", row.name),
            ("role", row.role),
            ("state", f"{state_word(row)}{_why(row)}"),
            *_pairs(details(self.one.certificate, where=LEDGER)),
            ("authority", row.authority),
            ("authority's pin", details(signer.certificate, where=LEDGER).pin),
            ("key made", self.one.key.value),
            ("issued", f"{moment(row.issued_at)} by {row.issued_by}"),
            ("certificate", str(self.folder / f"{row.name}.crt")),
        ]
        return _sheet(pairs)

    def document(self) -> object:
        """Give it to programs."""
        listing = Listing(ledger=self.ledger, now=self.now, everything=True, only=[self.one])
        signer = next(a for a in self.ledger.authorities if a.authority == self.one.authority)
        return {
            "format_version": FORMAT_VERSION,
            **document_of(listing.rows()[0]),
            "key_made": self.one.key.value,
            "authority_pin": details(signer.certificate, where=LEDGER).pin,
            "details": plain(details(self.one.certificate, where=LEDGER)),
            "certificate": self.one.certificate,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Every field of the certificate of one authority."""

    ledger: Ledger
    one: Founded
    now: datetime

    def text(self, style: Style, *, wide: bool = False) -> str:
        """Give it to people."""
        return _sheet(
            [
                ("authority", self.one.authority),
                ("state", state_of(self.ledger, self.one, self.now)),
                *_pairs(details(self.one.certificate, where=LEDGER)),
                ("founded", f"{moment(self.one.at)} by {self.one.by}"),
            ]
        )

    def document(self) -> object:
        """Give it to programs."""
        return {
            "authority": self.one.authority,
            "state": state_of(self.ledger, self.one, self.now),
            "organisation": self.one.organisation,
            "founded_at": iso(self.one.at),
            "founded_by": self.one.by,
            "details": plain(details(self.one.certificate, where=LEDGER)),
            "certificate": self.one.certificate,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorities:
    """The trusted authorities, the one that signs first."""

    ledger: Ledger
    now: datetime
    folder: Path

    def text(self, style: Style, *, wide: bool = False) -> str:
        """Give it to people."""
        sheets = [
            Authority(ledger=self.ledger, one=one, now=self.now).text(style)
            for one in self.ledger.trusted
        ]
        mark = style.mark(Symbol.GOOD)
        last = f"{mark} {line(str(self.folder / BUNDLE))} holds {count(len(sheets), 'certificate')}"
        return "\n\n".join([*sheets, last])

    def document(self) -> object:
        """Give it to programs."""
        return {
            "format_version": FORMAT_VERSION,
            "bundle": str(self.folder / BUNDLE),
            "authorities": [
                Authority(ledger=self.ledger, one=one, now=self.now).document()
                for one in self.ledger.trusted
            ],
        }


def _why(row: Row) -> str:
    return f" {moment(row.revoked_at)}: {row.revoked_why}" if row.revoked_at else ""


def _pairs(found: Details) -> list[tuple[str, str]]:
    return [
        ("subject", found.subject),
        ("issuer", found.issuer),
        ("serial", found.serial),
        ("not before", moment(found.not_before)),
        ("not after", moment(found.not_after)),
        ("key", found.key),
        ("signature", found.signature),
        ("CA", f"yes, path length {found.path_length}" if found.authority else "no"),
        ("key usage", ", ".join(found.key_usage)),
        ("extended key usage", ", ".join(found.extended_key_usage) or "-"),
        ("alternative names", ", ".join(found.alternatives) or "-"),
        ("subject key id", found.subject_key_identifier),
        ("authority key id", found.authority_key_identifier),
        ("SHA-256 fingerprint", found.fingerprint),
        ("pin", found.pin),
    ]


def _sheet(pairs: Sequence[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in pairs)
    return "\n".join(f"{name:<{width}}  {line(value)}" for name, value in pairs)
