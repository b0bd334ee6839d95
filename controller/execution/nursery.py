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
import resource
import signal
import socket
import sys
from typing import NoReturn

from controller.execution import linux
from controller.execution.lines import encode
from controller.execution.supervisor import serve


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
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core of ours or of a command holds secrets
    if group:
        with contextlib.suppress(OSError):  # then it stays in the daemon's group
            linux.put(f"{group}/cgroup.procs", str(os.getpid()))
    gc.collect()
    gc.freeze()  # children would copy every page that a collection touches
    gc.disable()
    tend(door, trouble)


def tend(door: socket.socket, trouble: str) -> None:
    """Fork a supervisor for each message of the daemon, which carries the socket for it."""
    while True:
        said, descriptors, _, _ = socket.recv_fds(door, 1, 1)
        if not said:
            return
        with socket.socket(fileno=descriptors[0]) as control:
            # `recv_fds` passes no flags on, whatever it is given.
            control.set_inheritable(False)
            try:
                child = os.fork()
            except OSError as error:
                with contextlib.suppress(OSError):
                    control.sendall(encode({"event": "refused", "why": error.strerror}))
                continue
            if child == 0:
                door.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                run_forked(control, trouble=trouble)


def run_forked(control: socket.socket, *, trouble: str) -> NoReturn:
    """Be a supervisor in a process forked for it, and nothing else ever after.

    Args:
        control: the socket to the daemon.
        trouble: the file that takes the reason if it fails; its attempt is then interrupted.
    """
    code = 70
    try:
        os.setsid()
        serve(control)
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
