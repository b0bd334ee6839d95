"""Errands on a server that may have no agent yet, by the Python it has: `agent.errands` over any carrier.

`installing` calls it. The packed agent and the order go in on stdin, inside the session; each errand is an attempt of its own, whose
spool is deleted at once. What a server answers is bounded, and shown only as text.
"""

import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from controller.agent.errands import RUN_PACKED
from controller.errors import ControllerError, SessionLostError, TransportError
from controller.model.ids import AttemptId, JobId, attempt_id
from controller.model.inventory import Server
from controller.model.safe_text import safe_text
from controller.reconcile.exchange.installs import InstallError, NeedsRootError, Tell
from controller.reconcile.rooms import Rooms
from controller.transport.port import AttemptSpec, ProbeSpec, Session

SECONDS: Final = 300.0
LONGEST: Final = 1 << 20
"""Bytes that an errand may say."""
TRIES: Final = 30
"""Times that a session which breaks under an errand is opened again: it may be the agent's own, which was started again."""
PAUSE: Final = 1.0
OLDEST: Final = "3.9"
FIND_PYTHON: Final = b"""\
for one in /usr/bin/python3 python3 /usr/local/bin/python3 /usr/libexec/platform-python; do
  "$one" -I -S -c 'import sys
if sys.version_info >= (3, 9): print(sys.executable)
else: print("old %d.%d" % sys.version_info[:2])' 2>/dev/null
done
exit 0
"""


@dataclass(slots=True, kw_only=True)
class Errands:
    """The errands on one server, one after the other; made by `errands_on`."""

    rooms: Rooms
    server: Server
    open: Callable[[], Awaitable[Session]]
    session: Session
    python: str
    packed: bytes
    job: JobId
    tell: Tell
    count: int = field(default=0)

    async def run(self, errand: str, **order: object) -> Mapping[str, object]:
        """Do one errand, and give its answer.

        Raises:
            InstallError: it cannot be done there; the words are the server's.
            TransportError: the server is lost.
        """
        self.count += 1
        told = json.dumps({"errand": errand, "python": self.python, **order}).encode()
        spec = AttemptSpec(  # noqa: S604  # no shell: Python reads it
            id=attempt_id(self.job, f"agent-{errand}", self.count),
            job=self.job,
            text=RUN_PACKED,
            shell=(self.python, "-I", "-S"),
            stdin=len(self.packed).to_bytes(8, "big") + self.packed + told,
            workdir="/",
            timeout=SECONDS,
        )
        begun = await self.session.start(spec)
        if begun.waiting:
            self.tell("waits until one of the agent's workers is free: jobs that run go first")
        lines = _Lines(self.server.name, self.tell)
        try:
            await self._follow(spec.id, lines)
        finally:
            with contextlib.suppress(ControllerError):  # retention deletes it otherwise
                await self.session.discard((spec.id,), job=self.job)
        return lines.answer()

    async def _follow(self, attempt: AttemptId, lines: "_Lines") -> None:
        """Read what an errand says to its end, over as many sessions as it takes."""
        left = TRIES
        while True:
            try:
                async for chunk in self.session.output(attempt, offset=lines.seen, follow=True):
                    lines.take(chunk.data)
                await self.session.wait(attempt)
            except SessionLostError:
                left -= 1
                if left <= 0:
                    raise
                await self._again(left)
            else:
                return

    async def _again(self, left: int) -> None:
        """Open a session anew; it may take some tries."""
        while True:
            await self.rooms.clock.sleep(PAUSE)
            try:
                self.session = await self.open()
            except TransportError:
                left -= 1
                if left <= 0:
                    raise
            else:
                return


class _Lines:
    """What an errand has said so far."""

    def __init__(self, server: str, tell: Tell) -> None:
        self.seen = 0
        self._server = server
        self._tell = tell
        self._rest = b""
        self._last: Mapping[str, object] = {}
        self._other: list[str] = []

    def take(self, data: bytes) -> None:
        """Take more of it."""
        self.seen += len(data)
        if self.seen > LONGEST:
            raise InstallError(
                f"cannot install on {self._server}: it says more than {LONGEST} bytes"
            )
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._hear(line)

    def answer(self) -> Mapping[str, object]:
        """Give the answer.

        Raises:
            InstallError: there is none.
        """
        if self._rest:
            self._hear(self._rest)
        answer = self._last.get("answer")
        if isinstance(answer, dict):
            return cast("Mapping[str, object]", answer)
        if "failed" in self._last:
            message, hint = str(self._last.get("message")), str(self._last.get("hint") or "")
            raise InstallError(
                f"{self._server}: {safe_text(message)}", hint=safe_text(hint) or None
            )
        said = " / ".join(self._other[-3:]) or "nothing"
        raise InstallError(f"cannot install on {self._server}: its Python said {said}")

    def _hear(self, line: bytes) -> None:
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            self._other.append(safe_text(line.decode("utf-8", "replace"))[:200])
        elif "say" in found:
            self._tell(safe_text(str(found["say"])))
        else:
            self._last = found


async def errands_on(
    rooms: Rooms,
    server: Server,
    open_session: Callable[[], Awaitable[Session]],
    packed: bytes,
    tell: Tell,
) -> Errands:
    """See that errands can be run on a server, and by which Python.

    Raises:
        InstallError: it has none that is new enough.
        NeedsRootError: the login is not root there.
    """
    session = await open_session()
    if not session.facts.root:
        raise NeedsRootError(
            f"cannot install on {server.name}: the login {session.facts.login} is not root there",
            hint="set sudo: true under the server's ssh, or log in as root",
        )
    probed = await session.probe(ProbeSpec(text=FIND_PYTHON))
    found = [
        safe_text(line) for line in probed.output.decode("utf-8", "replace").split("\n") if line
    ]
    python = next((one for one in found if one.startswith("/")), None)
    if python is None:
        old = next((one[4:] for one in found if one.startswith("old ")), None)
        there = f"has Python {old}" if old else "has no Python"
        raise InstallError(
            f"cannot install on {server.name}: it {there}, and the agent needs {OLDEST} or newer",
            hint="install a newer python3 there by its package manager; without an agent, ssh goes on as it is",
        )
    tell(f"{server.name}: {python}")
    return Errands(
        rooms=rooms,
        server=server,
        open=open_session,
        session=session,
        python=python,
        packed=packed,
        job=JobId(rooms.ids()),
        tell=tell,
    )
