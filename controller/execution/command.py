"""The last steps of a forked child on its way to becoming the command of an attempt.

It becomes its user for good, waits at the barrier until the ledger holds `started`, and executes. `supervisor` forks it
and calls `become_command`; it calls `linux`.
"""

# pathlib would cost every supervisor memory and time.
# ruff: noqa: PTH118
from __future__ import annotations

import contextlib
import errno
import os
import resource
import signal
from collections.abc import Mapping
from typing import NoReturn

from controller.execution import linux

TEXT = 100
"""The descriptor under which the command's interpreter finds its text."""
UNTOUCHED = 126


def become_command(
    plan: Mapping[str, object], *, stdin: int, output: int, text: int, barrier: int, report: int
) -> NoReturn:
    """Turn this process into the command; never returns.

    Args:
        plan: `argv env home workdir umask login limits` as `launch` wrote them.
        stdin: what it reads.
        output: takes what it says.
        text: its script, or -1.
        barrier: gives one byte when it may start, nothing when it may not.
        report: takes the reason when it cannot start; closed by the kernel when it does.
    """
    try:
        _prepare(plan, stdin=stdin, output=output, text=text)
        if os.read(barrier, 1) == b"":
            os._exit(UNTOUCHED)
        _execute(plan["argv"], plan["env"])
    except BaseException as error:  # noqa: BLE001 — a forked child: no exception may ever return into the parent's code
        with contextlib.suppress(OSError):
            why = (isinstance(error, OSError) and error.strerror) or str(error)
            os.write(report, why.encode("utf-8", "backslashreplace")[:4000])
    os._exit(UNTOUCHED)


def _prepare(plan: Mapping[str, object], *, stdin: int, output: int, text: int) -> None:
    os.setsid()
    os.dup2(stdin, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    if text >= 0:
        os.dup2(text, TEXT)
    for number in (
        signal.SIGPIPE,
        signal.SIGXFSZ,
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGUSR1,
        signal.SIGCHLD,
    ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    linux.reset_oom_score()
    limits = plan["limits"]
    if isinstance(limits, dict):
        for name, value in limits.items():
            resource.setrlimit(getattr(resource, name), (value, value))
    umask = plan["umask"]
    if isinstance(umask, int):
        os.umask(umask)
    login = plan["login"]
    if isinstance(login, dict):
        become_user(login["uid"], login["gid"], login["groups"])
    enter(str(plan["home"]), plan["workdir"])


def become_user(uid: int, gid: int, groups: list[int]) -> None:
    """Become a user for good, and prove it.

    Raises:
        PermissionError: this process may not, or it could still go back.
    """
    os.setgroups(groups)  # first: afterwards there is no right to it
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if (
        os.getresuid() != (uid,) * 3
        or os.getresgid() != (gid,) * 3
        or set(os.getgroups()) != set(groups)
    ):
        raise PermissionError(f"cannot become user {uid}: the kernel did not follow")
    if uid != 0:
        with contextlib.suppress(PermissionError):
            os.setuid(0)
            raise RuntimeError(f"cannot become user {uid} for good: it could become root again")


def _execute(argv: object, env: object) -> None:
    """Find the program on the command's own path and become it; only its failure returns."""
    if not isinstance(argv, list) or not isinstance(env, dict):
        raise TypeError("cannot read the command of an attempt")
    name = argv[0]
    why: OSError = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    for program in places(name, env["PATH"]):
        try:
            os.execve(program, argv, env)  # noqa: S606 — no shell is meant
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            why = error
    raise OSError(why.errno, f"cannot execute {name}: {why.strerror}")


def places(name: str, path: str) -> list[str]:
    """Say where a program is looked for."""
    return [name] if "/" in name else [f"{place}/{name}" for place in path.split(":")]


def enter(home: str, workdir: object) -> None:
    """Go to the folder in which a command begins.

    Raises:
        OSError: it cannot be entered; the text says why.
    """
    wished = os.path.join(home, str(workdir)) if workdir is not None else home
    try:
        os.chdir(wished)
    except OSError as error:
        raise OSError(error.errno, f"cannot enter {wished}: {error.strerror}") from error
