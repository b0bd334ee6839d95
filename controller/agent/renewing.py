"""Renewing: this agent's next certificate, asked for over a session that it has, in time and without a gap.

`daemon` runs it beside everything else; it calls `pump` for a controller that renews, `keyfolder` for the pair, and `lifetime` for
when it is due. The old pair is kept until a controller was greeted over the new one, and taken again where that does not come
about for an agent that dials: one that listens may be visited seldom, and by strangers often. Whoever is killed on the way finds a
pair that fits.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Callable, TypeVar

from controller.agent.errors import AgentError, EnrolmentError, RenewalError
from controller.agent.keyfolder import KeyFolder, open_keys
from controller.agent.lifetime import Lifetime, check_authorities, lifetime_of, read_lifetime
from controller.agent.log import Log
from controller.agent.peer import Peer
from controller.agent.pump import Pump
from controller.agent.streams import StreamLostError
from controller.agent.talks import Talk
from controller.agent.tls import BUNDLE, Credentials
from controller.agent.trust import read_file
from controller.agent.within import within
from controller.execution.clock import wall
from controller.wire.messages.greetings import Goodbye
from controller.wire.messages.renewal import FEATURE, Renew, Renewed
from controller.wire.messages.server import Failed

LOOK = 5.0
"""Seconds between looks at what is due."""
ANSWER = 60.0
"""Seconds for a controller's answer."""
TRIAL = 600.0
"""Seconds that a new pair may go without a controller over it while connections fail; then the old one is taken again."""
FIRST, LONGEST = 120.0, 21_600.0
"""Seconds between two tries at first, and at most; at random from half of it on, so that a fleet does not come as one."""
REMIND = 86_400.0
"""Seconds between two lines about a certificate that nobody renews."""
LARGEST = 64 << 10
"""Bytes of a certificate or of all authorities in an answer."""
_Done = TypeVar("_Done")


