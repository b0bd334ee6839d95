"""Who comes by a certificate; what is wrong with one is said in words.

Called by admission for every request whose connection has shown one and that brings no token, and by streams again and again.
"""

from dataclasses import replace
from http import HTTPStatus
from typing import Final

from controller.api.problems import ProblemError, refuse
from controller.api.proving import CHALLENGE
from controller.api.tls import NEWEST, Shown
from controller.clock import Clock
from controller.errors import RefusedError, StateError
from controller.model.token import Actor
from controller.pki.people import People
from controller.reconcile.access.people import actor_of

HINT: Final = "ctl pki renew NAME signs another; a token, or /login in a browser, does without one"


class Certificates:
    """Proves people by their certificates.

    Args:
        people: whom our authority has named; None: certificates are not asked for.
        clock: time.
    """

    def __init__(self, people: People | None, clock: Clock) -> None:
        self._people = people
        self._clock = clock

    def prove(self, shown: Shown) -> Actor:
        """Say who has shown a certificate.

        Raises:
            ProblemError: 401, with what is wrong.
            StateError: authorities or deny list cannot be read, so that nobody can be told from anybody.
        """
        if self._people is None:
            raise refused("cannot accept the certificate: none is asked for here")
        if not shown.strong:
            raise refused(
                f"cannot accept the certificate over {shown.version}: it counts over {NEWEST} alone"
            )
        try:
            return actor_of(self._people.who(shown.der, self._clock.now()))
        except RefusedError as error:
            raise refused(error.message) from error

    def still_good(self, shown: Shown) -> bool:
        """Say whether a certificate that was good is good still; where nobody can tell, it is not."""
        try:
            self.prove(shown)
        except (ProblemError, StateError):
            return False
        return True


def refused(why: str) -> ProblemError:
    """Refuse a certificate."""
    error = refuse(HTTPStatus.UNAUTHORIZED, "certificate-refused", why, hint=HINT)
    return ProblemError(replace(error.problem, headers={"www-authenticate": CHALLENGE}))
