"""Whose token a text is; whoever guesses is slowed down.

Called by admission for every request that carries a token, and by the login.
"""

from dataclasses import replace
from http import HTTPStatus
from typing import Final

from controller.api.problems import ProblemError, refuse
from controller.api.rates import Rates
from controller.api.settings import ApiSettings
from controller.clock import Clock
from controller.model.token import Token
from controller.reconcile.tokens import TokenDesk

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

    async def prove(self, text: bytes, place: str) -> Token:
        """Say whose token a text is.

        Raises:
            ProblemError: 401, in the same words whatever is wrong with it; 429 after too many of them.
        """
        now = self._clock.now()
        must_wait(self._failures.wait(place, now))
        proof = await self._tokens.verify(text)
        if proof.token is None or proof.refusal is not None:
            self._failures.take(place, now)
            raise unauthorized("the token is not good: unknown, expired, rotated or revoked")
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


def unauthorized(detail: str) -> ProblemError:
    """Ask for a token."""
    error = refuse(
        HTTPStatus.UNAUTHORIZED,
        "no-token",
        detail,
        hint="Authorization: Bearer TOKEN, or /login in a browser",
    )
    return ProblemError(replace(error.problem, headers={"www-authenticate": CHALLENGE}))
