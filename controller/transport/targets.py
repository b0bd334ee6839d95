"""Markers and locks of targets, on the server itself.

Part of `session`; it calls `lines`. The runner takes the lock and shows the marker; the comparison is made here, and
the answer, commit or abort, goes back over the same line. A line that dies in between gives the lock back.
"""

import asyncio
import hashlib
from collections.abc import Coroutine, Mapping
from typing import Final, TypeVar

import msgspec

from controller.errors import LockedError, RefusedError
from controller.model.ids import Digest
from controller.model.observation import Holder
from controller.transport.line import Line
from controller.transport.lines import Lines
from controller.transport.port import TargetClaim
from controller.transport.protocol import NAME, Reply, check
from controller.transport.quoting import assign

MARKER_LIMIT: Final = 65536
HOLDER_LIMIT: Final = 4096
T = TypeVar("T")


class TargetCalls:
    """The part of a session that reads and takes targets."""

    _lines: Lines
    _held: dict[str, tuple[str, str]]

    async def markers(self, project: str) -> Mapping[str, bytes]:
        """Read every marker of the project, by target."""
        return {
            reply.text("name"): reply.body
            for reply in await self._list(project, b"; do_markers")
            if NAME.fullmatch(reply.text("name"))
        }

    async def locks(self, project: str) -> Mapping[str, Holder]:
        """Say who holds which target now (locks that may be taken over left out)."""
        return {
            reply.text("name"): decode_holder(reply.body)
            for reply in await self._list(project, b"; do_locks")
            if NAME.fullmatch(reply.text("name"))
        }

    async def claim_target(
        self, project: str, target: str, *, holder: Holder, expect: Digest | None, marker: bytes
    ) -> TargetClaim:
        """Take the lock, compare the marker with `expect`, write `marker`: all or nothing."""
        place = place_of(project, target, holder.run)
        told = encode_holder(holder)
        bounded(marker)
        line = await self._lines.data()
        claim, generation = await finished(self._claim(line, place, told, expect, marker))
        if claim.taken:
            folder = f"{project}/locks/{target}"
            self._held[folder] = (target, f"{folder}/attempts.{generation}")
        return claim

    async def release_target(
        self, project: str, target: str, *, run: str, marker: bytes | None
    ) -> None:
        """Write `marker` (None: delete it) when this run holds the lock, and give the lock back.

        Done twice it is done once: a marker that already stands as wanted is no error.

        Raises:
            LockedError: this run does not hold the lock, and the marker is another.
        """
        place = place_of(project, target, run)
        wanted = b"" if marker is None else bounded(marker)
        line = await self._lines.data()
        reply = await finished(
            line.ask(
                place
                + b" "
                + assign(marker=wanted, gone="" if marker is not None else "1")
                + b" "
                + self._lines.keeper
                + b"; do_release"
            )
        )
        self._held.pop(f"{project}/locks/{target}", None)
        if not reply.number("held") and not reply.number("same"):
            raise LockedError(
                f"cannot write the marker of {target} on {self._lines.server}: "
                f"run {run} does not hold its lock any more",
                hint="plan again: somebody else has worked on the target since",
            )

    async def forget_target(self, project: str, target: str, *, expect: Digest) -> bool:
        """Delete a marker that is unlocked and still as expected; say whether it is gone."""
        run = f"forget-{expect[:12]}"
        place = place_of(project, target, run)
        line = await self._lines.data()

        async def forget() -> bool:
            reply = await self._take_lock(line, place, b"{}")
            if reply.text("state") == "held":
                return False
            _, found = split_marker(reply)
            if found is None or digest(found) != expect:
                await self._settle(line, place, b"do_abort")
                return found is None
            await self._settle(line, place, b"do_forget")
            return True

        return await finished(forget())

    async def _claim(
        self, line: Line, place: bytes, told: bytes, expect: Digest | None, marker: bytes
    ) -> tuple[TargetClaim, int]:
        """Do the exchange; with the claim comes the generation of the lock."""
        reply = await self._take_lock(line, place, told)
        generation = reply.number("generation")
        state = reply.text("state")
        other, found = split_marker(reply)
        if state == "held":
            return TargetClaim(taken=False, holder=decode_holder(other)), generation
        if state != "again" and (None if found is None else digest(found)) != expect:
            await self._settle(line, place, b"do_abort")
            return TargetClaim(taken=False, stale=found or b""), generation
        await self._settle(line, place + b" " + assign(marker=marker), b"do_commit")
        took_over = decode_holder(other) if state == "took" else None
        return TargetClaim(taken=True, took_over=took_over), generation

    async def _take_lock(self, line: Line, place: bytes, told: bytes) -> Reply:
        return await line.ask(
            place + b" " + assign(holder=told) + b" " + self._lines.keeper + b"; do_lock"
        )

    async def _settle(self, line: Line, place: bytes, verb: bytes) -> None:
        await line.ask(place + b" " + self._lines.keeper + b"; " + verb)

    async def _list(self, project: str, verb: bytes) -> list[Reply]:
        line = await self._lines.data()
        request = assign(project=check(NAME, project, "a project"))
        replies = await line.collect(request + b" " + self._lines.keeper + verb)
        return replies[:-1]


async def finished(work: Coroutine[object, object, T]) -> T:
    """Finish an exchange even when whoever asked goes away half-way."""
    return await asyncio.shield(asyncio.create_task(work))


def place_of(project: str, target: str, run: str) -> bytes:
    """Name a target's lock and who wants it, as assignments."""
    return assign(
        project=check(NAME, project, "a project"),
        target=check(NAME, target, "a target"),
        run=check(NAME, run, "a run"),
    )


def split_marker(reply: Reply) -> tuple[bytes, bytes | None]:
    """Take the body of a lock apart: the other holder, and the marker."""
    at = min(reply.number("holder"), len(reply.body))
    return reply.body[:at], reply.body[at:] if reply.text("marker") == "yes" else None


def bounded(marker: bytes) -> bytes:
    """Give a marker back that a runner can carry.

    Raises:
        RefusedError: it is longer than 64 KiB.
    """
    if len(marker) > MARKER_LIMIT:
        raise RefusedError(
            f"cannot write a marker of {len(marker)} bytes, the limit is {MARKER_LIMIT}"
        )
    return marker


def digest(data: bytes) -> Digest:
    """Give the SHA-256 of a marker."""
    return Digest(hashlib.sha256(data).hexdigest())


def encode_holder(holder: Holder) -> bytes:
    """Write a holder on one line.

    Raises:
        RefusedError: its names are longer than anybody's are.
    """
    told = msgspec.json.encode(holder)
    if len(told) > HOLDER_LIMIT:
        raise RefusedError(f"cannot say in {HOLDER_LIMIT} bytes who holds the lock")
    return told


def decode_holder(told: bytes) -> Holder:
    """Read a holder, whoever wrote it.

    Raises:
        RefusedError: it is none.
    """
    try:
        return msgspec.json.decode(told, type=Holder)
    except msgspec.DecodeError as error:
        raise RefusedError(
            "cannot read who holds the lock: it was written by something else",
            hint="look into the folder locks of the project on the server",
        ) from error
