"""Reads values of declared secrets, each at the moment of its first use in a command.

`service` makes one for each command; `reconcile` compares through it and `jobs` reads for dispatch. It calls `masker`, so that
no value is ever known here without being masked everywhere.
"""

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from controller.errors import SecretError
from controller.model.declaration import Secret, SecretKind
from controller.secrets.masker import ValueMasker
from controller.secrets.value import SecretText

OWN: Final = re.compile(
    r"CTL_.*|.*PATH|LD_.*|PYTHON.*|BASH_.*|HOME|SHELL|USER|LOGNAME|PWD|OLDPWD|IFS|ENV|TERM|LANG|LC_.*",
    re.IGNORECASE,
)
"""Variables that are the controller's own or steer programs; none of them is a secret to hand out."""
LARGEST: Final = 64 << 10


class UnreadableError(SecretError):
    """A secret cannot be read here; `reason` is the short form: "env DB_PASSWORD is not set"."""

    def __init__(self, name: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"cannot read secret {name}: {reason}", hint=hint)
        self.reason = reason


class Keyring:
    """The declared secrets, read at most once each.

    Args:
        declared: the secrets by name.
        environment: the environment of this command, as `settings` read it.
        home: what `~` means in `file:`.
        masker: is told every value that is read.
    """

    def __init__(
        self,
        declared: Mapping[str, Secret],
        *,
        environment: Mapping[str, str],
        home: Path,
        masker: ValueMasker,
    ) -> None:
        self._declared = declared
        self._environment = environment
        self._home = home
        self._masker = masker
        self._known: dict[str, SecretText] = {}
        self._warnings: list[str] = []

    @property
    def warnings(self) -> tuple[str, ...]:
        """Say which values that were read cannot be masked by value."""
        return tuple(self._warnings)

    def read(self, name: str) -> SecretText:
        """Read a secret.

        Raises:
            UnreadableError: it is not declared, or its value cannot be read on this machine.
        """
        known = self._known.get(name)
        if known is not None:
            return known
        secret = self._declared.get(name)
        if secret is None:
            raise UnreadableError(name, "it is not declared", hint=f"declare {name} in `secrets:`")
        value = self._value(secret)
        if not self._masker.add(value):
            self._warnings.append(f"secret {name} is under 6 bytes: it cannot be masked in output")
        return self._known.setdefault(name, SecretText(value))

    def _value(self, secret: Secret) -> bytes:
        match secret.kind:
            case SecretKind.ENV:
                return self._variable(secret)
            case SecretKind.FILE:
                return self._file(secret)
            case SecretKind.VAULT:
                raise UnreadableError(
                    secret.name,
                    "values of ansible-vault are carried, never opened",
                    hint="declare the value as an `env:` or `file:` secret",
                )

    def _variable(self, secret: Secret) -> bytes:
        if OWN.fullmatch(secret.source):
            raise UnreadableError(
                secret.name,
                f"env {secret.source} is not for secrets",
                hint="put the value into a variable of its own",
            )
        value = self._environment.get(secret.source)
        if value is None:
            raise UnreadableError(
                secret.name,
                f"env {secret.source} is not set",
                hint=f"export {secret.source}=... before the command",
            )
        if not value:
            raise UnreadableError(secret.name, f"env {secret.source} is empty")
        return value.encode("utf-8", "surrogateescape")

    def _file(self, secret: Secret) -> bytes:
        path = self._path(secret)
        try:
            value = _read_regular(path)
        except OSError as error:
            raise UnreadableError(
                secret.name, f"file {secret.source}: {(error.strerror or str(error)).lower()}"
            ) from None
        if len(value) > LARGEST or not value.strip():
            trouble = "is empty" if len(value) <= LARGEST else f"is over {LARGEST >> 10} KiB"
            raise UnreadableError(secret.name, f"file {secret.source} {trouble}")
        return _one_line(value)

    def _path(self, secret: Secret) -> Path:
        source = secret.source
        if source == "~" or source.startswith("~/"):
            return self._home / source[2:]
        if not source.startswith("/") or "\0" in source:
            raise UnreadableError(
                secret.name,
                f"file {ascii(source)[1:-1]} is not absolute",
                hint="write a path that begins with / or ~/",
            )
        return Path(source)


def _one_line(value: bytes) -> bytes:
    """Drop the newline that ends a file of one line; a value of many lines (a key) stays as it is."""
    bare = value.rstrip(b"\r\n")
    return value if b"\n" in bare else bare


def _read_regular(path: Path) -> bytes:
    """Read a file, never waiting for a pipe or a device."""
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise OSError(0, "not a regular file")
        return os.read(opened, LARGEST + 1)
    finally:
        os.close(opened)
