"""Where the age key of this controller lies; it is read only when something has to be opened.

Called by `sources` and the face of `ctl secret`; calls `age`.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controller.secrets.age import AgeKey, read_keys
from controller.secrets.disk import read_small
from controller.secrets.trouble import ReadingError

CREDENTIAL: Final = "age-key"
"""Name of the systemd credential that holds it."""
SYSTEM: Final = Path("/etc/ctl/age.txt")
CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"
HINT: Final = "make one: ctl secret keygen --out ~/.config/ctl/age.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPlaces:
    """Where to look for the age key, the first that is there counts.

    Args:
        environment: of this command.
        home: the person's home.
        named: what a flag names; then nothing else is looked at.
        system: where the machine's key lies.
    """

    environment: Mapping[str, str]
    home: Path
    named: Path | None = None
    system: Path = SYSTEM

    def paths(self) -> Iterator[Path]:
        """Give the files in order.

        Named by a flag; the credential `age-key`; SOPS_AGE_KEY_FILE; ctl's own in the person's settings; the machine's; sops' own.
        """
        if self.named is not None:
            yield self.named
            return
        folder = self.environment.get(CREDENTIALS)
        if folder:
            yield Path(folder) / CREDENTIAL
        told = self.environment.get("SOPS_AGE_KEY_FILE")
        if told:
            yield Path(told)
        settings = Path(self.environment.get("XDG_CONFIG_HOME", ""))
        settings = settings if settings.is_absolute() else self.home / ".config"
        yield settings / "ctl" / "age.txt"
        yield self.system
        yield settings / "sops" / "age" / "keys.txt"

    def own(self) -> Path:
        """Give the file where a person's key belongs."""
        settings = Path(self.environment.get("XDG_CONFIG_HOME", ""))
        return (settings if settings.is_absolute() else self.home / ".config") / "ctl" / "age.txt"

    def read(self) -> tuple[AgeKey, ...]:
        """Read the keys of the first file that is there.

        Raises:
            ReadingError: there is none, others can read it, or it holds no native key.
        """
        for path in self.paths():
            if self.named is not None or os.path.lexists(path):
                return _read(path)
        raise ReadingError("there is no age key here", hint=HINT)


def _read(path: Path) -> tuple[AgeKey, ...]:
    text = read_small(path, shown=f"age key {path}")
    if path.stat().st_mode & stat.S_IRWXO:
        raise ReadingError(
            f"age key {path} is open to everybody on this machine", hint=f"chmod 600 {path}"
        )
    try:
        return read_keys(text)
    except ReadingError as error:
        raise ReadingError(f"age key {path}: {error.reason}", hint=error.hint) from None
