"""The folder with an agent's certificate and key, while they are made and changed.

`enrolling`, `errands` and `renewing` call it; it calls `openssl`, `trial` and `writing`. A new key and certificate stand beside the
old ones, under names that nobody reads, until they are tried; then they take their places. So an agent always has a pair that
fits, but for the moment between two renames, and whoever dies in that moment finds both again by `settle`. Where it is asked
for, the old pair is kept under other such names until the new one has worked.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import ssl
from collections.abc import Iterator, Mapping
from typing import Callable

from controller.agent import openssl, trust
from controller.agent.errors import FolderError
from controller.agent.trial import Trial, try_certificate
from controller.agent.writing import create, make, put, read, why

PRIVATE, PUBLIC, FOLDER = 0o600, 0o644, 0o700
AUTHORITY, DENIED = "ca.crt", "denied"
Accept = Callable[[Mapping[str, object]], None]
"""Raises where a certificate that fits, as Python's `ssl` shows it, is not taken all the same."""


def accept_any(_: Mapping[str, object]) -> None:
    """Take every certificate that fits."""


class KeyFolder:
    """One folder and the name it makes; made by `open_keys`."""

    def __init__(self, path: str, name: str, folder: int) -> None:
        self.path = path
        self.name = name
        self._folder = folder
        self._key, self._certificate = f".{name}.key.new", f".{name}.crt.new"
        self._torn, self._untried = f".{name}.key.torn", f".{name}.crt.untried"
        self._old_key, self._old_certificate = f".{name}.key.old", f".{name}.crt.old"
        self._again = f".{name}.key.again"

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._folder)

    def request(self) -> bytes:
        """Make a key, unless one waits from before, and give the request for it.

        Raises:
            EnrolmentError: there is no openssl, or it cannot.
            FolderError: the disk says no.
        """
        self.settle()
        if not self.waits():
            self.stage_key(openssl.make_key())
        return openssl.make_request(f"{self.path}/{self._key}")

    def waits(self) -> bool:
        """Say whether a key waits for its certificate."""
        found = read(self._folder, self._key)
        return found is not None and found[1] == PRIVATE

    def stage_key(self, key: bytes) -> None:
        """Put a key beside the one in use, whole or not at all: half a key that waits would be asked with for ever."""
        with self._alone(), self._telling(self._key):
            self.settle()
            self._remove(self._torn)
            create(self._folder, self._torn, key, mode=PRIVATE)
            self._move(self._torn, self._key)

    def adopt(
        self,
        certificate: bytes,
        authority: bytes,
        *,
        accept: Accept = accept_any,
        keep: bool = False,
    ) -> None:
        """Take certificate and authority for the key that waits, after they were tried.

        Args:
            certificate: in PEM.
            authority: every one that is trusted, in PEM.
            accept: raises where the certificate fits and is not taken all the same.
            keep: the old pair, until `forget_old` or `put_back`.

        Raises:
            EnrolmentError: they do not fit; nothing has changed.
            FolderError: the disk says no.
        """
        with self._alone():
            self._adopt(certificate, authority, accept, keep=keep)

    def _adopt(self, certificate: bytes, authority: bytes, accept: Accept, *, keep: bool) -> None:
        with self._telling(self._untried):
            self._remove(self._untried)
            create(self._folder, self._untried, certificate, mode=PUBLIC)
        try:
            found = try_certificate(
                Trial(
                    certificate=f"{self.path}/{self._untried}",
                    key=f"{self.path}/{self._key}",
                    authority=authority.decode("ascii", "replace"),
                    name=self.name,
                )
            )
            accept(found)
        except BaseException:
            self._remove(self._untried)
            raise
        self.trust(authority)
        self.forget_old()
        with self._telling(self._certificate):
            if keep:
                self._link(f"{self.name}.key", self._old_key)
                self._link(f"{self.name}.crt", self._old_certificate)
            self._move(self._untried, self._certificate)
        self.settle()

    def on_trial(self) -> bool:
        """Say whether an old pair is kept beside the one in use, which has not worked yet."""
        self.settle()
        old, key = self._about(self._old_certificate), self._about(self._old_key)
        now = self._about(f"{self.name}.crt")
        return None not in (old, key) and old != now  # equal: who kept it died before the change

    def forget_old(self) -> None:
        """Keep the old pair no longer; its key goes first, and for good."""
        with self._telling(self._old_key):
            self._remove(self._old_key)
            self._remove(self._again)
            self._remove(self._old_certificate)

    def put_back(self) -> None:
        """Use the old pair again, where one is kept; the new key waits, for the same certificate may work later.

        The old one stays kept until it has its places: whoever dies on the way is still on trial, and takes it then.

        Raises:
            EnrolmentError: it is good no more; nothing has changed.
            FolderError: the disk says no.
        """
        with self._alone():
            if self.on_trial():
                self._put_back()
            self.forget_old()

    def _put_back(self) -> None:
        """Give the old pair its places, and the new key its place among what waits."""
        with self._telling(self._old_certificate):
            found = read(self._folder, AUTHORITY)
            try_certificate(
                Trial(
                    certificate=f"{self.path}/{self._old_certificate}",
                    key=f"{self.path}/{self._old_key}",
                    authority=found[0].decode("ascii", "replace") if found else "",
                    name=self.name,
                )
            )
            self._remove(self._again)
            self._link(f"{self.name}.key", self._again)
            self._remove(self._key)
            self._link(self._old_key, self._key)
            self._link(self._old_certificate, self._certificate)
        self.settle()
        with self._telling(self._key):
            self._move(self._again, self._key)

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
        self.settle()
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
        for name in (self._untried, self._certificate, self._key, self._torn):
            self._remove(name)

    def settle(self) -> None:
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

    def _link(self, name: str, to: str) -> None:
        os.link(name, to, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        os.fsync(self._folder)

    def _about(self, name: str) -> tuple[int, int] | None:
        """Say which file has a name; None where there is none."""
        try:
            found = os.stat(name, dir_fd=self._folder, follow_symlinks=False)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._folder)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let nobody else stage or move keys meanwhile: the daemon renews while a person enrols or installs anew."""
        with self._telling(f"{self.name}.key"):
            fcntl.flock(self._folder, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._folder, fcntl.LOCK_UN)

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


def settle_keys(path: str, name: str) -> None:
    """Set right what whoever died in the middle of a change has left; touches nothing where there is nothing.

    Raises:
        FolderError: others could change the folder, or the disk says no.
    """
    if not os.path.lexists(f"{path}/.{name}.crt.new"):
        return
    folder = KeyFolder(path, name, trust.open_folder(path))
    try:
        folder.settle()
    finally:
        folder.close()
