"""Handing over: the files a machine or a person needs, in a folder to be carried there.

Called by `ctl pki issue --out` and `renew --out`.
"""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from controller.errors import NotFoundError, RefusedError
from controller.pki.entries import Issued, KeyPlace
from controller.pki.folder import PRIVATE, PUBLIC, Folder, open_folder
from controller.pki.ledger import Ledger
from controller.pki.shelf import BUNDLE, bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """The Linux user the files are given to."""

    name: str
    user: int
    group: int


def receiver(name: str) -> Receiver | None:
    """Find the Linux user who gets the files; None where we may not give files away.

    Raises:
        NotFoundError: there is no such user here.
    """
    if os.geteuid() != 0:
        return None
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        raise NotFoundError(
            f'cannot hand over to "{name}": no such user here', hint="leave out --out, and copy"
        ) from None
    return Receiver(name=name, user=found.pw_uid, group=found.pw_gid)


def prepare(out: Path, name: str, to: Receiver | None = None) -> None:
    """Make the folder, and refuse one that already holds what would be written.

    Raises:
        RefusedError: it does, or others may write in it.
    """
    fresh = not out.exists()
    with open_folder(out, make=True, owner=to.user if to else None) as folder:
        taken = [one for one in (f"{name}.crt", f"{name}.key") if folder.has(one)]
        if taken:
            raise RefusedError(f"cannot write {out / taken[0]}: it is there already")
        if fresh and to is not None:
            folder.give(to.user, to.group)


def hand_over(
    known: Ledger, one: Issued, *, source: Path, out: Path, to: Receiver | None = None
) -> tuple[Path, ...]:
    """Write certificate, key and trust bundle.

    Args:
        known: the ledger.
        one: the certificate.
        source: the folder of the authority, where its key lies.
        out: where to.
        to: whom the files are given to.

    Returns:
        What was written.

    Raises:
        RefusedError: a file is there already.
        StateError: the disk says no.
    """
    owner = (to.user, to.group) if to else None
    with open_folder(out, owner=to.user if to else None) as folder:
        folder.create(f"{one.name}.crt", one.certificate.encode(), mode=PUBLIC, owner=owner)
        names = [f"{one.name}.crt"]
        key = _key(source, one)
        if key is not None:
            folder.create(f"{one.name}.key", key, mode=PRIVATE, owner=owner)
            names.append(f"{one.name}.key")
        _trust(folder, bundle(known), owner)
        return tuple(out / name for name in [*names, BUNDLE])


def _key(source: Path, one: Issued) -> bytes | None:
    if one.key is KeyPlace.ELSEWHERE:
        return None
    with open_folder(source, shared=True) as folder:
        return folder.read(f"{one.name}.key")


def _trust(folder: Folder, data: bytes, owner: tuple[int, int] | None) -> None:
    """Write the bundle; an older one of the same folder goes."""
    if folder.read(BUNDLE) != data:
        folder.remove(BUNDLE)
        folder.create(BUNDLE, data, mode=PUBLIC, owner=owner)
