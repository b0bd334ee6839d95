"""The person's own settings: `~/.config/ctl/config.yaml`, below flags and environment, above the defaults.

Called by `options` for every command line; the reader of YAML is loaded only where there is such a file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from controller.errors import UsageError

MOST_BYTES: Final = 1 << 16


def own_settings(path: Path) -> Mapping[str, object]:
    """Read the file; nothing where there is none.

    Raises:
        UsageError: it cannot be read, or is not a mapping; the message names the place.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    from controller.declaration.reader import read

    document = read(str(path), raw)
    for finding in document.diagnostics:
        raise UsageError(f"cannot read {finding.place}: {finding.message}", hint=finding.hint)
    data = document.data
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise UsageError(f"cannot use {path}: it is not a mapping", hint="such as: color: never")
    return {str(key): value for key, value in data.items()}
