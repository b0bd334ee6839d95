"""Reads the value of one declared secret, wherever it lies.

Called by `keyring`, possibly in a thread of its own; calls one module for each kind. Nothing is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from controller.model.declaration import Secret, SecretKind
from controller.secrets import age
from controller.secrets.allowed import EVERYTHING, Allowed
from controller.secrets.disk import LARGEST, one_line, read_value
from controller.secrets.identities import CREDENTIALS, KeyPlaces
from controller.secrets.program import printed
from controller.secrets.sops.opening import open_file, pick
from controller.secrets.trouble import ReadingError
from controller.secrets.vault import vault_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where values may come from.

    Args:
        environment: of this command, as `settings` read it.
        home: what `~` means in `file:`.
        sealed: the encrypted files of the declaration's own tree, by path; nothing of a repository is read from the disk.
        age_key: the file of age keys that a flag names.
        allowed: what may be read.
    """

    environment: Mapping[str, str] = field(repr=False)
    home: Path
    sealed: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    age_key: Path | None = None
    allowed: Allowed = EVERYTHING

    def value(self, secret: Secret) -> bytes:
        """Read a value.

        Raises:
            ReadingError: it may not be read, or cannot.
        """
        self._permit(secret)
        match secret.kind:
            case SecretKind.ENV:
                return self._variable(secret)
            case SecretKind.FILE:
                return read_value(self._path(secret), shown=f"file {secret.source}")
            case SecretKind.CREDENTIAL:
                return self._credential(secret)
            case SecretKind.EXEC:
                return printed(secret.argv, self.environment)
            case SecretKind.KV:
                return vault_of(self.environment, self.home).read(secret.source, secret.key or "")
            case SecretKind.AGE | SecretKind.SOPS:
                return self._opened(secret)
            case SecretKind.VAULT:
                raise ReadingError(
                    "values of ansible-vault are carried, never opened",
                    hint="declare the value as a secret of another kind, such as sops",
                )

    def _permit(self, secret: Secret) -> None:
        refusal = self.allowed.refusal(secret)
        if refusal is not None:
            flag = None if refusal.word is None else f"ctl serve {self.allowed.flag(refusal.word)}"
            raise ReadingError(refusal.reason, hint=flag or "put the value under a name of its own")

    def _variable(self, secret: Secret) -> bytes:
        value = self.environment.get(secret.source)
        if value is None:
            raise ReadingError(
                f"env {secret.source} is not set",
                hint=f"export {secret.source}=... before the command",
            )
        if not value:
            raise ReadingError(f"env {secret.source} is empty")
        return value.encode("utf-8", "surrogateescape")

    def _path(self, secret: Secret) -> Path:
        source = secret.source
        if source == "~" or source.startswith("~/"):
            return self.home / source[2:]
        if not source.startswith("/") or "\0" in source:
            raise ReadingError(
                f"file {ascii(source)[1:-1]} is not absolute",
                hint="write a path that begins with / or ~/",
            )
        return Path(source)

    def _credential(self, secret: Secret) -> bytes:
        folder = self.environment.get(CREDENTIALS)
        name = secret.source
        if not folder:
            raise ReadingError(
                f"credential {name}: systemd gave none to this process",
                hint=f"add LoadCredential={name}:/FILE to the unit",
            )
        if "/" in name or "\0" in name or name in {"", ".", ".."}:
            raise ReadingError("a credential is named without a slash")
        return read_value(Path(folder) / name, shown=f"credential {name}")

    def _opened(self, secret: Secret) -> bytes:
        """Open an encrypted file of the repository; never falls back to anything in clear."""
        shown = f"{secret.kind} {secret.source}"
        data = self.sealed.get(secret.source)
        if data is None:
            raise ReadingError(f"{shown} is not in the config repository")
        keys = KeyPlaces(environment=self.environment, home=self.home, named=self.age_key).read()
        try:
            if secret.kind is SecretKind.AGE:
                value = one_line(age.unseal(data, keys))
            else:
                value = pick(open_file(secret.source, data, keys), secret.key or "")
        except ReadingError as error:
            raise ReadingError(f"{shown}: {error.reason}", hint=error.hint) from None
        if not value.strip() or len(value) > LARGEST:
            raise ReadingError(f"{shown}: the value is empty or over {LARGEST >> 10} KiB")
        return value
