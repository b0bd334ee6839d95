"""A serving controller, behind the port that every command uses: each question is a request to its API.

Made by `doorway`; calls the client. What needs the files of the config repository or the state itself is refused with where to do it.
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NoReturn

from controller.cli.remote.backup import fetch_backup
from controller.cli.remote.client import Client, listing, mapping, word
from controller.cli.remote.health import findings
from controller.cli.remote.jobs import RemoteJobs
from controller.cli.remote.reading import (
    drift_of,
    gates_of,
    job_of,
    offers_of,
    past_of,
    pool_of,
    read,
    repo_check_of,
    report_of,
    run_of,
    seen_of,
    sightings_of,
    source_of,
    status_of,
)
from controller.cli.remote.results import results_of
from controller.cli.remote.said import PARALLEL, said, unless
from controller.cli.remote.tokens import RemoteTokens
from controller.errors import RefusedError, UsageError
from controller.journal.backup import Paper
from controller.model.declaration import Declaration
from controller.model.plan import Plan
from controller.model.standing import Approval, Ignore, Pin, Suspension
from controller.planning.document import read_document
from controller.planning.gates import GateResult
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
from controller.reconcile.exchange.progress import Listener
from controller.reconcile.exchange.reports import ApplyOutcome, RunReport
from controller.reconcile.exchange.requests import (
    Address,
    ApplyRequest,
    Confirm,
    PlanRequest,
    RunRequest,
)
from controller.reconcile.exchange.status import Sightings, StatusReport
from controller.transport.port import ScriptSource

API: Final = "/api/v1"
PAGE: Final = 500
RUNNING: Final = 20
"""Jobs that run now and are shown with the status."""


class RemoteController:
    """A controller over there."""

    def __init__(self, client: Client, listener: Listener) -> None:
        self._client = client
        self._listener = listener
        self._jobs = RemoteJobs(client, listener)
        self._tokens = RemoteTokens(client)

    @property
    def state(self) -> str:
        """Name the state, for people: the controller that has it."""
        return self._client.url

    @property
    def jobs(self) -> RemoteJobs:
        """Jobs of the state."""
        return self._jobs

    @property
    def tokens(self) -> RemoteTokens:
        """Tokens of the API."""
        return self._tokens

    async def plan(self, request: PlanRequest) -> Plan:
        """Have the controller work out what would happen, by the declarations that it has in force."""
        body = said(
            at=request.at,
            as_of=None if request.as_of is None else request.as_of.isoformat(),
            between=request.between,
            refresh=request.refresh,
            limit=request.limit,
            targets=request.targets,
            heal=request.heal,
            full=request.full,
            overrides=dict(request.overrides),
        )
        return read_document(await self._client.send("POST", f"{API}/plans", body))

    async def apply(self, request: ApplyRequest) -> ApplyOutcome:
        """Show what the controller would do, and after a yes have exactly that done."""
        if request.planfile is not None:
            raise UsageError(
                "a plan file is carried out where it was made", hint="leave out the file"
            )
        if request.allow_dirty:
            raise UsageError(
                "--allow-dirty is about the files here, and a controller applies what it has in force",
                hint="leave out --allow-dirty",
            )
        plan = await self.plan(
            PlanRequest(
                limit=request.limit,
                targets=request.targets,
                heal=request.heal,
                overrides=request.overrides,
            )
        )
        runs = any(change.runs for change in plan.changes)
        if runs and request.resume is None:
            agreed = await asyncio.to_thread(request.confirm, plan)
            if not agreed:
                return ApplyOutcome(plan=plan, declined=True)
        body = said(
            kind="apply",
            limit=request.limit,
            targets=request.targets,
            heal=request.heal,
            overrides=dict(request.overrides),
            resume=request.resume,
            failed_only=request.failed_only,
            digest=plan.digest if runs and request.resume is None else None,
            parallel=unless(request.parallel, PARALLEL),
        )
        told = await self._client.send("POST", f"{API}/runs", body, key=secrets.token_hex(16))
        if not request.wait:
            return ApplyOutcome(plan=plan, report=await self._recorded(told))
        report = await self._jobs.follow(told, within=request.timeout)
        return ApplyOutcome(plan=plan, report=report)

    async def _recorded(self, told: object) -> RunReport:
        """Give a run as it was recorded, for whoever does not wait for its end."""
        answer = mapping(told)
        id_ = answer.get("run")
        run = None if id_ is None else run_of(await self._client.get(f"{API}/runs/{id_}"))
        report = report_of(told, run, tuple(map(job_of, listing(answer["jobs"]))))
        return replace(report, waiting=False)

    async def run(self, request: RunRequest) -> RunReport:
        """Have a task, a target, a script or a command run now."""
        _guard_address(request.address)
        told = await self._jobs.ask(request, key=secrets.token_hex(16))
        if request.detach:
            return await self._recorded(told)
        report = await self._jobs.follow(told, within=request.timeout)
        if report.run is None:
            return report
        results = await results_of(
            self._client, report.run.id, report.jobs, request.outdir, self._listener
        )
        return replace(report, results=results)

    async def status(self) -> StatusReport:
        """Say how wanted and applied compare."""
        told = mapping(await self._client.get(f"{API}/status"))
        shown = listing(told.get("running", []))[:RUNNING]
        running = shown if "state" in told else []  # strangers are shown less of each document
        jobs = [await self._jobs.find(str(mapping(one)["id"])) for one in running]
        return status_of(told, jobs)

    async def why(self, target: str, server: str) -> tuple[GateResult, ...]:
        """Ask every gate of a pair, in order."""
        return gates_of(await self._client.get(f"{API}/why", target=target, server=server))

    async def suspend(
        self, target: str, *, reason: str, until: datetime | None = None
    ) -> Suspended:
        """Switch a target off."""
        body = said(reason=reason, until=None if until is None else until.isoformat())
        told = mapping(await self._decide(target, "suspend", body))
        return Suspended(
            suspension=read(Suspension, told["suspension"]),
            replaced=read(Suspension | None, told.get("replaced")),  # type: ignore[arg-type]
        )

    async def resume(self, target: str, *, reason: str = "") -> Resumed:
        """Switch a target on again."""
        return read(Resumed, await self._decide(target, "resume", said(reason=reason or None)))

    async def approve(self, target: str, *, confirm: Confirm, reason: str = "") -> Approved:
        """Show what would happen to a target, and after a yes approve exactly that."""
        plan = await self.plan(PlanRequest(targets=(target,)))
        digest = plan.approvable.get(target)
        if digest is None or not await asyncio.to_thread(confirm, plan):
            return Approved(plan=plan, digest=digest)
        body = said(digest=digest, reason=reason or None)
        told = mapping(await self._decide(target, "approve", body))
        return Approved(plan=plan, digest=digest, approval=read(Approval, told["approval"]))

    async def rollback(
        self, target: str, *, to: str, reason: str, until: datetime | None = None
    ) -> RolledBack:
        """Hold a target at an earlier commit of its repo."""
        end = None if until is None else until.isoformat()
        body = said(to=to, reason=reason, until=end)
        return read(RolledBack, await self._decide(target, "rollback", body))

    async def lift_pin(self, target: str, *, reason: str) -> Pin | None:
        """Let go of a target that is held at a commit; None when it is not."""
        told = mapping(await self._decide(target, "lift", {"reason": reason}))
        return None if told.get("pin") is None else read(Pin, told["pin"])

    async def history(self, target: str, *, limit: int = 20) -> tuple[PastRun, ...]:
        """List the runs of a target, newest first."""
        path = f"{API}/targets/{word(target)}/history"
        return tuple(map(past_of, listing(await self._client.get(path, limit=limit))))

    async def pools(self, on: str, *, workers: int | None = None) -> tuple[ServerPool, ...]:
        """Ask servers how many jobs they run at once; with `workers` change that first."""
        if workers is None:
            told = await self._client.get(f"{API}/pool", on=on)
        else:
            told = await self._client.send("PUT", f"{API}/pool", {"on": on, "workers": workers})
        return tuple(map(pool_of, listing(told)))

    async def check_server(self, name: str) -> ServerCheck:
        """Have a server reached now, and `uptime` run there."""
        told = mapping(await self._client.send("POST", f"{API}/servers/{word(name)}/check"))
        code = told.get("exit_code")
        return ServerCheck(
            seen=seen_of(name, mapping(told["observed"])),
            exit_code=None if code is None else int(str(code)),
            output=str(told.get("output", "")).encode(),
            took=float(str(told.get("took", 0.0))),
        )

    async def check_repo(
        self, name: str, *, accept_rewind: bool = False, reason: str | None = None
    ) -> RepoCheck:
        """Have a repo fetched now."""
        body = said(accept_rewind=accept_rewind, reason=reason or None)
        return repo_check_of(
            await self._client.send("POST", f"{API}/repos/{word(name)}/check", body)
        )

    async def check_config(
        self, *, accept_rewind: bool = False, reason: str | None = None
    ) -> ConfigCheck:
        """Have the config repository looked at now."""
        body = said(accept_rewind=accept_rewind, reason=reason or None)
        return read(ConfigCheck, await self._client.send("POST", f"{API}/config/check", body))

    async def drift(self, target: str | None, *, limit: str | None = None) -> DriftReport:
        """Say what differs on the servers, and what speaks for who did it."""
        return drift_of(await self._client.get(f"{API}/drift", target=target, limit=limit))

    async def ignore_drift(
        self, target: str, server: str, *, path: str | None, reason: str, until: datetime
    ) -> Ignored:
        """Hide drift of a pair until a moment."""
        body = said(target=target, server=server, path=path, reason=reason, until=until.isoformat())
        return read(Ignored, await self._client.send("POST", f"{API}/drift/ignore", body))

    async def show_drift_again(
        self, target: str, server: str, *, path: str | None, reason: str = ""
    ) -> Ignore | None:
        """Show drift of a pair again; None where nobody hid it."""
        body = said(target=target, server=server, path=path, reason=reason or None)
        told = mapping(await self._client.send("POST", f"{API}/drift/show", body))
        return None if told.get("lifted") is None else read(Ignore, told["lifted"])

    async def validate(self, paths: Sequence[str] = ()) -> Validated:
        """Refuse: files are validated where they are."""
        del paths
        _refuse("validate")

    async def save_plan(
        self, plan: Plan, path: Path, *, expires: timedelta, key: Path | None = None
    ) -> Plan:
        """Refuse: a saved plan is carried out where it was made."""
        del plan, path, expires, key
        _refuse("plan --out")

    async def declared(self) -> Declaration:
        """Refuse: what is declared comes as documents, see `ctl get`."""
        _refuse("this")

    async def observed(self) -> Sightings:
        """Give how servers and repos were last seen; what is applied where is told by the targets, see `ctl get`."""
        servers = [mapping(one) for one in await self._client.pages(f"{API}/servers", limit=PAGE)]
        repos = await self._client.pages(f"{API}/repos", limit=PAGE)
        return sightings_of(servers, [mapping(one) for one in repos])

    async def offers(
        self, *, on: str | None, address: Address | None = None
    ) -> tuple[ServerOffers, ...]:
        """Have servers asked for the scripts they offer."""
        _guard_address(address)
        return tuple(map(offers_of, listing(await self._client.get(f"{API}/scripts", on=on))))

    async def inspect(
        self, script: str, *, on: str | None, address: Address | None = None
    ) -> ScriptSource:
        """Have one script of one server shown."""
        _guard_address(address)
        return source_of(await self._client.get(f"{API}/scripts/{word(script)}", on=on))

    async def look_install(self, request: InstallRequest, tell: Tell) -> Sight:
        """Refuse: agents are installed from where the authority is."""
        del request, tell
        _refuse("agent install")

    async def install_agent(self, request: InstallRequest, tell: Tell) -> Installed:
        """Refuse, as `look_install` does."""
        del request, tell
        _refuse("agent install")

    async def trust(self, names: Sequence[str]) -> tuple[KeyOffer, ...]:
        """Refuse: keys are pinned in the files of the config repository."""
        del names
        _refuse("trust")

    async def accept(self, offers: Sequence[KeyOffer]) -> str:
        """Refuse, as `trust` does."""
        del offers
        _refuse("trust")

    async def doctor(self) -> tuple[Finding, ...]:
        """Say how the controller is: whether it answers, its parts, its declarations, its logs."""
        return await findings(self._client)

    async def backup(self, goal: Path) -> Paper:
        """Have the whole state of the controller written into one file, and fetch that."""
        return await fetch_backup(self._client, goal)

    async def release(self, *, reason: str) -> str | None:
        """Let a restored state start work again; give why it was held, None where it was not."""
        told = mapping(await self._client.send("POST", f"{API}/release", {"reason": reason}))
        held = told.get("released")
        return None if held is None else str(held)

    async def adopt_drift(self, target: str, server: str, *, path: str | None = None) -> Adoption:
        """Have what drifted on a server written as a patch of the config repository, for the checkout here."""
        told = await self._client.get(f"{API}/drift/patch", target=target, server=server, path=path)
        return read(Adoption, told)

    async def _decide(self, target: str, verb: str, body: object) -> object:
        return await self._client.send("POST", f"{API}/targets/{word(target)}/{verb}", body)


def _guard_address(address: Address | None) -> None:
    """Refuse an agent that is not declared: the controller over there knows none.

    Raises:
        UsageError: one is named.
    """
    if address is not None:
        raise UsageError(
            "--addr is for an agent that no controller knows",
            hint="leave out --controller, or declare the server",
        )


def _refuse(verb: str) -> NoReturn:
    """Say that a verb works on files or the state itself.

    Raises:
        RefusedError: always.
    """
    raise RefusedError(
        f"cannot do {verb} through a controller: it works on what lies here",
        hint="leave out --controller and CTL_CONTROLLER, or say --state",
    )
