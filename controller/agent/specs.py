"""What a message asks to run, as `execution` takes it.

`starts` calls it. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from controller.agent.script import Offered
from controller.execution.spec import Limits, Spec
from controller.wire.messages.attempts import Bounds, RunScript, Start
from controller.wire.record import record


@record
class Bodies:
    """The bytes of an attempt, wherever they came from; a large stdin is in a file, with its digest."""

    text: bytes = b""
    stdin: bytes = b""
    stdin_path: str = ""
    stdin_sha256: str = ""


def make_spec(asked: Start, bodies: Bodies, *, owner: str, user: str | None) -> Spec:
    """Give the attempt that a `start` asks for.

    Args:
        asked: the message.
        bodies: its text and stdin.
        owner: whose it is.
        user: None where it is the agent's own.
    """
    return Spec(
        id=asked.id,
        job=asked.job,
        owner=owner,
        text=bodies.text,
        argv=asked.shell or (),
        stdin=bodies.stdin,
        stdin_path=bodies.stdin_path,
        stdin_sha256=bodies.stdin_sha256,
        stream=asked.interactive,
        env=asked.env,
        workdir=asked.workdir,
        user=user,
        timeout=asked.timeout,
        grace=asked.grace,
        head=asked.head,
        tail=asked.tail,
        limits=limits_of(asked.limits),
        salt=asked.salt,
        digest=asked.digest or None,
    )


def plan_script(asked: RunScript, bodies: Bodies) -> Spec:
    """Give what a `run-script` asks for as both ends know it: what only the agent knows is left out.

    The digest of the script stands where its bytes will be, so the attempt digest covers it.
    """
    return Spec(
        id=asked.id,
        job=asked.job,
        text=asked.digest.encode(),
        arguments=asked.arguments,
        stdin=bodies.stdin,
        stdin_path=bodies.stdin_path,
        stdin_sha256=bodies.stdin_sha256,
        stream=asked.interactive,
        env=asked.env,
        workdir=asked.workdir,
        user=asked.user,
        timeout=asked.timeout,
        grace=asked.grace,
        head=asked.head,
        tail=asked.tail,
        limits=limits_of(asked.limits),
        salt=asked.salt,
    )


def make_script_spec(
    asked: RunScript,
    offered: Offered,
    more: Mapping[str, str],
    bodies: Bodies,
    *,
    owner: str,
    workspace: str,
) -> Spec:
    """Give the attempt that a `run-script` asks for.

    Args:
        asked: the message.
        offered: the script, as it was read.
        more: variables that the script gets from here; they win over those of the message.
        bodies: its stdin.
        owner: whose it is.
        workspace: of its job, where it begins unless it is told otherwise: its results are looked for there.
    """
    return replace(
        plan_script(asked, bodies),
        owner=owner,
        text=offered.text,
        argv=offered.argv,
        env={**asked.env, **more},
        workdir=asked.workdir or workspace,
    )


def limits_of(bounds: Bounds) -> Limits:
    """Read the limits of a message."""
    return Limits(cpu=bounds.cpu, memory=bounds.memory, pids=bounds.pids, io=bounds.io)
