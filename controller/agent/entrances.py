"""A doorway for each role, and when the next thing is due in any of them.

`pump` calls it. Sessions are found by names, and a user may have the name of a controller; so each role has a doorway of its own, and
a crowd of one role leaves the sessions of another alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from controller.agent.asker import Role
from controller.agent.peer import SERVED
from controller.wire.doorway import Doorway
from controller.wire.events import Event
from controller.wire.handshake import Identity
from controller.wire.session import Session

LEADER: Role = "controller"
"""The role whose leases are believed."""


class Entrances:
    """All sessions of the agent.

    Args:
        me: the agent.
        leases: the highest lease seen of each cluster, from disk.
    """

    def __init__(self, me: Identity, leases: Mapping[str, int]) -> None:
        self._doorways = {role: Doorway(me, leases if role == LEADER else {}) for role in SERVED}

    def of(self, role: Role) -> Doorway:
        """Give the doorway of a role."""
        return self._doorways[role]

    @property
    def sessions(self) -> Iterator[Session]:
        """All that are kept, with a connection or without."""
        return (session for one in self._doorways.values() for session in one.sessions)

    def deadline(self) -> float | None:
        """Say when `tick` is to be called at the latest."""
        dues = (one.deadline() for one in self._doorways.values())
        return min((due for due in dues if due is not None), default=None)

    def tick(self, now: float) -> list[tuple[Session | None, Event]]:
        """Do what is due; give what came of it beside its session."""
        return [told for one in self._doorways.values() for told in one.tick(now)]
