"""What one pair (target, server) would run, fully rendered, and the input digest of it.

`declaration` makes these; `planning` compares their digests; `jobs` carries them out. No secret value is ever
inside: `secrets` maps environment names to names of secrets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from controller.model.diagnostic import Place, Span
from controller.model.files import CheckoutWork, FileWork
from controller.model.ids import Digest
from controller.model.task import Limits, Result, Retry

DIGEST_FORMAT = 1
"""Raised when a field is added to the input digest; older records are compared in their own format."""


class StepKind(StrEnum):
    """What a step is; all but commands are put in by the controller, under names that no declared step can have."""

    COMMAND = "command"
    CHECKOUT = "checkout"  # `_checkout`: delivers the repo's tree, before everything else
    FILES = "files"  # `_files`: delivers the task's files, before the declared steps
    HEALTH = "health"  # `_health`: after the declared steps; a failure is counted apart
    CONFIRM = (
        "confirm"  # `_confirm`: begins first, undoes the change unless it is confirmed, ends last
    )


STEP_NAMES = {
    StepKind.CHECKOUT: "_checkout",
    StepKind.FILES: "_files",
    StepKind.HEALTH: "_health",
    StepKind.CONFIRM: "_confirm",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepWork:
    """One step, rendered.

    `text` is what the interpreter reads; `shell` is its argument list, None for its own first line (scripts) or
    `sh`. `when` stays an expression: it sees the steps before it, and in `sees` the values it uses of what
    templates see. The texts of checkout and files steps are put together when they are sent; that of a confirm step is
    the task's `revert`, and its `timeout` the seconds in which it must be confirmed. `uses` is as declared: the name of a
    plugin, whose bytes are then `text`, or "script/NAME", a script that the server's agent offers; `arguments` are that
    script's, and `script_digest` is the SHA-256 it must have, where one is asked for. `interactive` keeps standard input
    open while it runs.
    """

    name: str
    text: str
    kind: StepKind = StepKind.COMMAND
    script: str | None = None
    uses: str | None = None
    arguments: tuple[str, ...] = ()
    script_digest: Digest | None = None
    interactive: bool = False
    shell: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None
    user: str | None = None
    timeout: float | None = None
    retry: Retry = field(default_factory=Retry)
    when: str | None = None
    sees: Mapping[str, object] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    continue_on_error: bool = False
    idempotent: bool = False
    result: Result | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input of the digest: the hash of its value and the place of the key that gave it.

    `text` are the lines that hold the value where it has several: those under the key, or those of a script. `uses`
    names what its templates use: "params.channel", "vars.greeting", "vars" (any of them), "server.labels".
    """

    digest: Digest
    place: Place | None = None
    text: Span | None = None
    uses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Everything a job needs, and what can change its result.

    `params` are final values (for CTL_PARAM_*), `masked` the names of secret parameters. `inputs` maps the dotted
    name of each input ("steps.fetch.run", "params.channel", "source") to its digest; `digest` is the input digest:
    SHA-256 over the canonical JSON of {"format": 1, "inputs": {name: digest}}.
    """

    task: str
    digest: Digest
    inputs: Mapping[str, Input] = field(default_factory=dict)
    steps: tuple[StepWork, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, object] = field(default_factory=dict)
    masked: tuple[str, ...] = ()
    checkout: CheckoutWork | None = None
    files: tuple[FileWork, ...] = ()
    user: str | None = None
    workdir: str | None = None
    timeout: float = 86400.0
    limits: Limits = field(default_factory=Limits)
    result: Result = field(default_factory=Result)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One (target, server) with its work; equal work is one shared object.

    `undo` is the rendered work of `on_remove: {run: TASK}`.
    """

    target: str
    server: str
    work: Work
    undo: Work | None = None


OFFERED = "script/"
"""What `uses` begins with where it names a script that the server's agent offers."""


def offered_script(step: StepWork) -> str | None:
    """Name the script of the server that a step runs; None where it runs something else."""
    if step.uses is None or not step.uses.startswith(OFFERED):
        return None
    return step.uses.removeprefix(OFFERED)


def secret_names(work: Work) -> frozenset[str]:
    """Name every secret whose value a work uses: in the environment of its steps, and in its files."""
    return frozenset(work.secrets.values()).union(*(file.secrets for file in work.files))
