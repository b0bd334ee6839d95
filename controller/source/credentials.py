"""The files by which a serving controller is given what opens its config repository.

Called by `service`, at each look anew, so that a key or a token can be replaced under it. Calls nobody.
"""

from pathlib import Path
from typing import Final

from controller.errors import SourceError
from controller.source.access import Credentials

LARGEST: Final = 1 << 20
"""Bytes of one file."""


def read_credentials(
    *, key: Path | None = None, token: Path | None = None, known_hosts: Path | None = None
) -> Credentials:
    """Read an ssh key or a token, and the pinned hosts.

    Raises:
        SourceError: a file cannot be read, or holds nothing.
    """
    return Credentials(
        token=None if token is None else _text(read_given(token)),
        ssh_key=None if key is None else read_given(key),
        known_hosts=b"" if known_hosts is None else read_given(known_hosts),
    )


def read_given(path: Path) -> bytes:
    """Read a file that a flag names.

    Raises:
        SourceError: it cannot be read, is too large, or holds nothing.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > LARGEST:
        raise SourceError(f"cannot read {path}: it is larger than {LARGEST >> 20} MiB")
    if not data.strip():
        raise SourceError(f"cannot use {path}: it is empty")
    return data


def _text(data: bytes) -> str:
    """Give a token as text; what is no ASCII is refused where it is used."""
    return data.decode("ascii", "replace")
