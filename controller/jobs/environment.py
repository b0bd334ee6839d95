"""The environment a step gets.

Pure. Called by `step` at dispatch and by `accept` before a run is recorded, so that a name or value no process could be
given is refused before anything is touched. `reconcile` gives checks theirs.
"""

import json
import re
from collections.abc import Mapping
from typing import Final

from controller.errors import DeclarationError
from controller.model.applied import Applied
from controller.model.job import Job, JobBody
from controller.model.work import Pair, StepWork

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
VALUE_LIMIT: Final = 131_000
"""Bytes in one variable: Linux takes 128 KiB for NAME=VALUE with its final NUL."""
TOTAL_LIMIT: Final = 1 << 20
"""Bytes in all variables of a step: half of what Linux takes for arguments and environment together."""


def environment(
    job: Job, body: JobBody, step: StepWork, secrets: Mapping[str, str]
) -> dict[str, str]:
    """Put together the variables of a step: the task's, the step's, ours, and last the secrets.

    Args:
        job: as it stands; the outputs of its steps become CTL_OUT_<STEP>_<KEY>.
        body: what the job was recorded with.
        step: the step that is about to run.
        secrets: environment name to value.

    Raises:
        DeclarationError: a variable has a name or a value that no process can be given.
    """
    variables = {
        **body.work.env,
        **step.env,
        **_outputs(job),
        **_params(body.work.params),
        **body.facts,
        **_names(job, step),
        **secrets,
    }
    for name, value in variables.items():
        _check(name, value)
    total = sum(
        len(name) + len(value.encode("utf-8", "surrogateescape")) + 2
        for name, value in variables.items()
    )
    if total > TOTAL_LIMIT:
        raise DeclarationError(
            f"cannot give step {step.name} an environment of {total} bytes, the limit is {TOTAL_LIMIT}",
            hint="hand large values over in a file",
        )
    return variables


def check_environment(
    pair: Pair,
    applied: Applied,
    params: Mapping[str, object],
    env: Mapping[str, str],
    *,
    repo: str | None,
) -> dict[str, str]:
    """Put together the variables of a `check:`: those of the run that was applied, and no secrets.

    Args:
        pair: what is checked.
        applied: the run it speaks of.
        params: the parameters of the pair.
        env: the task's own variables.
        repo: the target's repo.

    Raises:
        DeclarationError: a variable has a name or a value that no process can be given.
    """
    told = {
        "CTL_TARGET": pair.target,
        "CTL_TASK": pair.work.task,
        "CTL_SERVER": pair.server,
        "CTL_REPO": repo,
        "CTL_COMMIT": applied.commit,
        "CTL_BRANCH": applied.branch,
    }
    known = {name: value for name, value in told.items() if value is not None}
    variables = {**env, **_params(params), **known}
    for name, value in variables.items():
        _check(name, value)
    return variables


def _names(job: Job, step: StepWork) -> dict[str, str]:
    """Say who and what the step is; what is not known is left out."""
    told = {
        "CTL_JOB": job.id,
        "CTL_STEP": step.name,
        "CTL_TARGET": job.target,
        "CTL_TASK": job.task,
        "CTL_SERVER": job.server,
        "CTL_COMMIT": job.commit,
        "CTL_BRANCH": job.branch,
        "CTL_PREVIOUS_COMMIT": job.previous_commit,
    }
    return {name: value for name, value in told.items() if value is not None}


def _params(params: Mapping[str, object]) -> dict[str, str]:
    """Give parameters as text: strings as they are, everything else as JSON, null not at all."""
    return {
        f"CTL_PARAM_{shout(name)}": value if isinstance(value, str) else _json(value)
        for name, value in params.items()
        if value is not None
    }


def _outputs(job: Job) -> dict[str, str]:
    """Give the outputs of the steps that have ended."""
    return {
        f"CTL_OUT_{shout(run.name)}_{shout(key)}": value
        for run in job.steps
        for key, value in run.outputs.items()
    }


def shout(name: str) -> str:
    """Turn a declared name into the form of a variable: `fetch-all` into `FETCH_ALL`."""
    return re.sub(r"[^A-Z0-9_]", "_", name.upper())


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _check(name: str, value: str) -> None:
    """Refuse what no process can be given; values may be secret and are not named."""
    if not NAME.fullmatch(name):
        raise DeclarationError(
            f"cannot set an environment variable named {name!r}",
            hint="use letters, digits and underscores, and no digit first",
        )
    if "\0" in value:
        raise DeclarationError(f"cannot set {name}: its value holds a NUL character")
    try:
        size = len(value.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        raise DeclarationError(f"cannot set {name}: its value is not valid Unicode") from None
    if size > VALUE_LIMIT:
        raise DeclarationError(
            f"cannot set {name}: its value has {size} bytes, the limit is {VALUE_LIMIT}",
            hint="hand large values over in a file",
        )
