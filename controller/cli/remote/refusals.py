"""What goes wrong towards a serving controller, in the words and the kinds of errors that it would have here.

Called by the client and by what reads its answers. What a controller refuses comes as a problem document (`api/problems.py`).
"""

import errno
import json
import os
import ssl
from http import HTTPStatus
from typing import Final

import httpx

from controller.errors import (
    ControllerError,
    DeclarationError,
    LockedError,
    NeedsAgentError,
    NotFoundError,
    RefusedError,
    SecretError,
    SourceError,
    StalePlanError,
    StateError,
    TransportError,
    Unreachable,
    UsageError,
)

KINDS: Final[tuple[type[ControllerError], ...]] = (
    UsageError,
    NotFoundError,
    LockedError,
    NeedsAgentError,
    StalePlanError,
    RefusedError,
    DeclarationError,
    SecretError,
    SourceError,
    StateError,
)
"""Errors that keep their kind on the way; what is not among them is chosen by the status."""

UNTRUSTED: Final = "its certificate does not count here"
IS_IT: Final = "is it a controller of Tillerman that listens there?"


class UnreachedError(ControllerError):
    """The controller is not reached, or does not answer as one."""

    reference = "controller-unreachable"


def words_of(error: httpx.HTTPError) -> str:
    """Say what went wrong on the way, as the system says it where it does."""
    if isinstance(error, httpx.TimeoutException):
        what = "connection" if isinstance(error, httpx.ConnectTimeout) else "answer"
        return f"no {what} in time"
    cause: BaseException | None = error
    while cause is not None:
        inner = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else None
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"{UNTRUSTED}: {cause.verify_message}"
        if isinstance(cause, OSError) and cause.strerror:
            known = cause.errno in errno.errorcode and not isinstance(cause, ssl.SSLError)
            return os.strerror(cause.errno) if known and cause.errno else cause.strerror
        cause = inner or cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__


def error_of(response: httpx.Response, place: str) -> ControllerError:
    """Say a refusal of the controller at a place as the error it was over there; see `api/problems.py`."""
    try:
        told = json.loads(response.content)
        detail, hint = str(told["detail"]), told.get("hint")
    except (ValueError, KeyError, TypeError):
        return UnreachedError(
            f"{place} answers {response.status_code} {response.reason_phrase}",
            hint=IS_IT,
        )
    if told.get("reference") == "certificate-refused":
        return RefusedError(detail, hint=hint)
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        return RefusedError(
            f"{place}: {detail}", hint="CTL_TOKEN, or token_file or certificate of the context"
        )
    known = revived(told.get("reference"), detail, hint)
    return known or _by_status(response.status_code, detail, hint)


def revived(reference: object, message: str, hint: str | None) -> ControllerError | None:
    """Make the error that a reference names; None for one that does not keep its kind."""
    kind = next((one for one in KINDS if one.reference == reference), None)
    return None if kind is None else kind(message, hint=hint)


def _by_status(status: int, detail: str, hint: str | None) -> ControllerError:
    match status:
        case 403 | 409 | 412 | 423 | 428 | 429:
            return RefusedError(detail, hint=hint)
        case 404:
            return NotFoundError(detail, hint=hint)
        case 400 | 413 | 415 | 422:
            return UsageError(detail, hint=hint)
        case 502:
            return TransportError(detail, cause=Unreachable.STATE, hint=hint)
        case _:
            return StateError(detail, hint=hint)
