"""Posts commit statuses; remembers what kind of forge answers where.

Made by `service`, called by the outbox; calls `exchange` and the other files of this package.
"""

import ssl
from typing import Final

from controller.clock import Clock
from controller.model.ids import Sha
from controller.notify.exchange import ask
from controller.notify.forges.addresses import Address, address_of
from controller.notify.forges.requests import KNOWN, Forge, judge, knows, posting, probes
from controller.notify.forges.statuses import Status
from controller.notify.trouble import NotifyError

MOST_REMEMBERED: Final = 1000
"""Forges; beyond that one is asked again what it is."""


class StatusSender:
    """Sends one status at a time, and never twice by itself."""

    def __init__(self, clock: Clock, *, context: ssl.SSLContext | None = None) -> None:
        self._clock = clock
        self._context = context or ssl.create_default_context()
        self._kinds: dict[str, Forge] = {}

    async def post(
        self, url: str, sha: Sha, status: Status, *, token: str, forge: Forge | None = None
    ) -> None:
        """Post a status of a commit to the forge of a repo.

        Args:
            url: the address by which git reaches the repo.
            sha: the commit.
            status: what to say.
            token: what the forge knows us by.
            forge: what kind of forge it is; None: by its host, or by asking it once.

        Raises:
            NotifyError: it was not posted; it says whether another try may help, and when.
        """
        address = address_of(url)
        kind = forge or await self._kind(address, token)
        request = posting(kind, address, sha, status, token)
        answer = await ask(request, context=self._context)
        judge(kind, status, answer, now=self._clock.now())

    async def _kind(self, address: Address, token: str) -> Forge:
        known = KNOWN.get(address.host) or self._kinds.get(address.below)
        if known is not None:
            return known
        for forge, request in probes(address, token):
            answer = await ask(request, context=self._context)
            if knows(answer):
                if len(self._kinds) >= MOST_REMEMBERED:
                    self._kinds.clear()
                self._kinds[address.below] = forge
                return forge
        raise NotifyError(
            "it is neither a GitHub nor a GitLab, Gitea or Forgejo",
            permanent=True,
            hint="take commit statuses off this repo",
        )
