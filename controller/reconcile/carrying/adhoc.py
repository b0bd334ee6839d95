"""Work that nobody declared: a command typed by a person, or a script, of a server's agent or of the config repository.

Pure. Called by `running`; what it makes is recorded and carried out like any other work, but it belongs to no target and never
touches a marker.
"""

import shlex
from collections.abc import Mapping, Sequence
from typing import Final

from controller.errors import UsageError
from controller.model.digest import digest_of, input_digest
from controller.model.ids import Digest
from controller.model.task import Limits, Result, ResultType
from controller.model.work import OFFERED, Input, StepWork, Work
from controller.transport.port import ServerScript

TASK: Final = "ad-hoc"
"""What jobs of typed commands are called."""
STEP: Final = "run"
LONGEST: Final = 128 << 10
"""Bytes of a typed command; a shell has no longer line either."""


def command_work(
    words: Sequence[str], *, user: str | None, limits: Limits, interactive: bool
) -> Work:
    """Make the work of a typed command.

    One word is a text for `sh`, as people quote it for ssh; several are the command and its arguments as they are, and no
    shell reads them again.

    Raises:
        UsageError: there is none, or it is too long.
    """
    text = words[0] if len(words) == 1 else shlex.join(words)
    if not text.strip():
        raise UsageError("there is no command", hint="ctl run --on SELECTOR -- COMMAND")
    if len(text.encode()) > LONGEST or "\0" in text:
        raise UsageError(
            f"cannot send a command of more than {LONGEST} bytes, or with a NUL",
            hint="hand it on stdin: ctl run --on SELECTOR --stdin -- sh",
        )
    inputs = _inputs({f"steps.{STEP}.run": text, "user": user})
    return Work(
        task=TASK,
        digest=input_digest({name: one.digest for name, one in inputs.items()}),
        inputs=inputs,
        steps=(StepWork(name=STEP, text=text, interactive=interactive),),
        user=user,
        limits=limits,
    )


def script_work(
    name: str,
    known: ServerScript | None,
    *,
    arguments: tuple[str, ...] = (),
    params: Mapping[str, str],
    user: str | None,
    limits: Limits,
    interactive: bool,
    text: str = "",
) -> Work:
    """Make the work of a script.

    Args:
        name: of the script.
        known: what the server says of it now, which is what it will be held to; None where the server was not reached.
        arguments: for the script.
        params: it sees them as CTL_PARAM_NAME.
        user: whom it runs as.
        limits: for its processes.
        interactive: keeps its input open.
        text: what it is, where the server offers none of this name; its agent fetches it then.
    """
    sha256 = Digest(known.sha256) if known is not None and known.sha256 else None
    inputs = _inputs(
        {
            f"steps.{STEP}.uses": f"{OFFERED}{name}",
            f"steps.{STEP}.script": sha256,
            f"steps.{STEP}.arguments": list(arguments),
            **{f"params.{key}": value for key, value in params.items()},
            "user": user,
        }
    )
    step = StepWork(
        name=STEP,
        text=text,
        uses=f"{OFFERED}{name}",
        arguments=arguments,
        script_digest=sha256,
        interactive=interactive,
    )
    return Work(
        task=name,
        digest=input_digest({each: one.digest for each, one in inputs.items()}),
        inputs=inputs,
        steps=(step,),
        params=params,
        user=user,
        limits=limits,
        result=_result(known),
    )


def _result(known: ServerScript | None) -> Result:
    """Say what comes back: the agent lays the file of a `file` result among the artifacts."""
    if known is None:
        return Result()
    if known.result.type is not ResultType.FILE:
        return known.result
    return Result(type=ResultType.FILE, path=known.result.path, artifact=True)


def _inputs(values: Mapping[str, object]) -> dict[str, Input]:
    return {name: Input(digest=digest_of(value)) for name, value in values.items() if value}
