"""Files and checkouts that a task delivers: as declared, as rendered for one pair, and as last seen on a server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from controller.model.diagnostic import Place
from controller.model.ids import Digest, Sha

LARGEST_FILE: Final = 1 << 20
"""Bytes of one delivered file."""
MOST_BYTES: Final = 8 << 20
"""Bytes of all files that one task delivers."""
DIFF_LIMIT: Final = 64 << 10
"""Bytes of a live file up to which it is read for a diff."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSpec:
    """One delivered file as declared.

    Exactly one of `content` (template text), `template` (path of a template in the config repository) and `source`
    (path of a file there that is delivered as it is) is set. `path` is a template. `mode` is octal text such as
    "0644". `validate` is a command in which `%s` stands for the new file's path. `owner` and `group` None mean the step
    user and its group.
    """

    path: str
    content: str | None = None
    template: str | None = None
    source: str | None = None
    owner: str | None = None
    group: str | None = None
    mode: str = "0644"
    validate: str | None = None
    backup: bool = False
    places: Mapping[str, Place] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """The repo's tree at the commit, delivered to `path` (a template); `releases` are kept there.

    With one release `path` itself is the link to the tree. With more, trees lie in `path`/releases and `path`/current is
    the link. Each tree has a file REVISION that holds its commit.
    """

    path: str
    releases: int = 1
    places: Mapping[str, Place] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileWork:
    """One delivered file, rendered; `content` holds `SECRET_OPEN` NAME `SECRET_CLOSE` where a secret's value goes.

    `secrets` are the names of those secrets; a file without any is delivered byte for byte, whatever it holds.
    """

    path: str
    content: bytes
    secrets: tuple[str, ...] = ()
    owner: str | None = None
    group: str | None = None
    mode: str = "0644"
    validate: str | None = None
    backup: bool = False
    place: Place | None = None


SECRET_OPEN: Final = b"\x00secret:"
SECRET_CLOSE: Final = b"\x00"
"""A rendered text holds no NUL but these: templates and values that hold one are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutWork:
    """A checkout, rendered; the tree comes from the commit of the job."""

    path: str
    releases: int = 1


class FileKind(StrEnum):
    """What lies at a path."""

    FILE = "file"
    MISSING = "missing"
    OTHER = "other"  # a folder, a link, a device
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSeen:
    """What lay at a path when a server was looked at.

    `digest` is the SHA-256 of the bytes, or for a file that holds secrets HMAC-SHA256(key of the pair, hex SHA-256);
    `keyed` says which. `mode` is octal text of four digits. `content` is there for a diff only and is never stored.
    """

    path: str
    kind: FileKind
    digest: str = ""
    keyed: bool = False
    mode: str = ""
    owner: str = ""
    group: str = ""
    size: int = 0
    modified: datetime | None = None
    content: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutSeen:
    """Which commit the tree at a checkout's path says it is; None where there is no tree of ours."""

    path: str
    commit: Sha | None = None
    modified: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySeen:
    """The files and the checkout of one pair as they lay on its server; `digest` is the input digest they belong to."""

    digest: Digest
    at: datetime
    files: Mapping[str, FileSeen] = field(default_factory=dict)
    checkout: CheckoutSeen | None = None
