"""Starting a command without a copy of the supervisor: the kernel lends it our memory until it is the command.

A fork copies page tables, and then every page that either side touches: half of what an attempt costs. Where nothing has to
be done between fork and execution that only the new process can do, `child` calls this instead, once the attempt may begin.
The supervisor stands still meanwhile, so nothing on the way may hang: see `may_spawn`.
"""

# pathlib would cost every supervisor memory and time.
# ruff: noqa: PTH116
from __future__ import annotations

import errno
import os
import signal
from collections.abc import Mapping

from controller.execution import clock, linux
from controller.execution.cgroup import Group
from controller.execution.command import TEXT, enter, places

LOOK = 10.0
"""Seconds for which the kinds of mounted file systems are remembered."""

_looked: dict[str, float | bool] = {"at": float("-inf"), "hang": False}


def may_spawn(plan: Mapping[str, object]) -> bool:
    """Say whether an attempt needs nothing that only its own process can do before it is the command.

    Becoming another user, and limits, are such things. Where a file system of a network is mounted, the way to the folder
    or the program may hang for ever: then the command hangs alone, and its supervisor still heeds time and wishes.
    """
    if plan["login"] is not None or plan["limits"] or plan["group_limits"]:
        return False
    now = clock.monotonic()
    if now > _looked["at"] + LOOK:
        _looked.update(at=now, hang=linux.may_hang())
    return not _looked["hang"]


def spawn_command(
    plan: Mapping[str, object], *, stdin: int, output: int, text: int, group: Group | None
) -> int:
    """Start the command in its group and its folder.

    Args:
        plan: `argv env home workdir umask supervisors` as `launch` wrote them.
        stdin: what it reads.
        output: takes what it says.
        text: its script, or -1.
        group: its cgroup: we step in, so that it is born there, and out again.

    Returns:
        the number of its process.

    Raises:
        OSError: it cannot be started; the text says why.
    """
    umask = os.umask(_whole(plan["umask"]))
    try:
        enter(str(plan["home"]), plan["workdir"])
        if group is None:
            return _find(plan, stdin=stdin, output=output, text=text)
        group.take(os.getpid())
        try:
            return _find(plan, stdin=stdin, output=output, text=text)
        finally:
            _step_out(group, str(plan["supervisors"]))
    finally:
        os.umask(umask)
        os.chdir("/")


def _step_out(group: Group, supervisors: str) -> None:
    """Leave the group of the attempt, or end with everything in it: a supervisor that is held or ended with its own is none."""
    try:
        Group(supervisors).take(os.getpid())
    except OSError:
        group.kill()
        raise


def _find(plan: Mapping[str, object], *, stdin: int, output: int, text: int) -> int:
    argv, env = plan["argv"], plan["env"]
    if not isinstance(argv, list) or not isinstance(env, dict):
        raise TypeError("cannot read the command of an attempt")
    actions = [(os.POSIX_SPAWN_DUP2, stdin, 0)]
    actions += [(os.POSIX_SPAWN_DUP2, output, number) for number in (1, 2)]
    if text >= 0:
        actions.append((os.POSIX_SPAWN_DUP2, text, TEXT))
    why: OSError = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    for program in places(argv[0], env["PATH"]):
        try:
            os.stat(program)
            with linux.unprotected():
                return os.posix_spawn(
                    program,
                    argv,
                    env,
                    file_actions=actions,
                    setsid=True,
                    setsigmask=(),
                    setsigdef=(signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD),
                )
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            why = error
    raise OSError(why.errno, f"cannot execute {argv[0]}: {why.strerror}")


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"cannot read {value!r} as a whole number")
    return value
