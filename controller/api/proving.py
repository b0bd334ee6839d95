"""Whose token a text is; whoever guesses is slowed down.

Called by admission for every request that carries a token, and by the login.
"""

import hashlib
from collections import OrderedDict
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from controller.api.problems import ProblemError, refuse
from controller.api.rates import Rates, crowd_of
from controller.api.settings import ApiSettings
from controller.clock import Clock
from controller.model.token import Token
from controller.reconcile.access.tokens import TokenDesk

KNOWN: Final = 1000
"""Texts that are remembered to have been good."""
CHALLENGE: Final = 'Bearer realm="ctl"'


class Proving:
    """Proves tokens.

    Args:
        tokens: where they are kept.
        settings: how many refused ones an address may try.
        clock: time.
    """

    def __init__(self, tokens: TokenDesk, settings: ApiSettings, clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock
        self._failures = Rates(settings.failures)
        self._good: OrderedDict[bytes, None] = OrderedDict()

    async def prove(self, text: bytes, place: str) -> Token:
        """Say whose token a text is.

        Raises:
            ProblemError: 401, in the same words whatever is wrong with it; 429 after too many of them.
        """
        now, crowd, sign = self._clock.now(), crowd_of(place), hashlib.sha256(text).digest()
        if (
            sign not in self._good
        ):  # whoever guesses keeps nobody out who was in before, behind the same proxy
            must_wait(self._failures.wait(crowd, now))
        proof = await self._tokens.verify(text)
        if proof.token is None or proof.refusal is not None:
            self._good.pop(sign, None)
            must_wait(self._failures.take(crowd, now))
            raise unauthorized("the token is not good: unknown, expired, rotated or revoked")
        self._good[sign] = None
        self._good.move_to_end(sign)
        if len(self._good) > KNOWN:
            self._good.popitem(last=False)
        return proof.token


def must_wait(seconds: float) -> None:
    """Refuse whoever asks too often.

    Raises:
        ProblemError: 429, when there is anything to wait for.
    """
    if seconds:
        raise refuse(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too-many-requests",
            "there were too many requests",
            retry_after=str(int(seconds) + 1),
        )


def unauthorized(
    detail: str, hint: str = "Authorization: Bearer TOKEN, or /login in a browser"
) -> ProblemError:
    """Ask for a token."""
    error = refuse(HTTPStatus.UNAUTHORIZED, "no-token", detail, hint=hint)
    return ProblemError(replace(error.problem, headers={"www-authenticate": CHALLENGE}))
