"""What commands need of a controller: the port that `service.open` gives.

Commands call it; the facade in `reconcile` satisfies it. Every method may raise `ControllerError`.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from controller.journal.backup import Paper
from controller.journal.line import Line
from controller.model.declaration import Declaration
from controller.model.ids import JobId, RunId
from controller.model.job import Job, JobBody, State
from controller.model.plan import Plan
from controller.model.standing import Ignore, Pin
from controller.model.token import Role, Scope, Token
from controller.planning.gates import GateResult
from controller.reconcile.exchange.answers import Moved, ServerOffers, ServerPool
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
from controller.reconcile.exchange.reports import ApplyOutcome, LogChunk, RunReport
from controller.reconcile.exchange.requests import (
    Address,
    ApplyRequest,
    Confirm,
    PlanRequest,
    RunRequest,
)
from controller.reconcile.exchange.status import Sightings, StatusReport
from controller.transport.port import ScriptSource


class Attachment(Protocol):
    """A job that is being followed."""

    @property
    def job(self) -> Job:
        """The job as it was last seen."""
        ...

    def output(self) -> AsyncIterator[LogChunk | None]:
        """Give everything it said and says until it has ended; None whenever there is nothing new for a moment."""
        ...

    async def refusal(self) -> str | None:
        """Say in words why input is not taken; None where it is."""
        ...

    async def feed(self, data: bytes, *, close: bool = False) -> None:
        """Give it to what takes input, when something does; `close` ends it."""
        ...

    def report(self) -> RunReport:
        """Say how it ended, as of a run of this job alone."""
        ...


class JobsPort(Protocol):
    """Jobs of the state."""

    async def find(self, prefix: str) -> Job:
        """Find one job by a unique prefix of its id, or "@last"."""
        ...

    async def body(self, job: JobId) -> JobBody:
        """Read what a job was recorded with."""
        ...

    async def list(
        self,
        *,
        run: RunId | None = None,
        target: str | None = None,
        server: str | None = None,
        archived: bool = False,
        limit: int = 50,
    ) -> tuple[Job, ...]:
        """List jobs, newest first: those that are archived, or those that are not."""
        ...

    def logs(self, job: JobId, *, follow: bool = False) -> AsyncIterator[LogChunk]:
        """Give stored output in order; with `follow` until the job has ended."""
        ...

    async def retry(self, job: JobId, *, failed_only: bool = False) -> RunReport:
        """Run a job's work again."""
        ...

    async def stop(self, job: JobId, *, step: str | None = None, grace: float = 10.0) -> Job:
        """Stop a job, or one step of it, and wait until nothing of it is left."""
        ...

    def attach(
        self, job: Job, *, step: str | None = None
    ) -> AbstractAsyncContextManager[Attachment]:
        """Follow a job, or one of its steps; one that nobody drives is taken up meanwhile."""
        ...

    async def feed(
        self, job: JobId, data: bytes, *, step: str | None = None, close: bool = False
    ) -> None:
        """Give standard input to what takes it now of a job, each byte at most once; `close` ends it."""
        ...

    async def pause(self, job: JobId, *, step: str | None = None, seconds: float = 0.0) -> Job:
        """Hold a job, or one step of it, for some seconds or (0) until it is resumed."""
        ...

    async def resume(self, job: JobId) -> Job:
        """Let a held job go on."""
        ...

    async def archive(self, jobs: Sequence[JobId], *, out: Path | None = None) -> tuple[Job, ...]:
        """Put ended jobs away, each whole or not at all."""
        ...

    async def archive_older(self, before: datetime, *, out: Path | None = None) -> tuple[Job, ...]:
        """Put away jobs that ended before a moment, oldest first, some of them; none: there are no more."""
        ...

    async def workspace(self, job: JobId) -> Mapping[str, int]:
        """List the files of the folder in which a job works, path to size."""
        ...

    async def get(self, job: JobId, names: Sequence[str], outdir: Path) -> tuple[Moved, ...]:
        """Fetch files of a job's workspace, going on where an earlier fetch ended."""
        ...

    async def put(self, job: JobId, source: Path, name: str, *, executable: bool = False) -> Moved:
        """Write a file of this machine into a job's workspace."""
        ...

    async def remove(self, job: JobId, names: Sequence[str]) -> None:
        """Delete files of a job's workspace."""
        ...

    async def resolve(self, job: JobId, *, state: State, reason: str) -> Job:
        """Decide how a lost job ended."""
        ...

    async def artifacts(self, job: JobId) -> Mapping[str, int]:
        """List the artifacts of a job with their sizes."""
        ...

    async def fetch(self, job: JobId, names: Sequence[str], outdir: Path) -> tuple[Moved, ...]:
        """Fetch artifacts into a folder, going on where an earlier fetch ended."""
        ...


class MintedToken(Protocol):
    """A token just made, and its text, which nobody can show again."""

    @property
    def token(self) -> Token:
        """What is kept of it."""
        ...

    @property
    def text(self) -> str:
        """What a person keeps."""
        ...


class TokensPort(Protocol):
    """Tokens of the API."""

    async def create(
        self,
        *,
        name: str,
        role: Role,
        scope: Scope | None = None,
        expires: timedelta | None = None,
        by: str,
    ) -> MintedToken:
        """Make a token."""
        ...

    async def all(self) -> tuple[Token, ...]:
        """List all tokens, those that are over included."""
        ...

    async def rotate(self, id_: str, *, grace: timedelta, by: str) -> MintedToken:
        """Make a token in the place of another, which stays good for a while."""
        ...

    async def revoke(self, id_: str, *, by: str) -> Token:
        """End a token now."""
        ...

    async def audit(self, id_: str | None = None, *, limit: int = 50) -> tuple[Line, ...]:
        """List what the activity log has of tokens, or of one, oldest first."""
        ...


