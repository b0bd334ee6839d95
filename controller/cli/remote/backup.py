"""The whole state of a serving controller in one file of this machine.

Called by `controller`; calls the client. The file is whole or not there, readable by its owner only, and never in place of another.
"""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from controller.cli.remote.client import Client
from controller.cli.remote.files import OCTETS
from controller.errors import StateError
from controller.journal.backup import Paper, contents
from controller.store.folder import sync_folder


async def fetch_backup(client: Client, goal: Path) -> Paper:
    """Have a backup made over there, and fetch it; give what it says of itself.

    Raises:
        StateError: the file is there already, cannot be written, or is no backup.
    """
    part = goal.with_name(f".{goal.name}.part")
    try:
        await asyncio.to_thread(_begin, goal, part)
        async with client.stream("/api/v1/backup", method="POST", accept=OCTETS) as response:
            with part.open("ab") as file:  # short writes into the page cache
                async for data in response.aiter_bytes():
                    file.write(data)
        paper = await asyncio.to_thread(contents, part)
        await asyncio.to_thread(_finish, part, goal)
    except OSError as error:
        raise StateError(f"cannot write the backup {goal}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # the first error says more
            part.unlink(missing_ok=True)
    return paper


def _begin(goal: Path, part: Path) -> None:
    """Make the file that grows; asked before anything is sent, because a backup is dear to make."""
    if os.path.lexists(goal):
        raise StateError(f"cannot write the backup {goal}: it is there already")
    flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    os.close(os.open(part, flags, 0o600))


def _finish(part: Path, goal: Path) -> None:
    """Give it its name, durably."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    os.link(part, goal)  # unlike a rename, never in place of another
    part.unlink()
    sync_folder(goal.parent)
