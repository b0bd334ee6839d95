"""The records of the port and those of the wire, each as the other.

Called by the sessions of agents; pure. What comes from a server is bounded here and never trusted to be what it says.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from controller.model.ids import AttemptId, Digest, JobId
from controller.model.observation import Holder, HostSeen
from controller.model.task import Limits, Result, ResultType
from controller.transport.port import (
    AttemptStatus,
    Ending,
    Facts,
    Offer,
    Phase,
    Pool,
    ScriptReport,
    ServerScript,
    TargetClaim,
)
from controller.wire.messages import attempts, greetings, server, targets

OUTPUTS: Final = 65536
"""Bytes of outputs that are taken."""
WORDS: Final = 2000
"""Characters of a message."""
ITEMS: Final = 16
"""Load averages, tools and the like."""
LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC).timestamp()
DIGEST: Final = re.compile("[0-9a-f]{64}")
ALWAYS: Final = frozenset({Offer.PAUSE, Offer.INPUT, Offer.LIMITS, Offer.POOL})


def facts(said: greetings.Facts) -> Facts:
    """Say what an agent told of its machine."""
    offers = set(ALWAYS)
    offers.add(Offer.ONLY_SCRIPTS if said.scripts_only else Offer.WORKSPACE)
    offers.add(Offer.SCRIPTS)
    return Facts(
        boot_id=said.boot_id,
        login=said.login,
        root=said.root,
        base=said.base,
        tools=frozenset(said.tools[: 4 * ITEMS]),
        offers=frozenset(offers),
        agent=said.agent[:WORDS],
    )


def host_seen(at: datetime, state: greetings.HostState) -> HostSeen:
    """Say how a machine did."""
    return HostSeen(
        at=at,
        cpu=min(state.cpu, 1.0),
        processors=state.processors,
        memory_used=state.memory_used,
        memory_total=state.memory_total,
        disk_used=state.disk_used,
        disk_total=state.disk_total,
        load=state.load[:ITEMS],
        uptime=state.uptime,
        workers=state.workers,
        running=state.running,
        waiting=state.waiting,
    )


def status(asked: AttemptId, said: attempts.Attempt) -> AttemptStatus:
    """Say what an agent knows of an attempt."""
    waiting = said.phase == "waiting"
    return AttemptStatus(
        id=asked,
        phase=Phase.RUNNING if waiting else Phase(said.phase),
        fresh=said.fresh,
        ending=None if said.ending is None else Ending(said.ending),
        exit_code=said.exit_code,
        message=said.message[:WORDS],
        length=said.length,
        sha256=digest(said.sha256),
        outputs=said.outputs[:OUTPUTS],
        incomplete=said.incomplete[:WORDS],
        waiting=waiting,
        paused=said.paused,
        out_of_memory=said.out_of_memory,
        means=means(said.means) or said.reach,
    )


def means(said: Mapping[str, str]) -> str:
    """Say in one line what holds what: the word alone where it is the same for all."""
    kinds = sorted(set(said.values()))
    if len(kinds) <= 1:
        return "".join(kinds)[:WORDS]
    return ", ".join(f"{name} {said[name]}" for name in sorted(said)[:ITEMS])[:WORDS]


def digest(said: str | None) -> Digest | None:
    """Take a SHA-256, or nothing where it is none."""
    return Digest(said) if said is not None and DIGEST.fullmatch(said) else None


def bounds(limits: Limits) -> attempts.Bounds:
    """Give limits as the wire has them."""
    return attempts.Bounds(cpu=limits.cpu, memory=limits.memory, pids=limits.pids, io=limits.io)


def holder_said(holder: Holder) -> targets.Holder:
    """Give a holder as the wire has it."""
    return targets.Holder(
        run=holder.run,
        who=holder.who,
        controller=holder.controller,
        boot_id=holder.boot_id,
        since=holder.since.timestamp(),
    )


def holder(said: targets.Holder) -> Holder:
    """Say who holds a lock."""
    return Holder(
        run=said.run[:WORDS],
        who=said.who[:WORDS],
        controller=said.controller[:WORDS],
        boot_id=said.boot_id[:WORDS],
        since=moment(said.since),
    )


def claim(said: targets.TargetClaim) -> TargetClaim:
    """Say what became of a claim."""
    return TargetClaim(
        taken=said.taken,
        stale=said.stale if said.is_stale and not said.taken else None,
        holder=None if said.holder is None or said.taken else holder(said.holder),
        took_over=None if said.took_over is None else holder(said.took_over),
    )


def script(said: server.Script) -> ServerScript:
    """Say what a script is."""
    kind = ResultType(said.result)
    return ServerScript(
        name=said.name[:WORDS],
        sha256=digest(said.sha256) or "",
        size=said.size,
        title=said.title[:WORDS],
        result=Result(type=kind, path=said.file[:WORDS] if kind is ResultType.FILE else None),
        problem=said.problem[:WORDS],
    )


def report(asked: AttemptId, said: server.Report) -> ScriptReport:
    """Say what the run of a script came to."""
    return ScriptReport(
        attempt=asked,
        job=JobId(said.job[:WORDS]),
        script=script(said.script),
        exit_code=said.exit_code,
        message=said.message[:WORDS],
        headers=headers(said.headers),
        started_at=moment(said.started_at) if said.started_at else None,
        ended_at=moment(said.ended_at) if said.ended_at else None,
        artifact=said.artifact[:WORDS],
        result=said.result,
    )


def headers(said: Mapping[str, str]) -> dict[str, str]:
    """Take a bounded number of headers."""
    return {name[:WORDS]: said[name][:WORDS] for name in list(said)[: 4 * ITEMS]}


def pool(said: server.Pool) -> Pool:
    """Say how many attempts run and wait."""
    return Pool(workers=said.workers, running=said.running, waiting=said.waiting)


def moment(seconds: float) -> datetime:
    """Give a UNIX time as a date; one beyond all calendars is the last we know."""
    if not math.isfinite(seconds):
        return datetime.fromtimestamp(0, UTC)
    return datetime.fromtimestamp(min(max(seconds, 0.0), LATEST), UTC)
