"""What requests may say: the bodies, with their bounds. Unknown names are refused, so that nothing is accepted and ignored.

Written by clients, checked by the app before a handler runs; each becomes a request of `reconcile`.
"""

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from controller.model.token import Role


def one_moment(said: datetime) -> datetime:
    """Refuse a time of day that is another moment in each place, and one outside the calendar.

    Raises:
        ValueError: it has no offset, or is none of UTC.
    """
    if said.tzinfo is None:
        raise ValueError("a moment has an offset, such as the Z of 2030-01-31T12:00:00Z")
    try:
        said.astimezone(UTC)
    except OverflowError:
        raise ValueError("there is no such moment") from None
    return said


def whole_base64(text: str) -> str:
    """Refuse what only looks like base64.

    Raises:
        ValueError: letters are missing at its end.
    """
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("this base64 is cut or padded wrongly") from None
    return text


Name = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9_][A-Za-z0-9._:-]*$")
]
Selector = Annotated[str, Field(min_length=1, max_length=4096)]
Reason = Annotated[str, Field(min_length=1, max_length=1000)]
MaybeReason = Annotated[str, Field(max_length=1000)]
Revision = Annotated[
    str, Field(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9_][A-Za-z0-9._/^~@{}-]*$")
]
Names = Annotated[tuple[Name, ...], Field(max_length=1000)]
Overrides = Annotated[dict[Name, Reason], Field(max_length=50)]
Seconds = Annotated[float, Field(ge=0, le=86_400 * 366, allow_inf_nan=False)]
Base64 = Annotated[
    str,
    Field(max_length=1_400_000, pattern=r"^[A-Za-z0-9+/]*={0,2}$"),
    AfterValidator(whole_base64),
]
Moment = Annotated[
    datetime,
    AfterValidator(one_moment),
    Field(description="RFC 3339 with an offset", examples=["2026-12-01T00:00:00Z"]),
]


