"""The folder with an agent's certificate and key, while they are made and changed.

`enrolling` and `errands` call it; it calls `openssl`, `trial` and `writing`. A new key and certificate stand beside the old ones,
under names that nobody reads, until they are tried; then they take their places. So an agent always has a pair that
fits, but for the moment between two renames, and whoever dies in that moment finds both again by `settle`.
"""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Iterator

from controller.agent import openssl, trust
from controller.agent.errors import FolderError
from controller.agent.trial import Trial, try_certificate
from controller.agent.writing import create, make, put, read, why

PRIVATE, PUBLIC, FOLDER = 0o600, 0o644, 0o700
AUTHORITY, DENIED = "ca.crt", "denied"


class KeyFolder:
    """One folder and the name it makes; made by `open_keys`."""

    def __init__(self, path: str, name: str, folder: int) -> None:
        self.path = path
        self.name = name
        self._folder = folder
        self._key, self._certificate = f".{name}.key.new", f".{name}.crt.new"
        self._untried = f".{name}.crt.untried"

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._folder)

    def request(self) -> bytes:
        """Make a key, unless one waits from before, and give the request for it.

        Raises:
            EnrolmentError: there is no openssl, or it cannot.
            FolderError: the disk says no.
        """
        self._settle()
        if not self.waits():
            self.stage_key(openssl.make_key())
        return openssl.make_request(f"{self.path}/{self._key}")

    def waits(self) -> bool:
        """Say whether a key waits for its certificate."""
        found = read(self._folder, self._key)
        return found is not None and found[1] == PRIVATE

    def stage_key(self, key: bytes) -> None:
        """Put a key beside the one in use."""
        with self._telling(self._key):
            self._remove(self._key)
            create(self._folder, self._key, key, mode=PRIVATE)

    def adopt(self, certificate: bytes, authority: bytes) -> None:
        """Take certificate and authority for the key that waits, after they were tried.

        Raises:
            EnrolmentError: they do not fit; nothing has changed.
            FolderError: the disk says no.
        """
        with self._telling(self._untried):
            self._remove(self._untried)
            create(self._folder, self._untried, certificate, mode=PUBLIC)
        try:
            try_certificate(
                Trial(
                    certificate=f"{self.path}/{self._untried}",
                    key=f"{self.path}/{self._key}",
                    authority=authority.decode("ascii", "replace"),
                    name=self.name,
                )
            )
        except BaseException:
            self._remove(self._untried)
            raise
        self.trust(authority)
        with self._telling(self._certificate):
            self._move(self._untried, self._certificate)
        self._settle()

    def trust(self, authority: bytes) -> bool:
        """Write the authorities that are trusted; false when they were just so."""
        with self._telling(AUTHORITY):
            return put(self._folder, AUTHORITY, authority, mode=PUBLIC)

    def deny(self, serials: bytes) -> bool:
        """Write the serials that are refused; false when they were just so."""
        with self._telling(DENIED):
            return put(self._folder, DENIED, serials, mode=PUBLIC)

    def certificate(self) -> bytes | None:
        """Give the certificate in use, with which the key in use fits; None where there is none."""
        self._settle()
        found = read(self._folder, f"{self.name}.crt")
        if found is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        place = f"{self.path}/{self.name}"
        try:
            context.load_cert_chain(f"{place}.crt", f"{place}.key", password=lambda: "")
        except (OSError, ValueError):
            return None  # whatever is wrong with them, new ones are needed
        return found[0]

    def drop(self) -> None:
        """Forget what waits."""
        for name in (self._untried, self._certificate, self._key):
            self._remove(name)

    def _settle(self) -> None:
        """Give a tried pair its places: the key first, so that its certificate waits as long as it misses one."""
        if read(self._folder, self._certificate) is None:
            return
        with self._telling(f"{self.name}.crt"):
            with contextlib.suppress(FileNotFoundError):
                self._move(self._key, f"{self.name}.key")
            self._move(self._certificate, f"{self.name}.crt")

    def _move(self, name: str, to: str) -> None:
        os.replace(name, to, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        os.fsync(self._folder)

    def _remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._folder)

    @contextlib.contextmanager
    def _telling(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FolderError(f"cannot write {self.path}/{name}: {why(error)}") from error


def open_keys(path: str, name: str) -> KeyFolder:
    """Open the folder of certificates, made for root or us alone where it is missing.

    Raises:
        FolderError: others could change it, or it cannot be made.
    """
    try:
        make(path, FOLDER)
    except OSError as error:
        raise FolderError(f"cannot make the folder {path}: {why(error)}") from error
    return KeyFolder(path, name, trust.open_folder(path))
