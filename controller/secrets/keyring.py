"""Reads values of declared secrets, each at the moment of its first use.

`service` makes one for each command or run; `reconcile` compares through it and `jobs` reads for dispatch. It calls `masker`, so
that no value is ever known here without being masked everywhere.
"""

import asyncio
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from controller.clock import Clock, SystemClock
from controller.model.declaration import Secret
from controller.secrets.allowed import EVERYTHING, Allowed
from controller.secrets.masker import ValueMasker
from controller.secrets.sources import Sources
from controller.secrets.trouble import ReadingError, UnreadableError
from controller.secrets.value import SecretText

AT_ONCE: Final = 8
"""Values that `gather` reads at the same time."""
KEPT: Final = timedelta(seconds=60)
"""How long a controller that stays goes by a value, so that one that was changed is soon seen."""
_READERS: Final = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="secrets")
"""Threads of their own: those of everybody else must not wait for a Vault that is silent."""
FAILURE_KEPT: Final = timedelta(seconds=10)
"""How long nobody asks again for what could not be read: a Vault that is down would cost each of many pairs its time-out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What reading came to, and when."""

    outcome: SecretText | UnreadableError = field(repr=False)
    at: datetime


class Keyring:
    """The declared secrets, each read at most once: by a person's command, or by a controller that stays every minute.

    Args:
        declared: the secrets by name.
        environment: the environment of this command, as `settings` read it.
        home: what `~` means in `file:`.
        masker: is told every value that is read.
        sealed: the encrypted files of the declaration, by path.
        age_key: the file of age keys that a flag names.
        allowed: what may be read; by hand everything.
        clock: tells how old a value is.
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
        clock: Clock | None = None,
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
        self._clock = clock or SystemClock()
        self._kept = None if allowed.by_hand else KEPT
        self._known: dict[str, _Read] = {}
        self._warnings: dict[str, str] = {}
        self._underway: dict[str, asyncio.Task[None]] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Say which values that were read cannot be masked by value."""
        return tuple(self._warnings.values())

    def read(self, name: str) -> SecretText:
        """Read a secret, waiting for it; where others must not wait, `gather` it first.

        Raises:
            UnreadableError: it is not declared, or its value cannot be read on this machine.
        """
        outcome = self._fresh(name)
        if outcome is None:
            outcome = self._keep(name, self._tried(name))
        if isinstance(outcome, UnreadableError):
            raise outcome.with_traceback(None)
        return outcome

    async def gather(self, names: Iterable[str]) -> None:
        """Read secrets in threads; `read` then gives each, or says why not, without waiting.

        Whoever asks for what is being read waits for the same reading, which goes on when they stop waiting.
        """
        wanted = [name for name in sorted(set(names)) if self._fresh(name) is None]
        await asyncio.gather(*(asyncio.shield(self._reading(name)) for name in wanted))

    def _reading(self, name: str) -> "asyncio.Task[None]":
        known = self._underway.get(name)
        if known is None:
            known = asyncio.create_task(self._fetch(name))
            self._underway[name] = known
            known.add_done_callback(lambda _: self._underway.pop(name, None))
        return known

    async def _fetch(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        self._keep(name, await loop.run_in_executor(_READERS, self._tried, name))

    def forget(self) -> None:
        """Let go of every value and failure; the next use reads anew. What was read stays masked."""
        self._known.clear()

    def _fresh(self, name: str) -> SecretText | UnreadableError | None:
        """Give what is known and not too old."""
        known = self._known.get(name)
        if known is None:
            return None
        failed = isinstance(known.outcome, UnreadableError)
        kept = FAILURE_KEPT if failed else self._kept
        age = self._clock.now() - known.at
        return known.outcome if kept is None or timedelta(0) <= age < kept else None

    def _keep(
        self, name: str, outcome: SecretText | UnreadableError
    ) -> SecretText | UnreadableError:
        self._known[name] = _Read(outcome=outcome, at=self._clock.now())
        return outcome

    def _tried(self, name: str) -> SecretText | UnreadableError:
        try:
            return self._read(name)
        except UnreadableError as error:
            return error

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
