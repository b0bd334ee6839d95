"""Taking a target on its server before the first step, and giving it back with its new marker.

Called by `job`; calls the session and the records. Another controller that was faster is met here: its marker or its
lock says so, and then nothing is started.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from controller.errors import RefusedError
from controller.jobs.assignment import Assignment
from controller.jobs.delivery import digests_of
from controller.jobs.marker import decode_marker, encode_marker, marker_digest
from controller.model.applied import Applied, Tried
from controller.model.ids import Digest
from controller.model.job import State
from controller.model.observation import Holder
from controller.model.work import secret_names
from controller.transport.port import Session, TargetClaim


class Hold(StrEnum):
    """How a claim went."""

    OURS = "ours"
    DONE = "done"  # this job's marker is there already: only the end was not recorded
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """How a claim went; `reason` says why it was refused."""

    hold: Hold
    reason: str | None = None


class TargetHold:
    """One job's hold on its target. Use only for jobs that have a target."""

    def __init__(self, assignment: Assignment, target: str) -> None:
        self._assignment = assignment
        self._equipment = assignment.equipment
        self._body = assignment.body
        self._target = target
        previous = assignment.previous
        blank = Applied(target=target, server=assignment.job.server)
        key = previous.key if previous is not None and previous.key else self._equipment.new_key()
        self._base = replace(
            previous or blank, key=key, target=target, server=assignment.job.server
        )
        self._left: Applied | None = None  # the end of an earlier process of this job

    async def take(self) -> Claimed:
        """Take the lock and write `tried` into the marker and the state.

        Safe to repeat: the same run takes its own lock again, and its own marker is known by its run.

        Raises:
            TransportError: the server does not answer any more.
        """
        try:
            encode_marker(self._applied())  # what could not be marked at the end is not begun
            return await self._take(self._body.expect)
        except RefusedError as error:
            return Claimed(hold=Hold.REFUSED, reason=error.message)

    async def _take(self, expect: Digest | None) -> Claimed:
        """Do the exchange; a marker of this very job is as good as the one that was expected."""
        claim = await self._claim(expect)
        if claim.stale is not None:
            found = self._own(claim.stale) if claim.stale else self._removed()
            if found is Hold.DONE:
                return Claimed(hold=Hold.DONE)
            if found is Hold.OURS:
                claim = await self._claim(marker_digest(claim.stale))
        if claim.taken:
            await self._equipment.store.records.put([self._tried(None)])
            return Claimed(hold=Hold.OURS)
        if claim.holder is not None:
            return Claimed(hold=Hold.REFUSED, reason=_held(claim.holder))
        return Claimed(hold=Hold.REFUSED, reason="stale")

    async def release(self, state: State) -> None:
        """Write what is now in force, first there, then here, and give the lock back.

        Raises:
            TransportError: the server does not answer any more; nothing was recorded here.
        """
        record = self._result(state)
        marker = None if record is None else encode_marker(record)

        async def act(session: Session) -> None:
            await session.release_target(
                self._body.project, self._target, run=self._assignment.job.run, marker=marker
            )

        await self._assignment.link.through(act)
        if state is State.SUCCEEDED:
            await self._drop_old_marker()
        await self.remember(state)

    async def settle(self) -> None:
        """Record a job whose marker of success is there already, in step with that marker.

        Raises:
            TransportError: the server does not answer any more; nothing was recorded here.
        """
        await self._drop_old_marker()
        await self.remember(State.SUCCEEDED)

    async def remember(self, state: State) -> None:
        """Record here what is in force there; a pair that was renamed is forgotten under its earlier name."""
        records, was = self._equipment.store.records, self._body.was
        record = self._result(state)
        if record is None:
            await records.forget([(self._target, self._assignment.job.server)])
        else:
            await records.put([record])
        if was is not None and state is State.SUCCEEDED:
            await records.forget([was])

    async def _drop_old_marker(self) -> None:
        """Delete the marker under the target's earlier name, if it is still the one that was seen.

        Raises:
            TransportError: the server does not answer any more.
        """
        was, expect = self._body.was, self._assignment.was_marker
        if was is None or expect is None or was[0] == self._target:
            return

        async def act(session: Session) -> None:
            await session.forget_target(self._body.project, was[0], expect=expect)

        await self._assignment.link.through(act)

    async def _claim(self, expect: Digest | None) -> TargetClaim:
        """Ask the server for the lock."""
        marker = encode_marker(self._tried(None))

        async def act(session: Session) -> TargetClaim:
            holder = Holder(
                run=self._assignment.job.run,
                who=self._equipment.actor,
                controller=self._equipment.controller_name,
                boot_id=session.facts.boot_id,
                since=self._equipment.clock.now(),
            )
            return await session.claim_target(
                self._body.project, self._target, holder=holder, expect=expect, marker=marker
            )

        claim = await self._assignment.link.through(act)
        if claim.took_over is not None:
            await self._equipment.activity.append(
                "lock-taken-over",
                self._equipment.actor,
                run=self._assignment.job.run,
                target=self._target,
                server=self._assignment.job.server,
                from_run=claim.took_over.run[:64],
                who=claim.took_over.who[:255],
            )
        return claim

    def _own(self, marker: bytes) -> Hold:
        """Say whether a marker that was not expected was written by this very job."""
        job = self._assignment.job
        try:
            found = decode_marker(marker, target=self._target, server=job.server)
        except RefusedError:
            return Hold.REFUSED
        if found.tried is not None:
            ours = found.tried.run == job.run and found.tried.digest == job.digest
            return Hold.OURS if ours else Hold.REFUSED
        if (found.run, found.applied) != (job.run, job.digest):
            return Hold.REFUSED
        self._left = found
        return Hold.DONE

    def _removed(self) -> Hold:
        """Say what a marker that is not there means: an undo whose steps have all ended well has deleted it."""
        states = {step.state for step in self._assignment.job.steps}
        done = self._body.removes and states <= {State.SUCCEEDED, State.SKIPPED}
        return Hold.DONE if done and State.SUCCEEDED in states else Hold.REFUSED

    def _result(self, state: State) -> Applied | None:
        """Give the record for a job that ended so; None when there is nothing to be remembered.

        An earlier process wrote over what was tried before: where nothing was started since, the pair stays tried.
        """
        if state is State.SUCCEEDED:
            return None if self._body.removes else self._as_left(self._applied())
        job, previous = self._assignment.job, self._assignment.previous
        taken_up = previous is not None and previous.tried and previous.tried.run == job.run
        if taken_up or any(step.attempts for step in job.steps):
            return self._tried(state)
        return None if self._body.expect is None else previous

    def _as_left(self, record: Applied) -> Applied:
        """Say of a record what the marker says that an earlier process wrote: what another process would write otherwise."""
        left = self._left
        if left is None:
            return record
        return replace(
            record, key=left.key, secrets=left.secrets, files=left.files, at=left.at, by=left.by
        )

    def _tried(self, state: State | None) -> Applied:
        """Give the record while this digest is being tried, or after it did not end well."""
        job = self._assignment.job
        at = job.started_at or job.created_at
        tried = Tried(digest=job.digest, run=job.run, at=at, state=state)
        return replace(self._base, tried=tried, connection=self._body.server)

    def _applied(self) -> Applied:
        """Give the record of a job that ended well."""
        job, body, key = self._assignment.job, self._body, self._base.key
        values = self._assignment.values
        ends = [a.finished_at for step in job.steps for a in step.attempts if a.finished_at]
        return Applied(
            target=self._target,
            server=job.server,
            applied=job.digest,
            manifest=body.manifest,
            key=key,
            secrets={
                name: self._equipment.keyed(key, values[name])
                for name in sorted(secret_names(body.work))
                if name in values
            },
            config_commit=job.config_commit,
            commit=job.commit,
            branch=job.branch,
            committed_at=body.committed_at,
            at=max(ends, default=job.started_at),
            by=self._equipment.actor,
            run=job.run,
            task=job.task,
            params={n: v for n, v in body.work.params.items() if n not in body.work.masked},
            files={
                path: self._equipment.keyed(key, sha256)
                for path, sha256 in digests_of(body.work, values).items()
            },
            on_remove=body.on_remove,
            protect=body.protect,
            undo=body.undo,
            connection=body.server,
        )


def _held(holder: Holder) -> str:
    """Say who was faster."""
    return f"locked by {holder.who[:255]} since {holder.since:%Y-%m-%d %H:%M:%S} UTC"
