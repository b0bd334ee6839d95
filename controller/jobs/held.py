"""A state that is held: one that was restored from a backup, and may start nothing until a person says so.

Asked by `accept` before anything is recorded, and by the loop before anything is driven; `reconcile.backups` sets and lifts it.
"""

from typing import Final

from controller.errors import RefusedError
from controller.store.ports import Store

HELD: Final = "dispatch-held"
"""The mark; its value says why, for people."""


async def refuse_while_held(store: Store) -> None:
    """Refuse to start anything on a state that is held.

    Raises:
        RefusedError: it is.
    """
    why = await store.marks.get(HELD)
    if why is not None:
        raise RefusedError(
            f"cannot start anything on this state: {why}",
            hint="look with ctl plan and ctl jobs list, then: ctl restore --release --reason TEXT",
        )
