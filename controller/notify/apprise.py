"""A message over one of the many services that the add-on library Apprise knows, each named by a URL.

Called by the outbox. The library is the extra `apprise`; it is loaded when the first message needs it, in a thread, because that takes
seconds. Each message gets an object of its own with one URL, so that the answer is about this receiver alone.
"""

import asyncio
import importlib
import importlib.util
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from controller.notify.message import Message
from controller.notify.trouble import NotifyError

SECONDS: Final = 60.0
"""One message; a thread that hangs longer is left to itself, and its place is lost until it ends."""
THREADS: Final = 4
"""Messages under way at the same time; further ones wait."""

_THREADS: Final = ThreadPoolExecutor(THREADS, thread_name_prefix="notify-apprise")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service, by its URL, which is never shown."""

    url: str = field(repr=False)


async def send(message: Message, endpoint: Service) -> None:
    """Send a message over a service.

    Raises:
        NotifyError: the library is missing, does not know the URL, or the service did not take the message.
    """
    if importlib.util.find_spec("apprise") is None:
        raise NotifyError(
            "only the add-on library Apprise knows such an address, and it is not installed",
            permanent=True,
            hint="pip install 'tillerman[apprise]', or use http(s), smtp(s) or exec",
        )
    work = asyncio.get_running_loop().run_in_executor(_THREADS, _notify, message, endpoint.url)
    try:
        async with asyncio.timeout(SECONDS):
            await work
    except TimeoutError:
        raise NotifyError(f"the service took over {SECONDS:.0f} s") from None


def _notify(message: Message, url: str) -> None:
    """Hand a message to the library; in a thread.

    Raises:
        NotifyError: the URL is not known, or the service did not take it.
    """
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.disabled = True  # it would write addresses
    try:
        library = importlib.import_module("apprise")
        sender = library.Apprise()
        known = bool(sender.add(url))
        sent = known and bool(
            sender.notify(title=message.title, body=message.text or message.title)
        )
    except Exception as error:  # noqa: BLE001  # a hundred plug-ins raise what they like, with addresses in it
        raise NotifyError(f"the service failed: {type(error).__name__}") from None
    if not known:
        raise NotifyError(
            "Apprise does not know such an address",
            permanent=True,
            hint="see https://github.com/caronc/apprise/wiki for how to write it",
        )
    if not sent:
        raise NotifyError("the service did not take the message")
