"""The folders of jobs, one for each job that left something here.

Called by `output` and `artifacts`; calls the disk.
"""

import shutil
from collections.abc import Collection
from pathlib import Path

from controller.errors import StateError


def sweep(folder: Path, keep: Collection[str]) -> None:
    """Delete what lies below `folder` for every job that is not in `keep`; names with a dot in front are not jobs.

    Raises:
        StateError: the disk does not let go of it.
    """
    try:
        found = list(folder.iterdir())
    except FileNotFoundError:
        return
    for job in found:
        if job.name in keep or job.name.startswith("."):
            continue
        try:
            shutil.rmtree(job)
        except OSError as error:
            raise StateError(
                f"cannot delete {job}, which no job needs any more: {error.strerror or error}",
                hint="delete it yourself, or check the disk",
            ) from error
