"""Where the config repository is: the nearest folder upwards with a `ctl.yaml`. Light to import.

The faces and `service` call it; it calls the disk.
"""

from pathlib import Path
from typing import Final

from controller.errors import NotFoundError

MARK: Final = "ctl.yaml"


def find(start: Path) -> Path:
    """Find the config repository that holds a folder: the nearest one upwards with a `ctl.yaml`.

    Raises:
        NotFoundError: there is none.
    """
    here = start.absolute()
    for folder in (here, *here.parents):
        if (folder / MARK).is_file():
            return folder
    raise NotFoundError(
        f"cannot find {MARK} in {here} or above it", hint="ctl init, or name the folder with -C"
    )
