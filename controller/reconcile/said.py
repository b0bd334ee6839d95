"""What the loop has to say of a key that does not go on: kept as marks, so that every face and every process sees it.

Written by the reconcilers and the switch through `World.say`; read by `status`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import msgspec

from controller.store.ports_serving import Marks

PREFIX: Final = "said/"
LONGEST: Final = 2000
"""Characters that are kept of a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One sentence: `reason` in CamelCase, `message` for people, `clear` is the command that helps; `since` is set when it is stored."""

    reason: str
    message: str
    clear: str | None = None
    since: datetime | None = None


async def say(marks: Marks, key: str, said: Said | None, now: datetime) -> bool:
    """Store what is to be said of a key, None: nothing any more; say whether that is news."""
    name = f"{PREFIX}{key}"
    stored = await marks.get(name)
    if said is None:
        return stored is not None and await marks.swap(name, stored, None)
    fresh = replace(said, message=said.message[:LONGEST])
    before = None if stored is None else _decode(stored)
    if before is not None and replace(before, since=None) == fresh:
        return False
    await marks.put(name, msgspec.json.encode(replace(fresh, since=now)).decode())
    return True


async def all_said(marks: Marks, begin: str = "") -> Mapping[str, Said]:
    """Read what is said of every key that begins so."""
    found = {
        name.removeprefix(PREFIX): _decode(text)
        for name, text in (await marks.prefixed(f"{PREFIX}{begin}")).items()
    }
    return {key: said for key, said in sorted(found.items()) if said is not None}


def _decode(text: str) -> Said | None:
    """Read one; what another version wrote is no sentence of ours."""
    try:
        return msgspec.json.decode(text, type=Said)
    except msgspec.ValidationError:
        return None
