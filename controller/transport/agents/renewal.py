"""Renewal: a controller that has the authority signs the next certificate of an agent that is connected and asks.

Made by `service`, a `renewer`; `requests` calls it with what came over a connection, this calls `pki.renewing`. An agent may have been taken
over, so each name is answered by the authority at most once a minute, and the authority's files are worked on in a thread, one at a time.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from controller.clock import Clock
from controller.errors import ControllerError, LockedError, NotFoundError, RefusedError
from controller.pki import renewing
from controller.pki.renewing import RenewalError, Shown
from controller.wire.messages.renewal import Renew, Renewed
from controller.wire.messages.server import Failed

RENEWED: Final = "renewed"
SPACE: Final = timedelta(minutes=1)
"""Between two requests of one agent that the authority looks at."""
NAMES: Final = 20_000
"""Agents whose last request is remembered; the oldest is forgotten."""
WAITING: Final = 64
"""Requests that wait for the authority at once."""
REMEDY: Final = "ctl agent install --on SERVER, or ctl pki invite NAME --renew"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of one request, for a log; `ends` and `serial` are of the certificate that was signed.

    `beside` counts newer ones that were made from the same one before: the agent has lost them, or somebody else has its key. `why`
    says of a refusal what the agent may not be told, such as that our own disk is full.
    """

    name: str
    outcome: str
    why: str = ""
    serial: str = ""
    ends: datetime | None = None
    beside: int = 0


def unheard(_: Told) -> None:
    """Tell nobody."""


class Renewal:
    """Answers agents that ask for their next certificate.

    Args:
        folder: the authority's, where it is here.
        clock: tells what is near its end.
        declared: whether there is a server of a name; None while nobody knows.
        tell: is told what came of each request that was looked at.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock,
        declared: Callable[[str], bool | None],
        tell: Callable[[Told], None] = unheard,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._declared = declared
        self._tell = tell
        self._signing = asyncio.Lock()
        self._waiting = 0
        self._last: OrderedDict[str, datetime] = OrderedDict()

    async def __call__(self, name: str, certificate: bytes, asked: Renew) -> Renewed | Failed:
        """Answer one request.

        Args:
            name: of the agent, as its certificate has it.
            certificate: of the connection by which it asks, in DER.
            asked: its request.
        """
        declared = self._declared(name)
        if declared is None:
            return Failed(code="later", message="cannot renew yet: no declarations are in force")
        if self._waiting >= WAITING or not self._is_due(name, self._clock.now()):
            return Failed(code="later", message="cannot renew now: wait a minute")
        if not declared:
            message = f"cannot renew {name}: no such server is declared"
            self._tell(Told(name=name, outcome="undeclared", why=message))
            return Failed(code="undeclared", message=message)
        return await self._sign(name, Shown(certificate=certificate, request=asked.request))

    async def _sign(self, name: str, shown: Shown) -> Renewed | Failed:
        self._waiting += 1
        try:
            async with self._signing:
                made = await asyncio.to_thread(
                    renewing.renew_shown, self._folder, shown, now=self._clock.now()
                )
        except ControllerError as error:
            failed = refusal(error)
            self._tell(Told(name=name, outcome=failed.code, why=error.message))
            return failed
        finally:
            self._waiting -= 1
        one = made.issued
        told = Told(
            name=name, outcome=RENEWED, serial=one.serial, ends=one.not_after, beside=made.beside
        )
        self._tell(told)
        return Renewed(certificate=one.certificate.encode(), authority=made.authority)

    def _is_due(self, name: str, now: datetime) -> bool:
        """Say whether a name may ask the authority again, and note that it does."""
        last = self._last.get(name)
        if last is not None and timedelta(0) <= now - last < SPACE:
            return False
        self._last[name] = now
        self._last.move_to_end(name)
        while len(self._last) > NAMES:
            self._last.popitem(last=False)
        return True


def refusal(error: ControllerError) -> Failed:
    """Say no; what is wrong with our own files is nobody's business."""
    if isinstance(error, RenewalError):
        return Failed(code=error.code, message=error.message, hint=error.hint or "")
    if isinstance(error, NotFoundError):
        return Failed(
            code="no-authority",
            message="cannot renew: the authority does not lie in this controller's folder",
            hint=REMEDY,
        )
    if isinstance(error, RefusedError) and not isinstance(error, LockedError):
        return Failed(code="refused", message=error.message, hint=error.hint or "")
    return Failed(code="unavailable", message="cannot renew now: the authority does not answer")
