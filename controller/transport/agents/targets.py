"""Markers and locks of targets, on a server with an agent.

Part of `session`; it calls `calls`. The agent compares and locks by itself, in the files of the runner over ssh.
"""

from collections.abc import Mapping
from typing import Final

from controller.errors import RefusedError
from controller.model.ids import Digest
from controller.model.observation import Holder
from controller.transport.agents import words
from controller.transport.agents.calls import AgentCalls
from controller.transport.port import TargetClaim
from controller.transport.protocol import NAME
from controller.wire.messages import server, targets

MARKER_LIMIT: Final = 65536
TARGETS: Final = 50_000
"""Targets of one project on one server."""
MARKERS: Final = 64 << 20
"""Bytes of all their markers."""


class AgentTargets(AgentCalls):
    """The part of a session that reads and takes targets."""

    async def markers(self, project: str) -> Mapping[str, bytes]:
        """Read every marker of the project, by target."""
        found: dict[str, bytes] = {}
        size = 0
        async for page in self._pages(
            lambda after: targets.ReadMarkers(project=project, after=after),
            targets.MarkerPage,
            lambda page: max(page.markers, default=""),
        ):
            for name, data in page.markers.items():
                if NAME.fullmatch(name):
                    found[name] = data[: MARKER_LIMIT + 1]  # longer than any that was written
                    size += len(found[name])
            self._bound(len(found), size)
        return found

    async def locks(self, project: str) -> Mapping[str, Holder]:
        """Say who holds which target now (locks that may be taken over left out)."""
        found: dict[str, Holder] = {}
        async for page in self._pages(
            lambda after: targets.ReadLocks(project=project, after=after),
            targets.LockPage,
            lambda page: max(page.locks, default=""),
        ):
            held = page.locks.items()
            found.update((name, words.holder(one)) for name, one in held if NAME.fullmatch(name))
            self._bound(len(found), 0)
        return found

    def _bound(self, many: int, size: int) -> None:
        """Refuse more than a server can have."""
        if many > TARGETS or size > MARKERS:
            raise RefusedError(
                f"cannot read the targets of {self._talk.name}: its agent tells of more than "
                f"{TARGETS}, or of more than {MARKERS} bytes"
            )

    async def claim_target(
        self, project: str, target: str, *, holder: Holder, expect: Digest | None, marker: bytes
    ) -> TargetClaim:
        """Take the lock, compare the marker with `expect`, write `marker`: all or nothing."""
        message = targets.ClaimTarget(
            project=project,
            target=target,
            holder=words.holder_said(holder),
            expect=expect,
            marker=bounded(marker),
        )
        return words.claim(await self._ask(message, targets.TargetClaim))

    async def release_target(
        self, project: str, target: str, *, run: str, marker: bytes | None
    ) -> None:
        """Write `marker` (None: delete it) when this run holds the lock, and give the lock back.

        Raises:
            LockedError: this run does not hold the lock, and the marker is another.
        """
        message = targets.ReleaseTarget(
            project=project,
            target=target,
            run=run,
            delete=marker is None,
            marker=b"" if marker is None else bounded(marker),
        )
        await self._ask(message, server.Done)

    async def forget_target(self, project: str, target: str, *, expect: Digest) -> bool:
        """Delete a marker that is unlocked and still as expected; say whether it is gone."""
        message = targets.ForgetTarget(project=project, target=target, expect=expect)
        return (await self._ask(message, targets.Forgotten)).gone


def bounded(marker: bytes) -> bytes:
    """Refuse a marker that no carrier takes."""
    if len(marker) > MARKER_LIMIT:
        raise RefusedError(
            f"cannot write a marker of {len(marker)} bytes, the limit is {MARKER_LIMIT}"
        )
    return marker
