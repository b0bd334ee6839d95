"""The daemon: what `ctl-agent.pyz run` does from its first line in the log to its last.

`main` calls it; it brings together who answers, certificates, connections and signals.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Callable

from controller.agent.asker import Answerer
from controller.agent.crew import Crew
from controller.agent.dialling import Dialler
from controller.agent.doors import Doors
from controller.agent.draining import Draining
from controller.agent.errors import AgentError
from controller.agent.keyfolder import settle_keys
from controller.agent.leases import Leases
from controller.agent.log import Log
from controller.agent.peer import Peer
from controller.agent.pump import Pump
from controller.agent.renewing import Renewal
from controller.agent.settings import Settings, check_run
from controller.agent.tls import Credentials, only_name
from controller.agent.within import within
from controller.execution.errors import BrokenError, FullError
from controller.execution.threads import Threads
from controller.wire.handshake import Identity
from controller.wire.limits import Limits
from controller.wire.messages.greetings import Goodbye
from controller.wire.messages.renewal import FEATURE
from controller.wire.messages.table import To

LOOK = 5.0
"""Seconds between looks at the certificates."""
LEAVE = 2.0
"""Seconds for goodbyes to leave."""
THREADS = 16
"""For work that blocks: looking at files and names; the rest waits its turn."""
ALARM = 30
"""Seconds from the end of the loop to the end of the process, whatever hangs."""
BOUNDS = Limits(credit=512 << 10)
"""Of the protocol; half the usual credit, for everything that is under way lies in the memory of a server."""
STOPS = (signal.SIGTERM, signal.SIGINT)


class Daemon:
    """One run of the agent.

    Args:
        settings: obeyed as they are.
        answers: answers what is asked.
        log: where lines go.
        limits: of the protocol.
    """

    def __init__(
        self,
        settings: Settings,
        answers: Answerer,
        log: Log | None = None,
        *,
        limits: Limits = BOUNDS,
    ) -> None:
        check_run(settings)
        self._settings = settings
        self._answers = Draining(answers)
        self._log = log or Log()
        name = settings.name or only_name(settings.pki)
        settle_keys(settings.pki, name)
        self._credentials = Credentials(settings.pki, name, dials=settings.connect is not None)
        self._limits = limits
        self._signals = 0
        self._wrong = ""

    async def run(self) -> int:
        """Serve until told to stop; give the exit code.

        Raises:
            AgentError: it cannot begin.
        """
        loop = asyncio.get_running_loop()
        self._stop: asyncio.Future[None] = loop.create_future()
        self._now: asyncio.Future[None] = loop.create_future()
        self._swapping = asyncio.Lock()
        threads = Threads(THREADS, "agent")
        loop.set_default_executor(threads)
        loop.set_exception_handler(lambda _, context: self._fault(context))
        for one in STOPS:
            loop.add_signal_handler(one, self._signalled)
        crew = Crew(self._log, self._broken)
        leases = Leases(self._settings.state)
        try:
            threads.begin()
            await self._answers.open()
        except (BrokenError, FullError) as error:
            raise AgentError(error.message, hint=error.hint) from error
        pump = Pump(self._identity(), leases, self._answers, crew, self._log)
        try:
            await self._serve(pump)
        finally:
            pump.close()
            await crew.close()
            await self._answers.close()
        return 1 if self._wrong else 0

    async def _serve(self, pump: Pump) -> None:
        begun = await self._begin(pump)
        watch = asyncio.ensure_future(self._watch(pump))
        renewal = Renewal(self._settings.pki, self._credentials, pump, self._swapping, self._log)
        renewing = asyncio.ensure_future(renewal.run())
        try:
            await self._stop
            if self._settings.drain and not self._now.done() and not self._wrong:
                await self._drain()
        finally:
            watch.cancel()
            renewing.cancel()
            begun()
        if self._wrong:
            self._log.say(f"cannot go on: {self._wrong}")
        self._log.say("stops; attempts go on")
        pump.part(lambda _: Goodbye(reason="restarting"))
        try:
            await within(LEAVE, pump.emptied())
        except asyncio.TimeoutError:
            self._log.say(f"leaves {pump.connections} connections without a goodbye")

    async def _begin(self, pump: Pump) -> Callable[[], object]:
        """Listen or dial; give what ends that."""
        settings, name = self._settings, self._credentials.name
        if settings.listen is not None:
            doors = Doors(self._credentials, pump, self._log)
            for place in await doors.open(settings.listen):
                self._log.say(f"{name} listens on {place}")
            return doors.close
        if settings.connect is None:
            raise AgentError("cannot run: there is nobody to listen for or to dial")
        self._log.say(f"{name} dials {settings.connect}")
        dialler = Dialler(settings.connect, settings.proxy, self._credentials, pump, self._log)
        return asyncio.ensure_future(dialler.run()).cancel

    def _identity(self) -> Identity:
        return Identity(
            side=To.AGENT,
            name=self._credentials.name,
            instance=os.urandom(8).hex(),
            facts=self._answers.facts(),
            features=(FEATURE,),
            limits=self._limits,
        )

    # certificates

    async def _watch(self, pump: Pump) -> None:
        """Read certificates again when they change, and say goodbye to whoever is accepted no more."""
        while True:
            await asyncio.sleep(LOOK)
            others = False
            try:
                async with self._swapping:
                    others = self._credentials.refresh()
            except AgentError as error:
                self._log.say(f"{error.message}; what was read before stays in force")
            except OSError as error:
                self._log.say(f"cannot read certificates: {error.strerror}")
            pump.part(lambda peer, others=others: self._reason(peer, others=others))  # type: ignore[misc]

    def _reason(self, peer: Peer, *, others: bool) -> Goodbye | None:
        objection = self._credentials.objection(peer)
        if objection:
            return Goodbye(reason="revoked", message=objection)
        if others:
            return Goodbye(reason="reconnect", message="the authorities are others now")
        return None

    # the end

    def _signalled(self) -> None:
        self._signals += 1
        if self._signals > 1 and not self._now.done():
            self._now.set_result(None)
        self._stop_soon()

    def _broken(self, why: str) -> None:
        self._wrong = self._wrong or why
        if not self._now.done():
            self._now.set_result(None)
        self._stop_soon()

    def _stop_soon(self) -> None:
        if not self._stop.done():
            self._stop.set_result(None)

    async def _drain(self) -> None:
        """Wait for what runs and waits, serving it as before; a second signal ends that."""
        self._log.say(
            "takes no more work, and stops when all is done; a second signal stops it now"
        )
        self._answers.refuse()
        drained = asyncio.ensure_future(self._answers.drain())
        await asyncio.wait({drained, self._now}, return_when=asyncio.FIRST_COMPLETED)
        drained.cancel()

    def _fault(self, context: dict[str, object]) -> None:
        error = context.get("exception")
        what = f"{type(error).__name__}: {error}" if error else ""
        self._log.often("faults", f"{context.get('message')}: {what}")


def run(settings: Settings, answers: Answerer) -> int:
    """Run the daemon in this process; give its exit code.

    Raises:
        AgentError: it cannot begin.
    """
    daemon = Daemon(settings, answers)
    try:
        return asyncio.run(_then_alarm(daemon))
    finally:
        signal.alarm(0)


async def _then_alarm(daemon: Daemon) -> int:
    try:
        return await daemon.run()
    finally:
        signal.alarm(ALARM)  # a thread that hangs on a dead disk must not keep the process
