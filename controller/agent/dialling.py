"""Dialling a controller, again and again: directly or through a proxy, and with patience where nobody answers.

`daemon` runs it for `--connect`; it calls `proxy`, `line`, `peer`, and hands each good connection to `pump`. On these
connections, too, the controller speaks first.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable
from typing import TypeVar

from controller.agent.errors import AgentError
from controller.agent.line import Line, tune, words_of
from controller.agent.log import Log
from controller.agent.meeting import meet
from controller.agent.peer import FOLLOWED, PeerError
from controller.agent.proxy import ask_through
from controller.agent.pump import Pump
from controller.agent.tls import Credentials
from controller.agent.values import Address
from controller.agent.within import within
from controller.wire.link import Link

PATIENCE = 10.0
"""Seconds for each step: to connect, to hear of a proxy, to shake hands."""
AT_ONCE = 0.05
"""Seconds before a dial that was asked for: whoever asks all the time gets no more than that."""
FIRST, LONGEST = 1.0, 60.0
"""Seconds that a wait may have at first, and at most."""
_Done = TypeVar("_Done")


class Wait:
    """How long to wait before dialling again: at random up to a bound that doubles, so that a fleet does not come as one."""

    def __init__(self) -> None:
        self._failed = 0

    def next(self) -> float:
        """Give the seconds to wait now, after a failure."""
        bound = min(LONGEST, FIRST * (1 << min(self._failed, 10)))
        self._failed += 1
        return bound * int.from_bytes(os.urandom(4), "big") / (1 << 32)

    def begin_anew(self) -> None:
        """Note that it worked."""
        self._failed = 0


class Dialler:
    """Keeps one connection to a controller.

    Args:
        target: the controller; its certificate must carry this name.
        proxy: leads there, where there is one.
        credentials: what is shown, and who is trusted.
        pump: takes the connections.
        log: is told what fails.
    """

    def __init__(
        self,
        target: Address,
        proxy: Address | None,
        credentials: Credentials,
        pump: Pump,
        log: Log,
    ) -> None:
        self._target = target
        self._proxy = proxy
        self._credentials = credentials
        self._pump = pump
        self._log = log

    async def run(self) -> None:
        """Dial until cancelled."""
        wait = Wait()
        while True:
            try:
                link = await self._once()
            except (AgentError, OSError) as error:
                self._credentials.failures += 1
                by = f" through {self._proxy}" if self._proxy else ""
                said = error.message if isinstance(error, AgentError) else words_of(error)
                what = f"cannot reach {self._target}{by}: {said}"
            else:
                if link.epoch and link.closed and link.closed.reason == "reconnect":
                    wait.begin_anew()
                    await asyncio.sleep(AT_ONCE)
                    continue
                what = self._ended(link, wait)
            seconds = wait.next()
            if what:
                self._log.often("dialling", f"{what}; dials again in {seconds:.1f} s")
            await asyncio.sleep(seconds)

    def _ended(self, link: Link, wait: Wait) -> str:
        """Note how a connection went; give what is to be said of its end.

        Of those that were greeted, only one that we could not keep to makes the next waits longer: a line that is cut, however
        often, is dialled as soon as before.
        """
        if not link.epoch:
            self._credentials.failures += 1
            return f"{self._target} hung up before it greeted; its log may say why"
        if self._pump.unkept:
            return ""  # the log has it already, and every dial would say it again
        wait.begin_anew()
        return f"the connection to {self._target} is over"

    async def _once(self) -> Link:
        """Be connected once, to the end.

        Raises:
            AgentError: the controller or the proxy is not what it should be.
            OSError: nobody answers.
        """
        call = _Call(self._credentials, self._pump, self._target)
        try:
            await _in_time(self._connect(call), "no answer", steps=3)
            return await call.over
        finally:
            if not call.taken:
                call.line.abort()

    async def _connect(self, call: _Call) -> None:
        plain = await _open(self._proxy or self._target)
        try:
            tune(plain)
            if self._proxy is not None:
                await _in_time(ask_through(plain, self._target), "the proxy does not answer")
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: call.line, sock=plain)
        except BaseException:
            plain.close()
            raise
        await _in_time(asyncio.shield(call.greeted), "no handshake")


class _Call:
    """One connection that was dialled: who is there, and when it is over."""

    def __init__(self, credentials: Credentials, pump: Pump, target: Address) -> None:
        loop = asyncio.get_running_loop()
        self.greeted: asyncio.Future[None] = loop.create_future()
        self.over: asyncio.Future[Link] = loop.create_future()
        self.line = Line(credentials.context, str(target), self, dials=target.host)
        self._credentials = credentials
        self._pump = pump
        self._link: Link | None = None

    @property
    def taken(self) -> bool:
        """Say whether the pump has it, and ends it."""
        return self._link is not None

    def met(self, line: Line) -> None:
        """See who it is; the pump keeps the line, and its end is heard of here, too."""
        try:
            peer = meet(line, FOLLOWED, self._credentials)
        except PeerError as error:
            self._fail(error)
            line.close()
            return
        self._link = self._pump.take(line, peer)
        line.keeper = self
        if not self.greeted.done():
            self.greeted.set_result(None)

    def came(self, line: Line, data: bytes) -> None:
        """Hand on."""
        self._pump.came(line, data)

    def eased(self, line: Line) -> None:
        """Hand on."""
        self._pump.eased(line)

    def gone(self, line: Line, why: str) -> None:
        """Note the end."""
        self._pump.gone(line, why)
        self._fail(ConnectionError(why or "it hung up"))
        if self._link is not None and not self.over.done():
            self.over.set_result(self._link)

    def _fail(self, error: Exception) -> None:
        if not self.greeted.done():
            self.greeted.set_exception(error)
            self.greeted.exception()  # nobody may be there to ask


async def _open(address: Address) -> socket.socket:
    """Connect to the first address of a name that answers.

    Raises:
        OSError: none does.
    """
    loop = asyncio.get_running_loop()
    found = await _in_time(
        loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM),
        f"cannot resolve {address.host}",
    )
    wrong: OSError = OSError(f"{address.host} has no address")
    for family, kind, protocol, _, place in found:
        plain = socket.socket(family, kind, protocol)
        plain.setblocking(False)
        try:
            await _in_time(loop.sock_connect(plain, place), "no answer")
        except OSError as error:
            plain.close()
            wrong = error
        except BaseException:
            plain.close()
            raise
        else:
            return plain
    raise wrong


async def _in_time(doing: Awaitable[_Done], what: str, *, steps: int = 1) -> _Done:
    try:
        return await within(PATIENCE * steps, doing)
    except asyncio.TimeoutError:
        raise ConnectionError(f"{what} in {PATIENCE * steps:.0f} s") from None
