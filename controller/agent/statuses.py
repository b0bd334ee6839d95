"""What is known of an attempt, as the wire says it.

`attempts` calls it. Pure.
"""

from __future__ import annotations

from controller.execution.ending import Ending
from controller.execution.status import End, Overview, Phase, Status
from controller.wire.messages import attempts as wire

PHASES: dict[Phase, wire.Phase] = {
    Phase.NONE: "none",
    Phase.ACCEPTED: "waiting",
    Phase.RUNNING: "running",
    Phase.PAUSED: "running",
    Phase.ENDED: "ended",
    Phase.INTERRUPTED: "interrupted",
}
CGROUP = "cgroup"
MOST_MESSAGE = 2_000
MOST_NAMED = 20
"""Processes that could not be ended and are named."""


def say_status(status: Status, *, fresh: bool = False) -> wire.Attempt:
    """Say everything about an attempt.

    Args:
        status: what is known.
        fresh: this answers the call that claimed it.
    """
    said = wire.Attempt(
        id=status.id,
        phase=PHASES[status.phase],
        fresh=fresh,
        paused=status.phase is Phase.PAUSED,
        message=status.message[:MOST_MESSAGE],
        length=status.length,
        reach=_reach(status),
        started_at=status.started_at,
        ended_at=status.ended_at,
        means=status.means,
        outputs=status.outputs,
    )
    return said if status.end is None else _with_end(said, status.end)


def say_brief(one: Overview) -> wire.AttemptBrief:
    """Say a line about an attempt."""
    return wire.AttemptBrief(
        id=one.id,
        job=one.job,
        phase=PHASES[one.phase],
        owner=one.owner,
        started_at=one.started_at,
        ended_at=one.ended_at,
    )


def _with_end(said: wire.Attempt, end: End) -> wire.Attempt:
    stopped = end.ending in (Ending.STOP, Ending.TIMEOUT)
    left = " ".join(map(str, end.left[:MOST_NAMED]))
    told = [end.message]
    if end.lost is not None:
        told.append(f"output lost from byte {end.lost} on: no room on the disk")
    if left and not stopped:
        told.append(f"left running: {left}")
    return wire.Attempt(
        id=said.id,
        phase=said.phase,
        fresh=said.fresh,
        ending=end.ending.value,
        exit_code=end.exit_code,
        message="; ".join(filter(None, told))[:MOST_MESSAGE],
        length=end.length,
        sha256=end.sha256,
        incomplete=left if stopped else "",
        reach=said.reach,
        out_of_memory=end.oom,
        started_at=said.started_at,
        ended_at=said.ended_at,
        means=said.means,
        outputs=said.outputs,
    )


def _reach(status: Status) -> wire.Reach:
    word = status.means.get("stop", "")
    return "" if not word else "cgroup" if word == CGROUP else "group"
