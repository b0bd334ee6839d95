"""What was known of a pair before its job: the base its next marker is made from.

Called by `engine`, `driving` and `resolve`; reads the store.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from controller.model.applied import Applied
from controller.model.ids import Digest
from controller.model.job import Job, JobBody
from controller.model.observation import MarkerSeen
from controller.store.ports import Store

FEW: Final = 50
"""So many pairs are asked for one by one; for more, all of their targets are read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Records and markers by (target, server), as they were when driving began."""

    records: Mapping[tuple[str, str], Applied]
    markers: Mapping[tuple[str, str], MarkerSeen]

    def before(self, job: Job, body: JobBody) -> Applied | None:
        """Say what was in force for a job's pair; where record and marker differ the server is right."""
        if job.target is None:
            return None
        pair = (job.target, job.server)
        record, marker = self.records.get(pair), self.markers.get(pair)
        if record is not None and record.tried is not None and record.tried.run == job.run:
            return record  # this very job was taken up before
        if body.expect is None:
            return self._renamed(job, body)
        if marker is not None and marker.sha256 == body.expect:
            return marker.record
        return record

    def old_marker(self, job: Job, body: JobBody) -> Digest | None:
        """Give the SHA-256 of the marker that lies on a job's server under its target's earlier name."""
        marker = None if body.was is None else self.markers.get((body.was[0], job.server))
        return None if marker is None else marker.sha256

    def _renamed(self, job: Job, body: JobBody) -> Applied | None:
        """Say what was in force under the pair's earlier name."""
        if body.was is None:
            return None
        marker = self.markers.get((body.was[0], job.server))
        return self.records.get(body.was) if marker is None else marker.record


async def recall(store: Store, jobs: Iterable[tuple[Job, JobBody]]) -> Known:
    """Read what is known of the pairs of some jobs."""
    pairs = pairs_of(jobs)
    names = {server for _, server in pairs}
    targets = {target for target, _ in pairs}
    if len(pairs) <= FEW:
        found = [await store.observations.server(name) for name in sorted(names)]
        seen = [one for one in found if one is not None]
        kept = [await store.records.get(*pair) for pair in sorted(pairs)]
        records = {(one.target, one.server): one for one in kept if one is not None}
    else:
        seen = list((await store.observations.servers(targets=targets)).values())
        records = dict(await store.records.all(targets=targets))
    return Known(
        records=records,
        markers={(t, one.server): m for one in seen for t, m in one.markers.items()},
    )


def pairs_of(jobs: Iterable[tuple[Job, JobBody]]) -> set[tuple[str, str]]:
    """List the pairs of jobs, under their names of today and of before; jobs of no target have none."""
    pairs: set[tuple[str, str]] = set()
    for job, body in jobs:
        if job.target is not None:
            pairs.add((job.target, job.server))
        if body.was is not None:
            pairs |= {body.was, (body.was[0], job.server)}
    return pairs
