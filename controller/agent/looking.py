"""Probes: short read-only commands, not claimed, not kept, of which nothing is left when they are answered.

Each runs in a session of its own as its user; the folder is entered as that user, for being root inside would open what is
closed to them. When the command has ended, or its time is over, every process that bears its mark or belongs to its
session is ended. `answering` calls it; it calls `execution` to find users and processes. Each has a thread while it runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import time
from pathlib import Path

from controller.execution import clock, linux
from controller.execution.errors import RefusedError
from controller.execution.login import Login, find_login
from controller.execution.processes import MARK, Processes
from controller.execution.spec import Spec, check
from controller.execution.threads import Threads
from controller.wire.messages.files import Probe, Probed

AT_ONCE = 32
MOST_OUTPUT = 1 << 20
MOST_SECONDS = 3_600.0
GRACE = 2.0
HELD = 0.5
"""Seconds that descendants may hold the output open after the command has ended."""
PAUSE = 0.02
TRIES = 500
"""Times that what is left is killed before it is left to the kernel, which alone knows why it does not go."""
PIECE = 64 << 10
TIMED_OUT, UNTOUCHED = 124, 126
ENTER = 'cd -- "$1" 2>/dev/null || { echo "cannot enter $1"; exit 126; }; shift; exec "$@"'


class Looking:
    """Runs probes, so many at once; more wait."""

    def __init__(self) -> None:
        self._threads = Threads(AT_ONCE, "probe")

    async def probe(self, asked: Probe) -> Probed:
        """Run a probe; what cannot be started has exit code 126 and says why.

        Raises:
            RefusedError: it could never be run as asked.
        """
        name = f"probe.{os.urandom(8).hex()}"
        check(Spec(id=name, job=name, text=asked.text, argv=asked.shell or (), env=asked.env))
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _run, name, asked)

    def close(self) -> None:
        """Begin no more; those that run end at their time."""
        self._threads.shutdown(wait=False)


def _run(name: str, asked: Probe) -> Probed:
    try:
        running = _Running(name, asked, find_login(asked.user))
    except RefusedError as error:
        return Probed(exit_code=UNTOUCHED, output=error.message.encode())
    except (OSError, subprocess.SubprocessError) as error:
        return Probed(exit_code=UNTOUCHED, output=f"cannot start: {error}".encode())
    try:
        return running.finish(min(asked.timeout, MOST_SECONDS))
    finally:
        running.close()


class _Running:
    """One probe that runs."""

    def __init__(self, name: str, asked: Probe, login: Login) -> None:
        text = linux.memory_file(name, asked.text)
        try:
            self._process = _spawn(name, asked, login, text)
        finally:
            os.close(text)
        pid = self._process.pid
        self._tree = Processes(name, None, ancestor=0, session=(pid, linux.start_time(pid) or 0))
        self._limit = min(max(asked.limit, 1), MOST_OUTPUT)
        self._taken = bytearray()
        with contextlib.suppress(OSError):  # it has ended, or may not be asked
            linux.put(f"/proc/{pid}/oom_score_adj", "0")

    def finish(self, timeout: float) -> Probed:
        """Wait for its end, or the end of its time; then end whatever is left of it."""
        timed_out = not self._read(clock.monotonic() + timeout)
        if not timed_out:
            self._read(clock.monotonic() + HELD, until_ended=False)
        self._clear(GRACE if timed_out else 0.0)
        code = self._process.wait()
        self._read(clock.monotonic() + HELD, until_ended=False)
        if timed_out:
            return Probed(exit_code=TIMED_OUT, timed_out=True, output=bytes(self._taken))
        return Probed(exit_code=code if code >= 0 else 128 - code, output=bytes(self._taken))

    def close(self) -> None:
        """Let go of its output."""
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read(self, by: float, *, until_ended: bool = True) -> bool:
        """Take output until its end, or that of the command; False when the time comes first.

        The beginning is kept, and the rest goes by.
        """
        out = self._process.stdout
        while out is not None and not out.closed:
            left = by - clock.monotonic()
            ready, _, _ = select.select([out], [], [], max(0.0, min(left, PAUSE)))
            if ready:
                piece = os.read(out.fileno(), PIECE)
                self._taken += piece[: self._limit - len(self._taken)]
                if not piece:
                    out.close()
            elif until_ended and self._process.poll() is not None:
                return True
            if left <= 0:
                return False
        return not until_ended or self._wait(by)

    def _wait(self, by: float) -> bool:
        """Wait for the command, which has closed its output."""
        try:
            self._process.wait(max(0.0, by - clock.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        return True

    def _clear(self, grace: float) -> None:
        """End every process of it: TERM, `grace` seconds, KILL."""
        living = self._tree.living()
        self._tree.send(signal.SIGTERM, living)
        by = clock.monotonic() + grace
        while living and clock.monotonic() < by:
            self._read(clock.monotonic(), until_ended=False)
            time.sleep(PAUSE)
            living = self._tree.living()
        for _ in range(TRIES):
            if not self._tree.living():
                return
            self._tree.kill()
            time.sleep(PAUSE)


def _spawn(name: str, asked: Probe, login: Login, text: int) -> subprocess.Popen[bytes]:
    wished = asked.workdir or ""
    folder = wished if wished.startswith("/") else str(Path(login.home) / wished)
    return subprocess.Popen(
        ["/bin/sh", "-c", ENTER, "sh", folder, *_words(asked, text)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        cwd="/",
        env=login.environment({**asked.env, MARK: f":{name}:"}),
        pass_fds=(text,),
        start_new_session=True,
        umask=0o022,
        user=login.uid if login.switch else None,
        group=login.gid if login.switch else None,
        extra_groups=list(login.groups) if login.switch else None,
    )


def _words(asked: Probe, text: int) -> list[str]:
    place = f"/proc/self/fd/{text}"
    if asked.shell:
        return [*asked.shell, place]
    first = asked.text.partition(b"\n")[0]
    if not first.startswith(b"#!"):
        return ["/bin/sh", place]
    words = first[2:].decode("utf-8", "surrogateescape").split(None, 1)
    return [*(word.strip() for word in words or ["/bin/sh"]), place]
