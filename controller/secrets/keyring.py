"""Reads values of declared secrets, each at the moment of its first use.

`service` makes one for each command or run; `reconcile` compares through it and `jobs` reads for dispatch. It calls `masker`, so
that no value is ever known here without being masked everywhere.
"""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from controller.model.declaration import Secret
from controller.secrets.allowed import EVERYTHING, Allowed
from controller.secrets.masker import ValueMasker
from controller.secrets.sources import Sources
from controller.secrets.trouble import ReadingError, UnreadableError
from controller.secrets.value import SecretText

AT_ONCE: Final = 8
"""Values that `gather` reads at the same time."""


class Keyring:
    """The declared secrets, each read at most once until they are forgotten.

    Args:
        declared: the secrets by name.
        environment: the environment of this command, as `settings` read it.
        home: what `~` means in `file:`.
        masker: is told every value that is read.
        sealed: the encrypted files of the declaration, by path.
        age_key: the file of age keys that a flag names.
        allowed: what may be read; by hand everything.
    """

    def __init__(
        self,
        declared: Mapping[str, Secret],
        *,
        environment: Mapping[str, str],
        home: Path,
        masker: ValueMasker,
        sealed: Mapping[str, bytes] | None = None,
        age_key: Path | None = None,
        allowed: Allowed = EVERYTHING,
    ) -> None:
        self._declared = declared
        self._sources = Sources(
            environment=environment,
            home=home,
            sealed=sealed or {},
            age_key=age_key,
            allowed=allowed,
        )
        self._masker = masker
        self._known: dict[str, SecretText] = {}
        self._failed: dict[str, UnreadableError] = {}
        self._warnings: dict[str, str] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Say which values that were read cannot be masked by value."""
        return tuple(self._warnings.values())

    def read(self, name: str) -> SecretText:
        """Read a secret, waiting for it; where others must not wait, `gather` it first.

        Raises:
            UnreadableError: it is not declared, or its value cannot be read on this machine.
        """
        known = self._known.get(name)
        if known is not None:
            return known
        if name in self._failed:
            raise self._failed[name].with_traceback(None)
        return self._known.setdefault(name, self._read(name))

    async def gather(self, names: Iterable[str]) -> None:
        """Read secrets in threads; `read` then gives each, or says why not, without waiting."""
        wanted = [name for name in sorted(set(names)) if name not in self._known]
        free = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(self._gather(name, free) for name in wanted))

    async def _gather(self, name: str, free: asyncio.Semaphore) -> None:
        async with free:
            try:
                value = await asyncio.to_thread(self._read, name)
            except UnreadableError as error:
                self._failed[name] = error
            else:
                self._failed.pop(name, None)
                self._known.setdefault(name, value)

    def forget(self) -> None:
        """Let go of every value and failure; the next use reads anew. What was read stays masked."""
        self._known.clear()
        self._failed.clear()

    def _read(self, name: str) -> SecretText:
        secret = self._declared.get(name)
        if secret is None:
            raise UnreadableError(name, "it is not declared", hint=f"declare {name} in `secrets:`")
        try:
            value = self._sources.value(secret)
        except ReadingError as error:
            raise UnreadableError(secret, error.reason, hint=error.hint) from None
        if not self._masker.add(value):
            self._warnings[name] = f"secret {name} is under 6 bytes: it cannot be masked in output"
        return SecretText(value)


__all__ = ["AT_ONCE", "Keyring", "UnreadableError"]
