"""The scripts that can be run by name: those of the folder, and where that is not all there may be, those of a controller.

A script of a controller is named with the SHA-256 it must have. It is asked for over the session of whoever wants it run,
summed up here, and kept under its digest; what lies there is summed up again each time before it is run. What the folder has
under that name is run or nothing. Users get the folder's alone: who sends a script decides what it does, and what is kept here
may be none of their business.

`answering` and `starts` call it; it calls `scripts`, and `fetch` of the asker.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from pathlib import Path

from controller.agent.asker import Asker, Fetch
from controller.agent.errors import DeniedError, ScriptError
from controller.agent.locks import store
from controller.agent.owners import is_user
from controller.agent.script import Offered, sum_up
from controller.agent.scripts import NAME, Scripts
from controller.agent.streams import StreamCancelledError, StreamLostError
from controller.agent.within import within
from controller.execution.spec import MAX_TEXT
from controller.wire.messages.server import Inspect, ListScripts, ScriptPage, ScriptText

DIGEST = re.compile(r"[0-9a-f]{64}")
MOST_KEPT = 64
WITHIN = 60.0


class Offers:
    """What this agent can run by name.

    Args:
        folder: of the scripts; empty is none.
        cache: where scripts of controllers are kept.
        only: nothing but scripts is run here.
        sent: then still those that controllers send.
    """

    def __init__(self, folder: str, cache: Path, *, only: bool, sent: bool) -> None:
        self._scripts = Scripts(folder) if folder else None
        self._cache = cache
        self._only = only
        self._sent = sent

    async def check(self) -> None:
        """Refuse a folder that can't be trusted.

        Raises:
            FolderError: others could change what would be run.
        """
        if self._scripts is not None:
            await asyncio.to_thread(self._scripts.check)

    async def page(self, asked: ListScripts) -> ScriptPage:
        """List the scripts of the folder."""
        if self._scripts is None:
            return ScriptPage()
        return await asyncio.to_thread(self._scripts.page, asked.after)

    async def inspect(self, asked: Inspect) -> ScriptText:
        """Show one script of the folder."""
        if self._scripts is None:
            raise ScriptError(f"cannot show {asked.name[:140]!r}: no scripts are offered here")
        return await asyncio.to_thread(self._scripts.inspect, asked.name)

    async def take(self, asker: Asker, name: str, digest: str, fetch: Fetch) -> Offered:
        """Take a script to run it.

        Args:
            asker: who wants it run.
            name: of it.
            digest: the SHA-256 in hex that it must have; empty is any.
            fetch: gives a script of the controller.

        Raises:
            DeniedError: scripts are not taken from whoever asks.
            FolderError: others could change what would be run.
            ScriptError: there is no such script, it can't be run, or is another than was asked for.
        """
        if not NAME.fullmatch(name):
            raise ScriptError(f"cannot run {name[:140]!r}: no name of a script")
        scripts = self._scripts
        if scripts is not None and (not digest or await asyncio.to_thread(scripts.has, name)):
            return await asyncio.to_thread(scripts.read, name, digest=digest)
        if not digest:
            raise ScriptError(f"cannot run {name}: no such script is offered here")
        if not DIGEST.fullmatch(digest):
            raise ScriptError(f"cannot run {name}: {digest[:80]!r} is no SHA-256")
        self._check_sender(asker, name)
        return sum_up(name, await self._pull(name, digest, fetch))

    def environment(self, offered: Offered) -> dict[str, str]:
        """Give the variables by which a script finds itself, and what lies beside it."""
        if self._scripts is None:
            return {"CTL_SCRIPT": offered.script.name}
        return self._scripts.environment(offered)

    def _check_sender(self, asker: Asker, name: str) -> None:
        if is_user(asker):
            raise DeniedError(
                f"cannot run {name} for {asker.name}: no such script is offered here",
                hint="`ctl tasks` lists them; scripts are taken from controllers and admins only",
            )
        if self._only and not (self._sent and asker.role == "controller"):
            raise DeniedError(
                f"cannot run {name}: this agent runs nothing but the scripts it offers",
                hint="`ctl tasks` lists them; with --scripts-from-controller it takes those of controllers, too",
            )

    async def _pull(self, name: str, digest: str, fetch: Fetch) -> bytes:
        path = self._cache / digest
        kept = await asyncio.to_thread(_read, path)
        if kept is not None and hashlib.sha256(kept).hexdigest() == digest:
            return kept
        try:
            text = await within(WITHIN, _collect(name, digest, fetch))
        except asyncio.TimeoutError as error:
            raise ScriptError(f"cannot fetch {name}: it took more than {WITHIN:.0f} s") from error
        except (StreamCancelledError, StreamLostError) as error:
            raise ScriptError(f"cannot fetch {name} ({digest[:12]}): {error}") from error
        await asyncio.to_thread(self._keep, path, text)
        return text

    def _keep(self, path: Path, text: bytes) -> None:
        """Keep a script, and only the newest of them; where there is no room it is fetched again."""
        with contextlib.suppress(OSError):
            self._cache.mkdir(mode=0o700, exist_ok=True)
            others = sorted(self._cache.iterdir(), key=lambda one: one.stat().st_mtime)
            for one in others[: max(0, len(others) - MOST_KEPT + 1)]:
                one.unlink()
            store(path, text)


async def _collect(name: str, digest: str, fetch: Fetch) -> bytes:
    text = bytearray()
    async for part in fetch(digest):
        text += part
        if len(text) > MAX_TEXT:
            raise ScriptError(f"cannot run {name}: it has more than {MAX_TEXT} bytes")
    found = hashlib.sha256(text).hexdigest()
    if found != digest:
        raise ScriptError(f"cannot run {name}: its SHA-256 is {found}, asked for was {digest}")
    return bytes(text)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
