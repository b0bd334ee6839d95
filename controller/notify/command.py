"""A message on the standard input of a program of the controller's machine.

Called by the outbox; starts a process. The program gets the document as JSON on its standard input and nothing of our environment;
what it prints goes nowhere. It is ended, with everything it started, when its time is over; what it leaves behind
when it ends by itself is its own.
"""

import asyncio
import contextlib
import json
import os
import signal
from dataclasses import dataclass
from typing import Final

from controller.notify.message import Message
from controller.notify.trouble import NotifyError

SECONDS: Final = 30.0
"""How long a program may take."""
ENVIRONMENT: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
}
"""All that the program finds in its environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program with its arguments."""

    argv: tuple[str, ...]


async def send(message: Message, endpoint: Command) -> None:
    """Run the program with a message.

    Raises:
        NotifyError: it could not be started, took too long, or did not end with 0.
    """
    data = json.dumps(message.document, ensure_ascii=True).encode()
    process = await _start(endpoint)
    try:
        async with asyncio.timeout(SECONDS):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                await process.communicate(data)
            code = await process.wait()
    except TimeoutError:
        raise NotifyError(f"the program was ended after {SECONDS:.0f} s") from None
    finally:
        if process.returncode is None:
            await _end(process)
    if code:
        said = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
        raise NotifyError(f"the program {said}")


async def _start(endpoint: Command) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *endpoint.argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or "its words cannot be given to a program"
        raise NotifyError(f"the program cannot be started: {said.lower()}") from None


async def _end(process: asyncio.subprocess.Process) -> None:
    """End what is left of the program's session, and take its end."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
