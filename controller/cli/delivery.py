"""What goes into `ctl pki` and comes out of it beside the authority's own folder: requests, and files to carry away.

Called by `pki`.
"""

from pathlib import Path

from controller.cli.context import Invocation
from controller.errors import ControllerError, NotFoundError, StateError, UsageError
from controller.pki import handover, shelf
from controller.pki.entries import Issued
from controller.pki.request import LARGEST


def request(ctl: Invocation, csr: Path | None) -> bytes | None:
    """Read a request, if one was named.

    Raises:
        NotFoundError: the file cannot be read.
    """
    if csr is None:
        return None
    path = ctl.surroundings.cwd / csr
    try:
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except OSError as error:
        raise NotFoundError(f"cannot read {path}: {error.strerror or error}") from error


def prepare(
    ctl: Invocation, folder: Path, out: Path | None, name: str, owner: str | None
) -> handover.Receiver | None:
    """See that the files can be handed over, before anything is signed.

    Args:
        ctl: the command line.
        folder: the authority's.
        out: where to; None: nowhere.
        name: whose certificate it will be.
        owner: the Linux user who gets them, if one was named.

    Raises:
        NotFoundError: there is no such user.
        RefusedError: the folder holds such files already, or others may write in it.
        UsageError: it is the authority's own.
    """
    if out is None:
        return None
    if (ctl.surroundings.cwd / out).resolve() == folder.resolve():
        raise UsageError("cannot hand over into the authority's own folder", hint="another --out")
    to = handover.receiver(owner) if owner is not None else None
    if owner is not None and to is None:
        ctl.note(f"the files stay yours: only root can give them to {owner}")
    handover.prepare(ctl.surroundings.cwd / out, name, to)
    return to


def deliver(
    ctl: Invocation,
    folder: Path,
    one: Issued,
    out: Path | None,
    to: handover.Receiver | None,
) -> None:
    """Hand the files over.

    Args:
        ctl: the command line.
        folder: the authority's.
        one: what was signed.
        out: where to; None: nowhere.
        to: whom they are given to.

    Raises:
        StateError: they could not be written; the certificate stays signed.
    """
    if out is None:
        return
    path = ctl.surroundings.cwd / out
    try:
        written = handover.hand_over(shelf.look(folder), one, source=folder, out=path, to=to)
    except ControllerError as error:
        raise StateError(
            f"{error.message}; the certificate is signed all the same",
            hint=f"copy it from {folder}",
        ) from error
    ctl.note(f"wrote {', '.join(map(str, written))}")
