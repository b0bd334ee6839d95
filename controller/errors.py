"""The error taxonomy.

ControllerError                  something the controller knows how to answer
├── UsageError                   the command line is wrong; exit 64
├── DeclarationError             the commit is wrong; a person must push another
├── NotFoundError                the named thing does not exist
├── SecretError                  a secret cannot be read here
├── SourceError                  git is out of reach; try again
│   ├── RewoundError             history was rewritten; a person must accept it
│   └── VerificationError        a commit is not signed as declared
├── TransportError               a server is out of reach; try again
│   └── SessionLostError         the session died under a running job
├── RefusedError                 a gate says no; exit 4
│   ├── NeedsAgentError          only an agent on the server can do that
│   ├── StalePlanError           the plan no longer describes the world
│   └── LockedError              somebody else holds what is needed
├── StateError                   the state folder cannot be used
│   └── StateAwayError           the database is out of reach; try again
└── IllegalTransitionError       a bug in the controller

A non-zero exit of a job is an outcome, never an exception. Messages are lower case and name the values that
matter; `hint` says what to do next. Third-party errors are translated at the border of the room that met them.
"""

from enum import StrEnum
from typing import ClassVar


class Disposition(StrEnum):
    """What the loop does with an error."""

    RETRY = "retry"  # after a back-off
    STALL = "stall"  # not before the declaration changes or a person acts
    BUG = "bug"  # log the traceback, stall


class ControllerError(Exception):
    """Something the controller knows how to answer.

    Args:
        message: what went wrong, lower case, with the values that matter.
        hint: what to do about it: a sentence or a command.
    """

    reference: ClassVar[str] = "internal"
    disposition: ClassVar[Disposition] = Disposition.BUG

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(ControllerError):
    """The command line asks for something that does not exist or contradicts itself."""

    reference = "usage"
    disposition = Disposition.STALL


class DeclarationError(ControllerError):
    """The commit does not hold a valid declaration."""

    reference = "declaration-invalid"
    disposition = Disposition.STALL


class NotFoundError(ControllerError):
    """A person named something that does not exist."""

    reference = "not-found"
    disposition = Disposition.STALL


class SecretError(ControllerError):
    """A secret cannot be read on this machine."""

    reference = "secret-unreadable"
    disposition = Disposition.STALL


class SourceError(ControllerError):
    """A git repository is out of reach or answered nonsense."""

    reference = "source-unreachable"
    disposition = Disposition.RETRY


class RewoundError(SourceError):
    """The watched ref no longer descends from the accepted commit."""

    reference = "history-rewound"
    disposition = Disposition.STALL


class VerificationError(SourceError):
    """A commit is not signed by one of the declared signers."""

    reference = "signature-refused"
    disposition = Disposition.STALL


class Unreachable(StrEnum):
    """Why a server was not reached."""

    DNS = "dns"
    TCP = "tcp"
    TLS = "tls"
    AUTH = "auth"
    HOST_KEY = "host-key"
    VERSION = "version"
    TIMEOUT = "timeout"
    SUDO = "sudo"
    STATE = "state"  # no writable state folder on the server
    LOST = "lost"  # the connection broke while in use
    CLOCK = "clock"  # the certificate of one end is not valid by the other end's clock
    AWAY = "away"  # its agent dials in, and has not


class TransportError(ControllerError):
    """A server is out of reach; `cause` says why."""

    reference = "server-unreachable"
    disposition = Disposition.RETRY

    def __init__(self, message: str, *, cause: Unreachable, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.cause = cause


class SessionLostError(TransportError):
    """The session died under a running job; the job itself goes on."""

    reference = "session-lost"


class RefusedError(ControllerError):
    """A gate says no before anything was touched."""

    reference = "refused"
    disposition = Disposition.STALL


class NeedsAgentError(RefusedError):
    """Only an agent on the server can do that."""

    reference = "needs-agent"


class StalePlanError(RefusedError):
    """What was planned is no longer what would be done."""

    reference = "plan-stale"


class LockedError(RefusedError):
    """Somebody else holds the state or the target."""

    reference = "locked"


class StateError(ControllerError):
    """The state folder cannot be used."""

    reference = "state-unusable"
    disposition = Disposition.STALL


class StateAwayError(StateError):
    """The database of the state stayed out of reach; whether the last write was kept may not be known."""

    reference = "state-away"
    disposition = Disposition.RETRY


class IllegalTransitionError(ControllerError):
    """A signal arrived that the state has no arrow for."""

    reference = "illegal-transition"
