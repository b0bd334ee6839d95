"""A controller at work on one config repository and one state: what the faces talk to.

Made by `service.open`. Every method is one walk, or one question to the store; nothing is remembered between them.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from controller.declaration import loader, pairs
from controller.errors import NotFoundError, UsageError
from controller.journal.backup import Paper
from controller.model.declaration import Declaration
from controller.model.diagnostic import Diagnostic
from controller.model.plan import Plan
from controller.model.standing import Ignore, Pin
from controller.model.tree import Tree
from controller.planning.gates import GateResult
from controller.reconcile import backups, checking, health, history, status, trusting
from controller.reconcile.access.tokens import TokenDesk
from controller.reconcile.agents import offers
from controller.reconcile.carrying import applying, planfiles, rollback, running, standing
from controller.reconcile.desk import pools
from controller.reconcile.desk.desk import JobsDesk
from controller.reconcile.drift import adopting, drifting, ignoring
from controller.reconcile.exchange.answers import ServerOffers, ServerPool
from controller.reconcile.exchange.checks import (
    ConfigCheck,
    Finding,
    KeyOffer,
    RepoCheck,
    ServerCheck,
    Validated,
)
from controller.reconcile.exchange.decisions import (
    Approved,
    PastRun,
    Resumed,
    RolledBack,
    Suspended,
)
from controller.reconcile.exchange.drifts import Adoption, DriftReport, Ignored
from controller.reconcile.exchange.installs import Installed, InstallRequest, Sight, Tell
from controller.reconcile.exchange.reports import ApplyOutcome, RunReport
from controller.reconcile.exchange.requests import (
    Address,
    ApplyRequest,
    Confirm,
    PlanRequest,
    RunRequest,
)
from controller.reconcile.exchange.status import Sightings, StatusReport
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk import asking
from controller.reconcile.walk.deciding import plan_of
from controller.reconcile.walk.loading import load, named_files, see_config
from controller.reconcile.walk.seen import Seen
from controller.reconcile.walk.steps import PLAN, walk
from controller.transport.port import ScriptSource


class LocalController:
    """A controller in this process."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._jobs = JobsDesk(rooms)

    @property
    def state(self) -> str:
        """Name the state, for people."""
        return self._rooms.state

    @property
    def jobs(self) -> JobsDesk:
        """Jobs of the state."""
        return self._jobs

    @property
    def tokens(self) -> TokenDesk:
        """Tokens of the API."""
        return TokenDesk(self._rooms.store.tokens, self._rooms.activity, self._rooms.clock)

    async def validate(self, paths: Sequence[str] = ()) -> Validated:
        """Read the work tree, render every pair with placeholders, and say everything that is wrong.

        Raises:
            NotFoundError: a path names nothing of the config repository.
        """
        tree = self._rooms.config.work_tree()
        inside = [path_inside(path, self._rooms.config.root, tree) for path in paths]
        loaded = loader.load(tree, forms=self._rooms.forms, now=self._rooms.clock.now())
        findings = loaded.diagnostics
        if loaded.declaration is not None:
            placeholders = pairs.placeholders(loaded.declaration)
            found = pairs.resolve(
                loaded.declaration, placeholders, self._rooms.renderer, checks=True
            )
            findings = (*findings, *found.diagnostics)
        wanted = tuple(one for one in findings if within(one, inside))
        return Validated(
            diagnostics=wanted,
            declaration=loaded.declaration,
            files=loaded.files,
            sources=named_files(tree, wanted),
        )

    async def plan(self, request: PlanRequest) -> Plan:
        """Work out what would happen."""
        wanted = request if request.between is None else replace(request, at=request.between[1])
        return plan_of(await walk(self._rooms, Seen(request=wanted), PLAN))

    async def save_plan(
        self, plan: Plan, path: Path, *, expires: timedelta, key: Path | None = None
    ) -> Plan:
        """Write a plan that `apply` takes, whole or not at all, readable by its owner only; signed with `key`."""
        return await planfiles.write(self._rooms, plan, path, expires=expires, key=key)

    async def apply(self, request: ApplyRequest) -> ApplyOutcome:
        """Carry out a plan."""
        return await applying.apply(self._rooms, request)

    async def status(self) -> StatusReport:
        """Say how wanted and applied compare, without opening a server."""
        return await status.status(self._rooms)

    async def declared(self) -> Declaration:
        """Give the declarations of the work tree."""
        return (await walk(self._rooms, Seen(), (see_config, load))).declaration

    async def observed(self) -> Sightings:
        """Give everything last seen."""
        store = self._rooms.store
        return Sightings(
            servers=await store.observations.servers(),
            repos=await store.observations.repos(),
            records=await store.records.all(),
            contacts=await store.contacts.all(),
        )

    async def why(self, target: str, server: str) -> tuple[GateResult, ...]:
        """Ask every gate of a pair, in order."""
        return await asking.ask(self._rooms, (target, server))

    async def run(self, request: RunRequest) -> RunReport:
        """Run a task or a target now."""
        return await running.run(self._rooms, request)

    async def offers(
        self, *, on: str | None, address: Address | None = None
    ) -> tuple[ServerOffers, ...]:
        """Ask servers for the scripts they offer."""
        seen = await offers.beheld(self._rooms, address)
        servers = running.places(seen, RunRequest(on=on, address=address))
        return await offers.offers(self._rooms, seen, servers)

    async def inspect(
        self, script: str, *, on: str | None, address: Address | None = None
    ) -> ScriptSource:
        """Show one script of the one server that is named.

        Raises:
            UsageError: more than one server is.
        """
        seen = await offers.beheld(self._rooms, address)
        servers = running.places(seen, RunRequest(on=on, address=address))
        if len(servers) > 1:
            raise UsageError(
                f"{on!r} picks {len(servers)} servers", hint="inspect looks at one: --on SERVER"
            )
        return await offers.inspect(self._rooms, seen, servers[0], script)

    async def pools(self, on: str, *, workers: int | None = None) -> tuple[ServerPool, ...]:
        """Ask servers how many jobs they run at once; with `workers` change that first."""
        return await pools.pools(self._rooms, on, workers=workers)

    async def check_server(self, name: str) -> ServerCheck:
        """Reach a server now and run `uptime` there."""
        return await checking.check_server(self._rooms, name)

    async def check_repo(
        self, name: str, *, accept_rewind: bool = False, reason: str | None = None
    ) -> RepoCheck:
        """Fetch a repo now, then clean its cache."""
        return await checking.check_repo(
            self._rooms, name, accept_rewind=accept_rewind, reason=reason
        )

    async def check_config(
        self, *, accept_rewind: bool = False, reason: str | None = None
    ) -> ConfigCheck:
        """Refuse: by hand the checkout is what is in force.

        Raises:
            UsageError: always.
        """
        del accept_rewind, reason
        raise UsageError(
            "only a controller that stays follows a config repository: here the checkout is in force",
            hint="ctl --controller URL check config; of the checkout: ctl validate",
        )

    async def look_install(self, request: InstallRequest, tell: Tell) -> Sight:
        """Say what installing the agent of a server would write there."""
        return await self._rooms.installer(self._rooms).look(request, tell)

    async def install_agent(self, request: InstallRequest, tell: Tell) -> Installed:
        """Install or upgrade the agent of a server, and wait until it answers."""
        return await self._rooms.installer(self._rooms).install(request, tell)

    async def trust(self, names: Sequence[str]) -> tuple[KeyOffer, ...]:
        """Ask servers and git hosts for their keys; nothing is trusted by that."""
        return await trusting.offers(self._rooms, names)

    async def accept(self, offers: Sequence[KeyOffer]) -> str:
        """Pin these keys; give the path of the file they were added to."""
        return await trusting.accept(self._rooms, offers)

    async def doctor(self) -> tuple[Finding, ...]:
        """Check what a controller needs."""
        return await health.doctor(self._rooms)

    async def backup(self, goal: Path) -> Paper:
        """Write the whole state into one file, while others work in it."""
        rooms = self._rooms
        return await backups.backup(
            Path(rooms.state), goal, clock=rooms.clock, log=rooms.activity, actor=rooms.actor
        )

    async def release(self, *, reason: str) -> str | None:
        """Let a restored state dispatch again; give why it was held, None where it was not."""
        rooms = self._rooms
        return await backups.release(rooms.store, rooms.activity, actor=rooms.actor, reason=reason)

    async def suspend(
        self, target: str, *, reason: str, until: datetime | None = None
    ) -> Suspended:
        """Switch a target off."""
        return await standing.suspend(self._rooms, target, reason=reason, until=until)

    async def resume(self, target: str, *, reason: str = "") -> Resumed:
        """Switch a target on again."""
        return await standing.resume(self._rooms, target, reason=reason)

    async def approve(self, target: str, *, confirm: Confirm, reason: str = "") -> Approved:
        """Plan now, and after a yes approve exactly what would happen to a target."""
        return await standing.approve(self._rooms, target, confirm=confirm, reason=reason)

    async def rollback(
        self, target: str, *, to: str, reason: str, until: datetime | None = None
    ) -> RolledBack:
        """Hold a target at an earlier commit of its repo."""
        return await rollback.rollback(self._rooms, target, to=to, reason=reason, until=until)

    async def lift_pin(self, target: str, *, reason: str) -> Pin | None:
        """Let go of a target that is held at a commit; None when it is not."""
        return await rollback.lift(self._rooms, target, reason=reason)

    async def history(self, target: str, *, limit: int = 20) -> tuple[PastRun, ...]:
        """List the runs of a target, newest first."""
        return await history.history(self._rooms, target, limit=limit)

    async def drift(self, target: str | None, *, limit: str | None = None) -> DriftReport:
        """Say what differs on the servers, and what speaks for who did it."""
        return await drifting.show(self._rooms, target, limit)

    async def adopt_drift(self, target: str, server: str, *, path: str | None = None) -> Adoption:
        """Write what drifted on a server as a patch of the config repository."""
        return await adopting.adopt(self._rooms, target, server, path)

    async def ignore_drift(
        self, target: str, server: str, *, path: str | None, reason: str, until: datetime
    ) -> Ignored:
        """Hide drift of a pair until a moment."""
        return await ignoring.ignore(
            self._rooms, target, server, path=path, reason=reason, until=until
        )

    async def show_drift_again(
        self, target: str, server: str, *, path: str | None, reason: str = ""
    ) -> Ignore | None:
        """Show drift of a pair again; None where nobody hid it."""
        return await ignoring.lift(self._rooms, target, server, path=path, reason=reason)


def path_inside(path: str, root: Path, tree: Tree) -> str:
    """Write a path as paths from the root are written; "" is the root itself.

    Raises:
        NotFoundError: no file of the tree lies there.
    """
    spelled = os.path.relpath(os.path.realpath(root / path), os.path.realpath(root))
    inside = "" if spelled == "." else Path(spelled).as_posix()
    known = (*tree.entries, *tree.refused)
    if inside and not any(one == inside or one.startswith(f"{inside}/") for one in known):
        raise NotFoundError(f"cannot find {path} in the config repository {root}")
    return inside


def within(finding: Diagnostic, paths: Sequence[str]) -> bool:
    """Say whether a finding stands in one of the files or folders that were named."""
    file = finding.place.file
    return not paths or any(
        not path or file == path or file.startswith(f"{path}/") for path in paths
    )
