"""Why a value cannot be read.

Sources and codecs raise `ReadingError` without knowing whose value it is; `keyring` makes an `UnreadableError` of it, with the
secret's name and place. Neither ever holds a value or a part of one.
"""

from controller.errors import SecretError
from controller.model.declaration import Secret


class ReadingError(SecretError):
    """A value cannot be read; `reason` is the short form: "env DB_PASSWORD is not set"."""

    def __init__(self, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"cannot read the value: {reason}", hint=hint)
        self.reason = reason


class UnreadableError(SecretError):
    """A secret cannot be read here; `reason` is the short form: "env DB_PASSWORD is not set"."""

    def __init__(self, secret: Secret | str, reason: str, *, hint: str | None = None) -> None:
        name = secret if isinstance(secret, str) else secret.name
        declared = "" if isinstance(secret, str) or not secret.place.file else secret.place
        at = f" (declared at {declared})" if declared else ""
        super().__init__(f"cannot read secret {name}: {reason}{at}", hint=hint)
        self.secret = name
        self.reason = reason
