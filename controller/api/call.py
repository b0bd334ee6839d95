"""One request that was let in: who asks, what they may reach, and how they are answered.

Made by the gate, taken by every handler.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Annotated, cast

import msgspec
from fastapi import Depends, Request
from starlette.responses import Response

from controller.api.brief import Brief
from controller.api.certificates import Certificates
from controller.api.glance import Glance
from controller.api.metrics import Meter
from controller.api.port import Serving
from controller.api.problems import refuse
from controller.api.proving import Proving
from controller.api.rates import crowd_of
from controller.api.route import Route
from controller.api.sessions import Session, Sessions
from controller.api.settings import ApiSettings
from controller.api.shapes import shown
from controller.api.tls import Shown
from controller.model.declaration import Declaration
from controller.model.job import Job
from controller.model.token import CERTIFICATE, Actor
from controller.reconcile.access.rights import Grant, owns, reaches, servers_in, target_in
from controller.reconcile.access.tokens import TokenDesk
from controller.reconcile.controller import LocalController
from controller.reconcile.documents import plain
from controller.reconcile.rooms import Rooms


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What all requests share."""

    serving: Serving
    settings: ApiSettings
    sessions: Sessions
    tokens: TokenDesk
    glance: Glance
    meter: Meter
    proving: Proving
    certificates: Certificates
    closing: asyncio.Event
    """Set when the controller stops: streams end then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that was let in.

    `strange`: nobody is logged in and only the level `status` is shown. `session` is set where a browser asks, `shown_as` where
    a certificate says who.
    """

    desk: Desk
    route: Route
    actor: Actor
    grant: Grant
    place: str
    strange: bool = False
    session: Session | None = None
    shown_as: Shown | None = None
    _inside: list[tuple[Declaration, frozenset[str] | None]] = field(
        default_factory=list, repr=False
    )
    """The servers within the scope, and the declarations that this was worked out from."""

    @property
    def serving(self) -> Serving:
        """The controller."""
        return self.desk.serving

    @property
    def rooms(self) -> Rooms:
        """Everything the walk works with, on behalf of whoever asks."""
        return self.serving.rooms(self.actor)

    @property
    def controller(self) -> LocalController:
        """The facade, on behalf of whoever asks."""
        return LocalController(self.rooms)

    @property
    def recording(self) -> LocalController:
        """The facade whose runs are answered when they are recorded."""
        rooms = self.rooms
        return LocalController(replace(rooms, engine=lambda reach: Brief(rooms.engine(reach))))

    async def job(self, prefix: str) -> Job:
        """Find a job by a beginning of its id; one outside the scope is not found.

        Raises:
            ProblemError: 404.
        """
        found = await self.serving.store.jobs.find(prefix)
        if len(found) != 1 or not self.sees(found[0]):
            what = "several jobs" if len(found) > 1 and self.grant.whole else "no job"
            raise refuse(HTTPStatus.NOT_FOUND, "not-found", f"{what} of this id")
        self._must_manage(found[0])
        return found[0]

    def _must_manage(self, job: Job) -> None:
        """Refuse to touch the job of somebody else to whoever was let in for what is theirs.

        Raises:
            ProblemError: 403.
        """
        least = self.route.least
        why = owns(self.grant, least, job.owner) if self.route.own and least is not None else None
        if why is not None:
            raise refuse(HTTPStatus.FORBIDDEN, "not-yours", f"job {job.id}: {why}")

    def sees(self, job: Job) -> bool:
        """Say whether a job is within the scope: its target and its server."""
        if self.grant.whole:
            return True
        inside = self.servers_seen()
        if inside is not None and job.server not in inside:
            return False
        return not self.grant.targets or (
            job.target is not None and target_in(self.grant, job.target)
        )

    @property
    def caller(self) -> str:
        """Tell callers apart: by token, by the name in a certificate, or by address."""
        if self.actor.kind == CERTIFICATE:
            return f"{CERTIFICATE}/{self.actor.name}"
        return self.actor.id or crowd_of(self.place)

    async def still_good(self) -> bool:
        """Say whether what proved who asks is good still; open streams ask again and again."""
        if self.shown_as is not None:
            return self.desk.certificates.still_good(self.shown_as)
        return await self.desk.tokens.still_good(self.actor.id)

    @property
    def declaration(self) -> Declaration:
        """The declarations in force; empty until some were loaded."""
        generation = self.serving.generation
        return Declaration() if generation is None else generation.declaration

    def must_reach(self, *, targets: Iterable[str] = (), servers: Iterable[str] = ()) -> None:
        """Refuse what lies outside the scope.

        Raises:
            ProblemError: 403, with what it is.
        """
        why = reaches(self.grant, self.declaration.inventory, targets=targets, servers=servers)
        if why is not None:
            raise refuse(HTTPStatus.FORBIDDEN, "outside-scope", why)

    def must_decide(self, target: str) -> None:
        """Refuse decisions about a target that has servers outside the scope: they would count for those, too.

        Raises:
            ProblemError: 403.
        """
        declared = self.declaration.targets.get(target)
        self.must_reach(targets=[target], servers=() if declared is None else declared.members)
        if declared is None and self.grant.servers:
            self.must_reach_all()  # nobody knows any more where it lay

    def must_reach_all(self) -> None:
        """Refuse what only those may do whose scope is the whole fleet.

        Raises:
            ProblemError: 403.
        """
        if not self.grant.whole:
            raise refuse(HTTPStatus.FORBIDDEN, "outside-scope", "this is about the whole fleet")

    def sees_target(self, name: str | None) -> bool:
        """Say whether a target, or any server of it, is within the scope; work of no target is judged by its server."""
        if name is None or not target_in(self.grant, name):
            return name is None
        inside, declared = self.servers_seen(), self.declaration.targets.get(name)
        return inside is None or (declared is not None and not inside.isdisjoint(declared.members))

    def must_see(self, target: str) -> None:
        """Refuse to tell of a target that is not within the scope, with no server of it.

        Raises:
            ProblemError: 403.
        """
        self.must_reach(targets=[target])
        if not self.sees_target(target):
            why = (
                f"target {target} has no server within the scope {' and '.join(self.grant.servers)}"
            )
            raise refuse(HTTPStatus.FORBIDDEN, "outside-scope", why)

    def servers_seen(self) -> frozenset[str] | None:
        """Give the servers within the scope; None: all. Worked out once for as long as the same declarations are in force."""
        known = self.declaration
        if not self._inside or self._inside[0][0] is not known:
            self._inside[:] = [(known, servers_in(self.grant, known.inventory))]
        return self._inside[0][1]

    def shown(self, document: object) -> object:
        """Make a document plain, and leave out of it what strangers do not see."""
        made = plain(document)
        if not self.strange:
            return made
        if self.route.shape is None:
            raise refuse(HTTPStatus.UNAUTHORIZED, "no-token", "this needs a token")
        return shown(made, self.route.shape)

    def answer(
        self,
        document: object,
        *,
        status: HTTPStatus = HTTPStatus.OK,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Answer with a document."""
        return Response(
            msgspec.json.encode(self.shown(document)),
            status_code=status,
            media_type="application/json",
            headers=dict(headers or {}),
        )


async def current(request: Request) -> Call:
    """Give the call that the gate let in."""
    return cast("Call", request.scope["ctl.call"])


Asked = Annotated[Call, Depends(current)]
"""What handlers take."""
