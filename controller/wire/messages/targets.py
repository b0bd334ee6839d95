"""Markers and locks of targets on a server.

Sent by the carrier, answered by the agent. Marker bytes are opaque here. Lists come in pages: ask again with the last name
as `after` while there is `more`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from controller.wire.payloads import Blobs
from controller.wire.record import record


@record
class Holder:
    """Who holds a target's lock; `since` is a UNIX time."""

    run: str
    who: str
    controller: str
    boot_id: str
    since: float


@record
class ReadMarkers:
    """Read the markers of a project; answered by `marker-page`."""

    project: str
    after: str = ""


@record
class MarkerPage:
    """Some markers, by target."""

    more: bool = False
    markers: Blobs = field(default_factory=dict)


@record
class ReadLocks:
    """Say who holds which target of a project; answered by `lock-page`."""

    project: str
    after: str = ""


@record
class LockPage:
    """Some locks, by target."""

    more: bool = False
    locks: Mapping[str, Holder] = field(default_factory=dict)


@record
class ClaimTarget:
    """Take a lock, compare the SHA-256 of the marker with `expect` (null: no marker), write `marker`; all or nothing.

    Answered by `target-claim`.
    """

    project: str
    target: str
    holder: Holder
    expect: str | None
    marker: bytes = b""


@record
class TargetClaim:
    """Taken; or `is_stale`, and `stale` is the marker that is there (empty: none); or held by `holder`."""

    taken: bool
    is_stale: bool = False
    holder: Holder | None = None
    took_over: Holder | None = None
    stale: bytes = b""


@record
class ReleaseTarget:
    """Write `marker` (delete it where `delete`) when this run holds the lock, and give the lock back; `done`."""

    project: str
    target: str
    run: str
    delete: bool = False
    marker: bytes = b""


@record
class ForgetTarget:
    """Delete a marker that is unlocked and still as expected; answered by `forgotten`."""

    project: str
    target: str
    expect: str


@record
class Forgotten:
    """Whether the marker is gone."""

    gone: bool
