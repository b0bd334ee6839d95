"""Which state this is, and in which epoch it is acted on: what agents are told, so that they refuse whoever is over.

Called by `service` when a state is opened, and by `backups`: a restored state is another one, whose epochs count anew.
"""

from typing import Final

from controller.model.ids import IdFactory
from controller.store.ports import Store

STATE_ID: Final = "state-id"
"""The mark that tells this state apart from every other."""
EPOCH: Final = "epoch"
"""The mark that counts how often somebody began to act on it."""


async def identity(store: Store, ids: IdFactory) -> str:
    """Give the name by which agents know this state; made once."""
    found = await store.marks.get(STATE_ID)
    if found is None:
        await store.marks.swap(STATE_ID, None, ids())
        found = await store.marks.get(STATE_ID)
    return found or ""


async def next_epoch(store: Store) -> int:
    """Begin another epoch: whoever acted on this state before is over."""
    epoch = 1 + int(await store.marks.get(EPOCH) or "0")
    await store.marks.put(EPOCH, str(epoch))
    return epoch


async def become_another(store: Store) -> None:
    """Make a state another one than it was, as after a restore."""
    known = await store.marks.get(STATE_ID)
    if known is not None:
        await store.marks.swap(STATE_ID, known, None)
