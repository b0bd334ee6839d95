"""Starting attempts: checks that whoever asks may, gathers the bytes, has it recorded, and puts it into the pool.

`answering` calls it. What was recorded goes into the pool even when whoever asked goes away half-way.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from controller.agent.asker import Asker, Fetch
from controller.agent.errors import AgentError, DeniedError
from controller.agent.jobs import Jobs
from controller.agent.offers import Offers
from controller.agent.owners import check_user, is_user, owner_of
from controller.agent.pool import Pool
from controller.agent.reports import Reports
from controller.agent.script import Offered
from controller.agent.specs import Bodies, make_script_spec, make_spec, plan_script
from controller.agent.statuses import say_status
from controller.agent.targets import Targets
from controller.agent.uploads import Body, Uploads
from controller.execution import clock
from controller.execution.digest import attempt_digest
from controller.execution.errors import DigestError, ExecutionError, FullError, RefusedError
from controller.execution.executor import Executor
from controller.execution.login import find_login
from controller.execution.spec import MAX_TEXT, Spec
from controller.execution.status import Phase, Status
from controller.wire.messages.attempts import Attempt, RunScript, Start

MOST_WAITING = 256 << 20
"""Bytes of texts and inputs of all attempts that wait."""
TARGET = "CTL_TARGET"


@dataclass(frozen=True)
class Starts:
    """Starts what is asked for."""

    executor: Executor
    pool: Pool
    jobs: Jobs
    uploads: Uploads
    targets: Targets
    offers: Offers
    reports: Reports

    async def start(self, asker: Asker, asked: Start, fetch: Fetch) -> Attempt:
        """Claim an id and start its work, or say what is known of it."""
        owner = owner_of(asker, asked.owner)
        if asked.plugin:
            raise RefusedError(
                f"cannot run the plugin {asked.plugin[:80]!r} by its name",
                hint="send its bytes as the text",
            )
        known = self._known(asked.id, owner)
        if known is not None:
            return say_status(known)
        await self._check(asker, asked, owner)
        text = await self._body(asker, asked.text, asked.text_upload)
        if text.path:
            self.uploads.delete(text.path)
            raise RefusedError(f"cannot start {asked.id}: its text has more than {MAX_TEXT} bytes")
        bodies = _bodies(await self._body(asker, asked.stdin, asked.stdin_upload), text.data)
        spec = make_spec(asked, bodies, owner=owner, user=asked.user)
        return await self._take(asker, spec, asked.not_after, None)

    async def run_script(self, asker: Asker, asked: RunScript, fetch: Fetch) -> Attempt:
        """Claim an id and run a script that is offered here, or say what is known of the id."""
        owner = owner_of(asker, asked.owner)
        known = self._known(asked.id, owner)
        if known is not None:
            return say_status(known)
        await self._check(asker, asked, owner)
        offered = await self.offers.take(asker, asked.name, asked.digest, fetch)
        bodies = _bodies(await self._body(asker, asked.stdin, asked.stdin_upload))
        self._check_planned(asked, bodies)
        more = self.offers.environment(offered)
        workspace = self.jobs.workspace(asked.job)
        spec = make_script_spec(asked, offered, more, bodies, owner=owner, workspace=workspace)
        return await self._take(asker, spec, asked.not_after, offered)

    def _known(self, name: str, owner: str) -> Status | None:
        """Give what is known of an id; None when it is new.

        Raises:
            DeniedError: it is the attempt of another owner, who may have taken the id before.
        """
        status = self.executor.status(name)
        if status.phase is Phase.NONE:
            return None
        if status.owner != owner:
            raise DeniedError(f"cannot start {name}: another owner has an attempt of this id")
        return status

    async def _check(self, asker: Asker, asked: Start | RunScript, owner: str) -> None:
        if 0 < asked.not_after < clock.wall():
            raise RefusedError(
                f"cannot start {asked.id}: by the clock of this server it is too late",
                hint="send it again under another id; compare the clocks if that does not help",
            )
        self.jobs.check(asker, asked.job, owner)
        if self.targets.claimed_elsewhere(asked.id):
            raise RefusedError(f"cannot start {asked.id}: it was started over ssh")
        if is_user(asker):
            login = await asyncio.to_thread(find_login, asked.user)
            check_user(asker, asked.user, login.uid)

    def _check_planned(self, asked: RunScript, bodies: Bodies) -> None:
        """Refuse what differs from what was planned; that the script has the digest it is named with was seen before."""
        if not asked.attempt_digest:
            return
        arrived = attempt_digest(plan_script(asked, bodies))
        if arrived != asked.attempt_digest:
            self.uploads.delete(bodies.stdin_path)
            raise DigestError(
                f"cannot accept {asked.id}: planned {asked.attempt_digest[:80]}, arrived {arrived}"
            )

    async def _body(self, asker: Asker, sent: bytes, upload: int) -> Body:
        """Give bytes that came with the message, or were sent ahead of it."""
        return await self.uploads.take(asker.session, upload) if upload else Body(data=sent)

    async def _take(
        self, asker: Asker, spec: Spec, not_after: float, offered: Offered | None
    ) -> Attempt:
        try:
            self._check_room(asker, spec)
        except FullError:
            self.uploads.delete(spec.stdin_path)
            raise
        return await asyncio.shield(
            asyncio.ensure_future(self._accept(asker, spec, not_after, offered))
        )

    def _check_room(self, asker: Asker, spec: Spec) -> None:
        self.jobs.check_room(asker, spec.owner)
        if self.pool.weight + len(spec.text) + len(spec.stdin) > MOST_WAITING:
            raise FullError(
                f"cannot accept {spec.id}: what waits has more than {MOST_WAITING} bytes"
            )

    async def _accept(
        self, asker: Asker, spec: Spec, not_after: float, offered: Offered | None
    ) -> Attempt:
        name, job = spec.id, spec.job
        try:
            await self.targets.starting(asker.session, spec.env.get(TARGET), name, job)
            status = await self.executor.accept(spec)
            if status.fresh and offered is not None:
                await self.reports.expect(name, offered)
        except (AgentError, ExecutionError):
            self.uploads.delete(spec.stdin_path)
            if self.executor.status(name).over:
                await self.targets.ended(name)
            raise
        if not status.fresh:
            self.uploads.delete(spec.stdin_path)
            return say_status(status)
        self.uploads.hold(name, spec.stdin_path)
        self.jobs.add(job, spec.owner, name)
        await self.pool.add(name, not_after=not_after, weight=len(spec.text) + len(spec.stdin))
        return say_status(self.executor.status(name), fresh=True)


def _bodies(stdin: Body, text: bytes = b"") -> Bodies:
    return Bodies(text=text, stdin=stdin.data, stdin_path=stdin.path, stdin_sha256=stdin.sha256)
