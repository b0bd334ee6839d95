"""What answers hold, for `/openapi.json`: documents only grow, so that names which are not described here may be there, too.

The documents themselves are made of records by `reconcile.documents`; tests hold them against these. At the level `status` strangers
get fewer names, so that nothing but what a page needs is required.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

When = Annotated[
    str | None, Field(description="RFC 3339 in UTC", examples=["2026-01-31T12:00:00Z"])
]
Commit = Annotated[str | None, Field(examples=["8f14e45fceea167a5a36dedd4bea2543f1e6a0b7"])]
Word = Annotated[str | None, Field()]
Number = Annotated[float | None, Field()]


class Answer(BaseModel):
    """A document."""

    model_config = ConfigDict(extra="allow")


class ProblemAnswer(Answer):
    """What went wrong, as RFC 9457 has it."""

    type: Annotated[str, Field(examples=["urn:ctl:problem:outside-scope"])]
    title: Annotated[str, Field(examples=["Forbidden"])]
    status: Annotated[int, Field(examples=[403])]
    detail: Annotated[str, Field(examples=["target shop-prod is outside the scope blog-*"])]
    reference: Annotated[str, Field(description="stable", examples=["outside-scope"])]
    hint: Annotated[str | None, Field(description="what to do about it")] = None


class Empty(Answer):
    """A document of its own shape; see the description."""


class Version(Answer):
    """Versions of the program and of the documents."""

    format_version: Annotated[str, Field(examples=["1.0"])]
    version: Annotated[str, Field(examples=["0.1.0"])]


class PartAnswer(Answer):
    """A part of a controller."""

    name: Annotated[str, Field(examples=["worker"])]
    running: bool
    seen_at: When = None


class Health(Answer):
    """The parts of the controller, here and in other processes."""

    status: Annotated[str, Field(description="ok or degraded", examples=["ok"])]
    version: str
    parts: list[PartAnswer]


class TargetLine(Answer):
    """How a target stands."""

    target: Annotated[str, Field(examples=["shop-prod"])]
    task: Annotated[str, Field(examples=["deploy-shop"])]
    servers: Annotated[int, Field(examples=[3])]
    in_sync: Annotated[int, Field(examples=[2])]
    wanted: Commit
    applied: Commit
    sync: Annotated[
        str,
        Field(examples=["pending"], description="in-sync, pending, drifted, blocked or unknown"),
    ]
    health: Annotated[
        str,
        Field(examples=["ok"], description="ok, running, degraded, failed, suspended or offline"),
    ]
    reason: Annotated[str, Field(examples=["Change"], description="CamelCase")]
    message: Word = None
    since: When = None


class Status(Answer):
    """How wanted and applied compare."""

    format_version: Annotated[str, Field(examples=["1.0"])]
    commit: Commit
    observed_at: When
    summary: dict[str, Any]
    targets: list[TargetLine]
    problems: list[dict[str, Any]]
    running: list[dict[str, Any]]
    in_force: Annotated[
        dict[str, Any] | None, Field(description="commit and time of what is in force")
    ] = None
    invalid: Annotated[
        dict[str, Any] | None, Field(description="the newest declarations, when they are refused")
    ] = None
    held: Annotated[
        str | None, Field(description="why nothing is carried out, after a restore")
    ] = None


class Step(Answer):
    """A step of a job."""

    name: Annotated[str, Field(examples=["restart"])]
    state: Annotated[str, Field(examples=["succeeded"])]
    exit_code: int | None = None


class JobAnswer(Answer):
    """A job."""

    id: Annotated[str, Field(examples=["7k3m9x2q8w4t"])]
    run: Annotated[str, Field(examples=["1f5d8a0c2e4g"])]
    target: Word
    task: Annotated[str, Field(examples=["deploy-shop"])]
    server: Annotated[str, Field(examples=["web-01.example.com"])]
    state: Annotated[str, Field(examples=["running"])]
    exit_code: int | None = None
    commit: Commit = None
    created_at: When
    started_at: When = None
    finished_at: When = None
    steps: list[Step]


class RunAnswer(Answer):
    """A run."""

    id: Annotated[str, Field(examples=["1f5d8a0c2e4g"])]
    created_at: When
    finished_at: When = None
    config_commit: Commit = None
    targets: list[str]


class RunWithJobs(RunAnswer):
    """A run with its jobs."""

    jobs: list[JobAnswer]


class Report(Answer):
    """A run that was asked for; `run` null when there was nothing to do."""

    format_version: str
    run: Annotated[str | None, Field(examples=["1f5d8a0c2e4g"])]
    summary: dict[str, Any]
    waiting: bool
    jobs: list[JobAnswer]
    held: list[dict[str, Any]]


class PlanAnswer(Answer):
    """What would happen, and why."""

    format_version: str
    commit: Commit
    digest: Annotated[str, Field(description="send it with POST runs to get exactly this")]
    summary: dict[str, Any]
    changes: list[dict[str, Any]]
    diagnostics: list[dict[str, Any]]
    approvable: dict[str, str]


class Paged(Answer):
    """A page of a list; `next` null at the end, else the cursor of the next page."""

    items: list[dict[str, Any]]
    next: Annotated[str | None, Field(examples=[None])]


class JobPage(Answer):
    """A page of jobs."""

    items: list[JobAnswer]
    next: str | None


class RunPage(Answer):
    """A page of runs."""

    items: list[RunAnswer]
    next: str | None


class Named(Answer):
    """A declared thing, and what was observed of it."""

    kind: Annotated[str, Field(examples=["server"])]
    name: Annotated[str, Field(examples=["web-01.example.com"])]


class TokenAnswer(Answer):
    """A token, without what proves it."""

    id: Annotated[str, Field(examples=["A1b2C3d4"])]
    name: Annotated[str, Field(examples=["ci"])]
    role: Annotated[str, Field(examples=["operator"])]
    expires_at: When = None
    revoked_at: When = None


class MintedAnswer(TokenAnswer):
    """A token just made."""

    text: Annotated[
        str,
        Field(
            description="the token itself; it is shown this once", examples=["A1b2C3d4" + "x" * 24]
        ),
    ]


class Gates(Answer):
    """The gates of a pair, in order."""

    target: str
    server: str
    blocked_by: Word
    clear: Word
    gates: list[dict[str, Any]]


class ConfigLook(Answer):
    """How the config repository stands."""

    in_force: Annotated[Word, Field(description="the commit in force now", examples=["5f0c…"])]
    previous: Annotated[Word, Field(description="the one in force before this look")]
    commit: Annotated[Word, Field(description="the newest, as far as it was let in")]
    error: Annotated[Word, Field(description="why the newest is not in force")]
    error_code: Word
    hint: Word
    waiting: Annotated[bool, Field(description="nobody has looked yet; the wish stands")]


class Accepted(Answer):
    """It was taken."""

    accepted: bool