class Controller(Protocol):
    """A controller at work on one config repository and one state."""

    @property
    def state(self) -> str:
        """Name the state, for people: its folder or its URL without the password."""
        ...

    @property
    def jobs(self) -> JobsPort:
        """Jobs of the state."""
        ...

    @property
    def tokens(self) -> TokensPort:
        """Tokens of the API."""
        ...

    async def validate(self, paths: Sequence[str] = ()) -> Validated:
        """Read the work tree and say everything that is wrong in `paths` (empty: everywhere)."""
        ...

    async def plan(self, request: PlanRequest) -> Plan:
        """Work out what would happen."""
        ...

    async def save_plan(
        self, plan: Plan, path: Path, *, expires: timedelta, key: Path | None = None
    ) -> Plan:
        """Write a plan that `apply` takes, and give it back with its time of expiry."""
        ...

    async def apply(self, request: ApplyRequest) -> ApplyOutcome:
        """Carry out a plan."""
        ...

    async def status(self) -> StatusReport:
        """Say how wanted and applied compare, without opening a server."""
        ...

    async def declared(self) -> Declaration:
        """Give the declarations of the work tree.

        Raises:
            DeclarationError: they are not valid.
        """
        ...

    async def observed(self) -> Sightings:
        """Give everything last seen."""
        ...

    async def offers(
        self, *, on: str | None, address: Address | None = None
    ) -> tuple[ServerOffers, ...]:
        """Ask servers for the scripts they offer."""
        ...

    async def inspect(
        self, script: str, *, on: str | None, address: Address | None = None
    ) -> ScriptSource:
        """Show one script of one server."""
        ...

    async def why(self, target: str, server: str) -> tuple[GateResult, ...]:
        """Ask every gate of a pair, in order."""
        ...

    async def suspend(
        self, target: str, *, reason: str, until: datetime | None = None
    ) -> Suspended:
        """Switch a target off."""
        ...

    async def resume(self, target: str, *, reason: str = "") -> Resumed:
        """Switch a target on again."""
        ...

    async def approve(self, target: str, *, confirm: Confirm, reason: str = "") -> Approved:
        """Plan now, and after a yes approve exactly what would happen to a target."""
        ...

    async def rollback(
        self, target: str, *, to: str, reason: str, until: datetime | None = None
    ) -> RolledBack:
        """Hold a target at an earlier commit of its repo."""
        ...

    async def lift_pin(self, target: str, *, reason: str) -> Pin | None:
        """Let go of a target that is held at a commit; None when it is not."""
        ...

    async def history(self, target: str, *, limit: int = 20) -> tuple[PastRun, ...]:
        """List the runs of a target, newest first."""
        ...

    async def run(self, request: RunRequest) -> RunReport:
        """Run a task or a target now."""
        ...

    async def pools(self, on: str, *, workers: int | None = None) -> tuple[ServerPool, ...]:
        """Ask servers how many jobs they run at once; with `workers` change that first."""
        ...

    async def check_server(self, name: str) -> ServerCheck:
        """Reach a server now and run `uptime` there."""
        ...

    async def check_repo(
        self, name: str, *, accept_rewind: bool = False, reason: str | None = None
    ) -> RepoCheck:
        """Fetch a repo now, then clean its cache."""
        ...

    async def check_config(
        self, *, accept_rewind: bool = False, reason: str | None = None
    ) -> ConfigCheck:
        """Have the config repository of a controller looked at now."""
        ...

    async def look_install(self, request: InstallRequest, tell: Tell) -> Sight:
        """Say what installing the agent of a server would write there."""
        ...

    async def install_agent(self, request: InstallRequest, tell: Tell) -> Installed:
        """Install or upgrade the agent of a server, and wait until it answers."""
        ...

    async def trust(self, names: Sequence[str]) -> tuple[KeyOffer, ...]:
        """Ask servers and git hosts for their keys; nothing is trusted by that."""
        ...

    async def accept(self, offers: Sequence[KeyOffer]) -> str:
        """Pin these keys; give the path of the file they were added to."""
        ...

    async def doctor(self) -> tuple[Finding, ...]:
        """Check what a controller needs."""
        ...

    async def backup(self, goal: Path) -> Paper:
        """Write the whole state into one file, while others work in it."""
        ...

    async def release(self, *, reason: str) -> str | None:
        """Let a restored state dispatch again; give why it was held, None where it was not."""
        ...

    async def drift(self, target: str | None, *, limit: str | None = None) -> DriftReport:
        """Say what differs on the servers, and what speaks for who did it."""
        ...

    async def adopt_drift(self, target: str, server: str, *, path: str | None = None) -> Adoption:
        """Write what drifted on a server as a patch of the config repository."""
        ...

    async def ignore_drift(
        self, target: str, server: str, *, path: str | None, reason: str, until: datetime
    ) -> Ignored:
        """Hide drift of a pair until a moment."""
        ...

    async def show_drift_again(
        self, target: str, server: str, *, path: str | None, reason: str = ""
    ) -> Ignore | None:
        """Show drift of a pair again; None where nobody hid it."""
        ...


Opened = AbstractAsyncContextManager[Controller]
