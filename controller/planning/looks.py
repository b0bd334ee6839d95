"""What was seen of a pair's deliveries, with all that is needed to compare it.

Made for `deliveries` by whoever judges a pair, read by `file_state`, too.
"""

from dataclasses import dataclass

from controller.model.applied import Applied
from controller.model.files import DeliverySeen
from controller.model.observation import ServerSeen
from controller.model.work import Work
from controller.planning.subject import moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was seen of a pair's deliveries, with all that is needed to compare it.

    `seen` is None where nobody looked since the pair last ran. `user` is who owns what names no owner.
    """

    seen: DeliverySeen | None = None
    record: Applied | None = None
    user: str | None = None


def look_at(target: str, work: Work, record: Applied | None, server: ServerSeen | None) -> Look:
    """Take what was seen of a target's deliveries, unless it ran since."""
    if server is None:
        return Look(record=record)
    seen = server.deliveries.get(target)
    last = None if record is None else moment(record)
    if seen is not None and last is not None and seen.at < last:
        seen = None
    user = work.user or ("root" if server.root else server.login)
    return Look(seen=seen, record=record, user=user)