class Said(BaseModel):
    """A body; it names only what is known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PlanBody(Said):
    """What to plan."""

    at: Annotated[Revision | None, Field(description="the declarations of this revision")] = None
    as_of: Annotated[Moment | None, Field(description="as it was recorded at a moment")] = None
    between: Annotated[
        tuple[Revision, Revision] | None, Field(description="what changes from one to the other")
    ] = None
    refresh: Annotated[bool, Field(description="open the servers in scope first")] = False
    limit: Annotated[Selector | None, Field(examples=["web:&env=prod"])] = None
    targets: Annotated[Names, Field(examples=[["shop-prod"]])] = ()
    heal: Annotated[bool, Field(description="repair drift that is otherwise only reported")] = False
    full: Annotated[bool, Field(description="tell of pairs in sync, too")] = False
    overrides: Annotated[Overrides, Field(description="gate or limit to reason")] = {}


class ApplyBody(Said):
    """Carry out what a plan would do now."""

    kind: Literal["apply"] = "apply"
    limit: Annotated[Selector | None, Field(examples=["web:&env=prod"])] = None
    targets: Annotated[Names, Field(examples=[["shop-prod"]])] = ()
    heal: bool = False
    overrides: Overrides = {}
    resume: Annotated[Name | None, Field(description="go on with this halted run")] = None
    failed_only: bool = False
    digest: Annotated[
        str | None,
        Field(
            pattern="^[0-9a-f]{64}$",
            description="only exactly the plan with this digest; any other is refused with 409",
        ),
    ] = None
    parallel: Annotated[int, Field(ge=1, le=1000)] = 50


class LimitsBody(Said):
    """What the processes of one attempt may use together."""

    cpu: Annotated[
        float | None, Field(gt=0, le=10_000, allow_inf_nan=False, description="processors")
    ] = None
    memory: Annotated[int | None, Field(ge=1 << 20, le=1 << 50, description="bytes")] = None
    pids: Annotated[int | None, Field(ge=1, le=4_194_304)] = None
    io: Annotated[int | None, Field(ge=1, le=1 << 50, description="bytes a second")] = None


class RunBody(Said):
    """Run a declared task or a target now."""

    kind: Literal["run"]
    task: Annotated[Name | None, Field(examples=["uptime"])] = None
    target: Annotated[Name | None, Field(examples=["shop-prod"])] = None
    on: Annotated[Selector | None, Field(examples=["web"])] = None
    params: Annotated[
        dict[str, Annotated[str, Field(max_length=65_536)]],
        Field(max_length=100, description="parameters as typed"),
    ] = {}
    stdin: Annotated[Base64, Field(description="standard input of the first step, base64")] = ""
    interactive: Annotated[bool, Field(description="keep the input open")] = False
    parallel: Annotated[int, Field(ge=1, le=1000)] = 50


RunsBody = Annotated[
    ApplyBody | RunBody,
    Field(discriminator="kind"),
]


class AdhocBody(Said):
    """Undeclared work: a task's body, a command, or a script that the servers' agents offer or that lies in the config repository."""

    on: Annotated[Selector, Field(description="servers", examples=["web"])]
    run: Annotated[
        str | None,
        Field(min_length=1, max_length=131_072, description="a text for sh", examples=["uptime"]),
    ] = None
    command: Annotated[
        tuple[Annotated[str, Field(max_length=131_072)], ...],
        Field(max_length=1000, description="a command and its arguments; no shell reads them"),
    ] = ()
    script: Annotated[
        Name | None, Field(description="a script by name; `command` are its arguments")
    ] = None
    task: Annotated[
        dict[str, Any] | None,
        Field(
            min_length=1,
            description="a task's body as tasks are declared (`ctl schema task`), without secrets, files, checkout, check "
            "and revert",
            examples=[{"steps": {"fetch": {"run": "./fetch.sh"}, "build": {"run": "make"}}}],
        ),
    ] = None
    params: Annotated[
        dict[str, Annotated[str, Field(max_length=65_536)]], Field(max_length=100)
    ] = {}
    user: Annotated[
        str | None,
        Field(
            max_length=64,
            pattern=r"^[a-z_][a-z0-9_-]*$",
            description="run as this Linux user; other than one's own name: admins only",
        ),
    ] = None
    limits: LimitsBody = LimitsBody()
    stdin: Base64 = ""
    interactive: bool = False
    parallel: Annotated[int, Field(ge=1, le=1000, description="servers at once")] = 50


class StopBody(Said):
    """What to stop."""

    step: Name | None = None
    grace: Annotated[
        float,
        Field(ge=0, le=3600, allow_inf_nan=False, description="seconds between TERM and KILL"),
    ] = 10.0


class PauseBody(Said):
    """What to hold, for how long."""

    step: Name | None = None
    seconds: Annotated[Seconds, Field(description="0: until it is resumed")] = 0.0


class RetryBody(Said):
    """What to run again."""

    failed_only: bool = False


class ResolveBody(Said):
    """How a lost job ended, as a person found out."""

    state: Literal["succeeded", "failed"]
    reason: Reason


class InputBody(Said):
    """Standard input for what takes it."""

    data: Base64 = ""
    step: Name | None = None
    close: bool = False


class SuspendBody(Said):
    """Why a target is switched off, and until when."""

    reason: Reason
    until: Moment | None = None


class ReasonBody(Said):
    """Why, where somebody wants to say."""

    reason: MaybeReason = ""


class NeededReasonBody(Said):
    """Why."""

    reason: Reason


class ApproveBody(Said):
    """Exactly what is approved: the digest of the target in a plan's `approvable`."""

    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    reason: MaybeReason = ""


class RollbackBody(Said):
    """Where to hold a target."""

    to: Revision
    reason: Reason
    until: Moment | None = None


class IgnoreBody(Said):
    """Drift that is not to be shown for a while."""

    target: Name
    server: Name
    path: Annotated[str | None, Field(max_length=4096)] = None
    reason: Reason
    until: Moment


class ShowBody(Said):
    """Drift that is to be shown again."""

    target: Name
    server: Name
    path: Annotated[str | None, Field(max_length=4096)] = None
    reason: MaybeReason = ""


class RepoCheckBody(Said):
    """How to look at a repo."""

    accept_rewind: bool = False
    reason: MaybeReason = ""


class PoolBody(Said):
    """How many jobs the agents of servers run at once."""

    on: Selector
    workers: Annotated[int, Field(ge=1, le=1000)]


class ScopeBody(Said):
    """What of the fleet a token reaches; null: all."""

    targets: Annotated[str | None, Field(min_length=1, max_length=200, examples=["shop-*"])] = None
    servers: Annotated[Selector | None, Field(examples=["web"])] = None


class TokenBody(Said):
    """A token to be made."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9@._-]{1,63}$", examples=["ci"])]
    role: Role
    scope: ScopeBody = ScopeBody()
    expires: Annotated[
        Annotated[float, Field(gt=0, le=86_400 * 3660, allow_inf_nan=False)] | None,
        Field(description="seconds from now; null: until it is revoked", examples=[7_776_000]),
    ] = None


class RotateBody(Said):
    """How a token is replaced."""

    grace: Annotated[
        float,
        Field(
            ge=0,
            le=86_400 * 30,
            allow_inf_nan=False,
            description="seconds that the old one stays good",
        ),
    ] = 86_400.0
