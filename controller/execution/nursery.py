"""The nursery: a small process that forks a supervisor on request, so that one starts in a millisecond.

The daemon is large and has threads; forking it is slow and unsafe, and a fresh Python costs 20 ms and 9 MB each time. The
nursery has one thread, has imported everything once, and its children share that memory. It ends when the daemon's end
of its socket closes; supervisors do not mind.

`spawner` starts it (`main`); it calls `supervisor`.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
from typing import NoReturn

from controller.execution import linux
from controller.execution.supervisor import supervise

MAX_DESCRIPTORS = 3


def main() -> None:
    """Serve requests from the socket on descriptor 0 until it closes. Arguments: trouble file, group or nothing."""
    trouble, group = sys.argv[1], sys.argv[2]
    door = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    # A wish may be told before the supervisor listens; it looks once when it begins.
    signal.signal(signal.SIGUSR1, lambda *_: None)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel forgets ended supervisors for us
    if group:
        with contextlib.suppress(OSError):  # then it stays in the daemon's group
            linux.put(f"{group}/cgroup.procs", str(os.getpid()))
    gc.collect()
    gc.freeze()  # children would copy every page that a collection touches
    gc.disable()
    serve(door, trouble)


def serve(door: socket.socket, trouble: str) -> None:
    """Fork a supervisor for each message of the daemon."""
    while True:
        said, descriptors, _, _ = socket.recv_fds(door, 1, MAX_DESCRIPTORS)
        if not said:
            return
        for descriptor in descriptors:
            os.set_inheritable(
                descriptor, False
            )  # `recv_fds` passes no flags on, whatever it is given
        try:
            child = os.fork()
        except OSError:  # no room for another process: the closed socket tells
            child = -1
        if child == 0:
            door.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            run_forked(list(descriptors), trouble=trouble)
        for descriptor in descriptors:
            os.close(descriptor)


def run_forked(descriptors: list[int], *, trouble: str) -> NoReturn:
    """Be a supervisor in a process forked for it, and nothing else ever after.

    Args:
        descriptors: as `supervise` takes them.
        trouble: the file that takes the reason if it fails; its attempt is then interrupted.
    """
    code = 70
    try:
        os.setsid()
        supervise(descriptors)
        code = 0
    except BaseException as error:  # noqa: BLE001 — a forked process: no exception may return into the nursery's loop
        with contextlib.suppress(OSError):
            made = os.open(trouble, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            at = error.__traceback__
            while at is not None and at.tb_next is not None:
                at = at.tb_next
            line = at.tb_lineno if at is not None else 0
            file = at.tb_frame.f_code.co_filename if at is not None else "?"
            if os.fstat(made).st_size < 1 << 16:
                os.write(made, f"{type(error).__name__}: {error} ({file}:{line})\n".encode())
    finally:
        os._exit(code)