class Renewal:
    """Keeps one agent's certificate good.

    Args:
        folder: with its pair.
        credentials: what is shown now.
        pump: knows who is connected.
        swapping: held while files change, so that nobody reads half a pair.
        log: is told what comes of it.
    """

    def __init__(
        self, folder: str, credentials: Credentials, pump: Pump, swapping: asyncio.Lock, log: Log
    ) -> None:
        self._folder = folder
        self._credentials = credentials
        self._pump = pump
        self._swapping = swapping
        self._log = log
        self._seen: object = None
        self._lifetime: Lifetime | None = None
        self._tries = 0
        self._again = 0.0
        self._reminded = float("-inf")
        self._tried_since: float | None = None

    async def run(self) -> None:
        """Look every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(LOOK)
            if asyncio.get_running_loop().time() < self._again:
                continue
            try:
                if not await self._on_trial():
                    await self._renew_if_due()
            except Exception as error:  # noqa: BLE001 — a fault of ours must not end all renewals
                self._rest(error)

    # in time

    async def _renew_if_due(self) -> None:
        lifetime = self._lives()
        if lifetime is None or wall() < lifetime.due:
            return
        now = asyncio.get_running_loop().time()
        talks = self._pump.able(FEATURE)
        if talks:
            await self._renew(talks[self._tries % len(talks)], lifetime)
        elif now >= self._reminded + REMIND:
            self._reminded = now
            self._log.say(f"no controller that is here renews our certificate; it {lifetime}")

    def _lives(self) -> Lifetime | None:
        """Say how long the certificate in use lives; looked at once for each that is read."""
        if self._seen is not self._credentials.context:
            self._lifetime = None
            self._lifetime = read_lifetime(self._folder, self._credentials.name)
            self._seen = self._credentials.context
        return self._lifetime

    async def _renew(self, talk: Talk, lifetime: Lifetime) -> None:
        request = await asyncio.to_thread(self._with_keys, KeyFolder.request)
        reply = await within(ANSWER, talk.ask(Renew(request=request)))
        if isinstance(reply, Failed) and reply.code == "used-key":
            await asyncio.to_thread(self._with_keys, KeyFolder.drop)
        if not isinstance(reply, Renewed):
            raise _refused(reply)
        if max(len(reply.certificate), len(reply.authority)) > LARGEST:
            raise RenewalError(f"the answer has more than {LARGEST} bytes")
        await self._change(lambda keys: self._adopt(keys, reply, lifetime))
        self._tries = 0
        self._log.say(f"renewed the certificate: it {self._lives()}")

    def _adopt(self, keys: KeyFolder, given: Renewed, before: Lifetime) -> None:
        """Take an answer that gives exactly what was asked for."""

        def accept(found: Mapping[str, object]) -> None:
            before.check_next(lifetime_of(found))

        check_authorities(given.authority, read_file(f"{self._folder}/{BUNDLE}", most=LARGEST))
        keys.adopt(given.certificate, given.authority, accept=accept, keep=True)

    # without a gap

    async def _on_trial(self) -> bool:
        """Say whether a new pair has still to work; end its trial where it has, or does not."""
        if not self._keeps_old():
            self._tried_since = None
            return False
        now = asyncio.get_running_loop().time()
        if self._pump.proven is self._credentials.context:
            await asyncio.to_thread(self._with_keys, KeyFolder.forget_old)
            self._log.say("the new certificate works; the one before is not kept any more")
        elif not await asyncio.to_thread(self._with_keys, KeyFolder.on_trial):
            await asyncio.to_thread(self._with_keys, KeyFolder.forget_old)
        elif self._tried_since is None:
            self._tried_since = now
            return True
        elif now < self._tried_since + TRIAL or not self._credentials.failures:
            return True
        else:
            await self._put_back()
        self._tried_since = None
        return False

    def _keeps_old(self) -> bool:
        return os.path.lexists(f"{self._folder}/.{self._credentials.name}.crt.old")

    async def _put_back(self) -> None:
        """Take the old pair again, where it is still good; else keep the new one for what it is worth."""
        try:
            await self._change(KeyFolder.put_back)
        except EnrolmentError:
            await asyncio.to_thread(self._with_keys, KeyFolder.forget_old)
            return
        raise RenewalError(f"no controller came by the new certificate in {TRIAL:.0f} s")

    async def _change(self, change: Callable[[KeyFolder], None]) -> None:
        """Change the pair, use it for new connections, and have controllers come again."""
        async with self._swapping:
            await asyncio.to_thread(self._with_keys, change)
            try:
                others = self._credentials.refresh()
            except AgentError:  # what was tried cannot be read: nobody has seen it yet
                await asyncio.to_thread(self._with_keys, KeyFolder.put_back)
                raise

        def due(peer: Peer) -> Goodbye | None:
            if others or peer.role == "controller":
                return Goodbye(reason="reconnect", message="the certificate is another one now")
            return None  # what people have open goes on

        self._pump.part(due)

    def _with_keys(self, work: Callable[[KeyFolder], _Done]) -> _Done:
        """Do one thing with the folder, in a thread; it is opened there, for a thread outlives whoever waits for it."""
        keys = open_keys(self._folder, self._credentials.name)
        try:
            return work(keys)
        finally:
            keys.close()

    def _rest(self, error: Exception) -> None:
        """Try again later, ever more seldom."""
        bound = min(LONGEST, FIRST * (1 << min(self._tries, 10)))
        self._tries += 1
        seconds = bound * (0.5 + int.from_bytes(os.urandom(4), "big") / (1 << 33))
        self._again = asyncio.get_running_loop().time() + seconds
        ends = f"; it {self._lifetime}" if self._lifetime is not None else ""
        self._log.often(
            "renewal",
            f"cannot renew the certificate: {_words(error)}; tries again in {seconds / 60:.0f} min{ends}",
        )


def _refused(reply: object) -> RenewalError:
    if isinstance(reply, Failed):
        hint = f" ({reply.hint})" if reply.hint else ""
        return RenewalError(f"the controller refuses ({reply.code}): {reply.message}{hint}")
    return RenewalError("the controller does not renew")


def _words(error: Exception) -> str:
    if isinstance(error, AgentError):
        return error.message + (f" ({error.hint})" if error.hint else "")
    if isinstance(error, asyncio.TimeoutError):
        return f"no answer in {ANSWER:.0f} s"
    if isinstance(error, (OSError, StreamLostError)):
        return str(getattr(error, "strerror", None) or error).lower()
    return f"a fault of our own: {type(error).__name__}: {error}"
