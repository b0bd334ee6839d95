"""The deny list as listeners hold it: read again whenever its file has changed.

Asked at every handshake, and for open connections at least every 30 seconds. A list that cannot be read is an error, never "nobody is denied".
"""

import os
from pathlib import Path
from typing import Final

from controller.errors import StateError
from controller.pki.revocation import read_deny_list

LARGEST: Final = 16 << 20
"""Bytes of a deny list: some 400,000 serials."""


class DenyList:
    """The serials in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._serials: frozenset[str] = frozenset()
        self._listed = False

    def current(self) -> frozenset[str]:
        """Give what is denied now: nothing where there never was a list; one that was there must stay there.

        Raises:
            StateError: it cannot be read.
        """
        if not self._listed and not self._path.exists():
            return frozenset()
        self._listed = True
        return self.serials()

    def serials(self) -> frozenset[str]:
        """Give what is denied now; costs one look at the file unless it has changed.

        Raises:
            StateError: there is no such file, or it cannot be read.
        """
        try:
            with self._path.open("rb") as file:
                found = os.fstat(file.fileno())
                seen = (found.st_ino, found.st_size, found.st_mtime_ns)
                if seen != self._seen:
                    data = file.read(LARGEST + 1)
                    self._serials = self._check(data)
                    self._seen = seen
        except OSError as error:
            raise StateError(
                f"cannot read the deny list {self._path}: {error.strerror or error}",
                hint="ctl pki renew --crl writes it anew",
            ) from error
        return self._serials

    def _check(self, data: bytes) -> frozenset[str]:
        if len(data) > LARGEST:
            raise StateError(f"cannot read the deny list {self._path}: more than {LARGEST} bytes")
        return read_deny_list(data, where=str(self._path))
