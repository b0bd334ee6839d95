"""Errors as RFC 9457 problem documents: the one place where an error becomes a status.

Called by the gate and by the app's error handlers. What is not foreseen is told as nothing but "internal": the traceback goes to the
log of the process, never to whoever asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.responses import Response

from controller.errors import (
    ControllerError,
    DeclarationError,
    Disposition,
    IllegalTransitionError,
    LockedError,
    NotFoundError,
    RefusedError,
    SecretError,
    SourceError,
    StalePlanError,
    StateError,
    TransportError,
    UsageError,
)
from controller.model.safe_text import safe_text

MEDIA_TYPE: Final = "application/problem+json"

STATUSES: Final[tuple[tuple[type[ControllerError], HTTPStatus], ...]] = (
    (UsageError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (LockedError, HTTPStatus.CONFLICT),
    (StalePlanError, HTTPStatus.CONFLICT),
    (RefusedError, HTTPStatus.CONFLICT),
    (IllegalTransitionError, HTTPStatus.CONFLICT),
    (DeclarationError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (SecretError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (SourceError, HTTPStatus.BAD_GATEWAY),
    (TransportError, HTTPStatus.BAD_GATEWAY),
    (StateError, HTTPStatus.SERVICE_UNAVAILABLE),
)
"""The first kind that fits decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem document; `reference` is stable, `hint` says what to do."""

    status: HTTPStatus
    reference: str
    detail: str
    hint: str | None = None
    members: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class ProblemError(Exception):
    """Carries a problem up to the place where it is answered."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def refuse(
    status: HTTPStatus, reference: str, detail: str, *, hint: str | None = None, **headers: str
) -> ProblemError:
    """Make the error that answers with a problem; header names are written with "_" for "-"."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ProblemError(
        Problem(status=status, reference=reference, detail=detail, hint=hint, headers=named)
    )


def problem_of(error: ControllerError) -> Problem:
    """Say an error of the controller as a problem."""
    status = status_of(error)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        return INTERNAL
    return Problem(
        status=status,
        reference=error.reference,
        detail=safe_text(error.message),
        hint=None if error.hint is None else safe_text(error.hint),
    )


def status_of(error: ControllerError) -> HTTPStatus:
    """Say the status of an error: by its kind, else by what is done about it."""
    for kind, status in STATUSES:
        if isinstance(error, kind):
            return status
    return DISPOSED[error.disposition]


DISPOSED: Final = {
    Disposition.RETRY: HTTPStatus.BAD_GATEWAY,
    Disposition.STALL: HTTPStatus.CONFLICT,
    Disposition.BUG: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""For kinds that are not in the table: what comes right by itself, what a person must change, and what is a bug."""


INTERNAL: Final = Problem(
    status=HTTPStatus.INTERNAL_SERVER_ERROR,
    reference="internal",
    detail="something unforeseen happened; the log of the controller says what",
)


NOTHING_IN_FORCE: Final = Problem(
    status=HTTPStatus.SERVICE_UNAVAILABLE,
    reference="no-declarations",
    detail="no declarations are in force yet",
    hint="ask again in a moment; /readyz says when, and the activity log what is wrong",
    headers={"retry-after": "1"},
)
"""What is declared is not unknown then, only not read yet."""


def document(problem: Problem) -> dict[str, object]:
    """Write a problem as its document."""
    return {
        "type": f"urn:ctl:problem:{problem.reference}",
        "title": problem.status.phrase,
        "status": problem.status.value,
        "detail": problem.detail,
        "reference": problem.reference,
        **({} if problem.hint is None else {"hint": problem.hint}),
        **problem.members,
    }


def response_of(problem: Problem) -> Response:
    """Answer with a problem."""
    return Response(
        msgspec.json.encode(document(problem)),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=dict(problem.headers),
    )
