"""What is known of some targets alone: records of others are not given, and what was seen of others is left out before it is decoded.

Called by the shelves of records and observations and their twins in memory. A decision about one target would else read what thousands
of servers hold of all targets.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

import msgspec

from controller.model.applied import Applied
from controller.model.observation import ServerSeen
from controller.store.rows import decode

BY_TARGET: Final = ("markers", "checks", "locks", "deliveries")
"""Fields of an observation that hold something for each target."""
_PARTS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def by_pair(
    rows: Iterable[str], targets: Collection[str] | None = None
) -> Mapping[tuple[str, str], Applied]:
    """Give the records of some targets, None: all, by pair."""
    records = (decode(Applied, data) for data in rows)
    return {
        (one.target, one.server): one for one in records if targets is None or one.target in targets
    }


def by_server(
    rows: Iterable[str], targets: Collection[str] | None = None
) -> Mapping[str, ServerSeen]:
    """Give observations by server, with what was seen of some targets; None: of all.

    Raises:
        StateError: a row does not hold an observation.
    """
    texts = rows if targets is None else (outline(data, targets) for data in rows)
    return {seen.server: seen for seen in (decode(ServerSeen, data) for data in texts)}


def outline(data: str, targets: Collection[str]) -> str:
    """Leave out of an observation as it is stored what was seen of other targets; what is none is given back as it is."""
    try:
        parts = _PARTS.decode(data)
        for name in BY_TARGET:
            if name in parts:
                seen = _PARTS.decode(parts[name])
                parts[name] = msgspec.Raw(
                    msgspec.json.encode({one: seen[one] for one in targets if one in seen})
                )
    except msgspec.MsgspecError:
        return data
    return msgspec.json.encode(parts).decode()
