"""Secrets that a program prints: started without a shell, without input and with few variables; bounded in time and size.

Called by `sources`. The program's words are in everybody's sight while it runs, as those of every program; the value only
ever goes through a pipe.
"""

import os
import selectors
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from typing import IO, Final

from controller.secrets.disk import LARGEST, one_line
from controller.secrets.trouble import ReadingError
from controller.settings import DEFAULT_PATH

SECONDS: Final = 30
"""How long a program may take."""
PASSED: Final = (
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "TZ",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "GNUPGHOME",
    "PASSWORD_STORE_DIR",
)
"""Variables a program gets, besides PATH; it has to find its own settings, and never our secrets."""
_PIECE: Final = 64 << 10


def printed(
    argv: Sequence[str], variables: Mapping[str, str], *, seconds: float = SECONDS
) -> bytes:
    """Run a program and give what it prints; a newline that ends one line is dropped.

    Raises:
        ReadingError: it is not here, fails, takes too long, or prints nothing or too much.
    """
    shown = f"exec {ascii(argv[0])[1:-1]}"
    environment = {name: variables[name] for name in PASSED if name in variables}
    environment["PATH"] = variables.get("PATH") or DEFAULT_PATH
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # it may hold what must not be shown
            env=environment,
            cwd="/",
            umask=0o077,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = error.strerror.lower() if isinstance(error, OSError) and error.strerror else "refused"
        raise ReadingError(f"{shown}: {why}", hint="name a program of this machine") from None
    value = _ended(process, shown, seconds)
    if process.returncode:
        how = (
            f"exit code {process.returncode}"
            if process.returncode > 0
            else f"ended by signal {-process.returncode}"
        )
        raise ReadingError(f"{shown}: {how}", hint="run it by hand to see what it says")
    if not value.strip():
        raise ReadingError(f"{shown} printed nothing")
    return one_line(value)


def _ended(process: subprocess.Popen[bytes], shown: str, seconds: float) -> bytes:
    """Read everything and wait for the end; what takes or prints too much is killed with all it started."""
    assert process.stdout is not None  # noqa: S101  # for the types
    with closing(process.stdout):
        try:
            value = _read(process.stdout, seconds)
            if len(value) <= LARGEST:
                process.wait(timeout=seconds)
        except (TimeoutError, subprocess.TimeoutExpired):
            raise ReadingError(f"{shown} took over {seconds:g} seconds") from None
        finally:
            if (
                process.returncode is None
            ):  # nobody has waited for it, so the number is still its own
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if len(value) > LARGEST:
        raise ReadingError(f"{shown} printed over {LARGEST >> 10} KiB")
    return value


def _read(output: IO[bytes], seconds: float) -> bytes:
    """Read until nobody can write any more, at most one byte over the bound.

    Raises:
        TimeoutError: it took too long; also where a process that got away holds the pipe open.
    """
    value = bytearray()
    with ExitStack() as stack:
        woken, wake = os.pipe()
        stack.callback(os.close, woken)
        stack.callback(os.close, wake)
        alarm = threading.Timer(seconds, os.write, (wake, b"!"))
        alarm.start()
        stack.callback(alarm.join)
        stack.callback(alarm.cancel)
        watched = stack.enter_context(selectors.DefaultSelector())
        watched.register(output, selectors.EVENT_READ)
        watched.register(woken, selectors.EVENT_READ)
        while len(value) <= LARGEST:
            ready = {key.fd for key, _ in watched.select()}
            if woken in ready:
                raise TimeoutError
            piece = os.read(output.fileno(), _PIECE)
            if not piece:
                break
            value += piece
    return bytes(value)
