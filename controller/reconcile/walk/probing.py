"""Running `check:` of what is in sync, read only: the drift of a pair."""

from collections.abc import Mapping, Sequence
from typing import Final

from controller.declaration import checks
from controller.jobs.environment import check_environment
from controller.model.applied import Applied
from controller.model.declaration import OnDrift
from controller.model.observation import CheckSeen
from controller.model.work import Pair
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.seen import Seen
from controller.transport.port import ProbeSpec, Session

CHECK_SECONDS: Final = 30.0
OUTPUT_KEPT: Final = 2000
"""Bytes of a check's output that are kept for people."""


async def run_checks(
    rooms: Rooms,
    seen: Seen,
    pairs: Sequence[Pair],
    records: Mapping[str, Applied],
    session: Session,
) -> dict[str, CheckSeen]:
    """Run `check:` for every pair whose desired digest is the applied one."""
    wanted = [
        (pair, records[pair.target])
        for pair in pairs
        if pair.target in records and in_force(seen, pair, records[pair.target])
    ]
    if not wanted:
        return {}
    rendered = checks.render(seen.declaration, wanted, rooms.renderer)
    return {work.pair.target: await probe(rooms, seen, work, session) for work in rendered.checks}


def in_force(seen: Seen, pair: Pair, record: Applied) -> bool:
    """Say whether what is wanted is what was applied, and drift matters."""
    if seen.declaration.targets[pair.target].on_drift is OnDrift.IGNORE:
        return False
    return record.tried is None and record.applied == pair.work.digest


async def probe(rooms: Rooms, seen: Seen, work: checks.CheckWork, session: Session) -> CheckSeen:
    """Run one check, for thirty seconds at most; it gets no secrets."""
    repo = seen.declaration.targets[work.pair.target].repo
    answer = await session.probe(
        ProbeSpec(
            text=work.text.encode(),
            env=check_environment(work.pair, work.applied, work.params, work.env, repo=repo),
            workdir=work.workdir,
            user=work.user,
            timeout=CHECK_SECONDS,
        )
    )
    text = rooms.masker.mask(answer.output)[-OUTPUT_KEPT:].decode(errors="replace").strip()
    if answer.timed_out:
        text = f"no answer within {CHECK_SECONDS:.0f} s {text}".strip()
    return CheckSeen(
        digest=work.pair.work.digest,
        exit_code=answer.exit_code,
        output=text,
        at=rooms.clock.now(),
    )
