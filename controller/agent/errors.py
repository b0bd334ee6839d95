"""What this room cannot do.

AgentError             something the agent can say to whoever asked
├── EnrolmentError     a certificate cannot be had, or must not be used
├── RenewalError       the next certificate is not given, or is not what was asked for
├── InstallError       the agent cannot be installed here, or does not run
├── DeniedError        the certificate of whoever asks gives no right to it
├── FolderError        a folder or file cannot be trusted: others could change what root would do
├── LockedError        a run does not hold a target's lock any more
├── MissingError       there is no such file, artifact or report
├── ScriptError        a script is not offered, or cannot be run as it is
└── SettingsError      the command line or the file asks for what cannot be; holds every finding

The daemon turns `reference` into the wire's error codes.
"""

from __future__ import annotations

from typing import ClassVar


class AgentError(Exception):
    """Something the agent can say to whoever asked.

    Args:
        message: what went wrong, lower case, with the values that matter.
        hint: what to do about it.
    """

    reference: ClassVar[str] = "agent"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class EnrolmentError(AgentError):
    """A certificate cannot be had, or must not be used."""

    reference = "enrolment"


class RenewalError(AgentError):
    """The next certificate is not given, or is not what was asked for."""

    reference = "renewal"


class InstallError(AgentError):
    """The agent cannot be installed here, or does not run once it is."""

    reference = "install"


class FolderError(AgentError):
    """A folder or file cannot be trusted, or is not there."""

    reference = "untrusted"


class ScriptError(AgentError):
    """A script is not offered, or cannot be run as it is.

    Args:
        message: what went wrong.
        hint: what to do about it.
        problem: what is wrong with the script itself, to stand behind its name in a list.
    """

    reference = "script"

    def __init__(self, message: str, *, hint: str | None = None, problem: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problem = problem or message


class SettingsError(AgentError):
    """The command line or the file asks for what cannot be; the message has one line for each finding."""

    reference = "settings"


class DeniedError(AgentError):
    """The certificate of whoever asks gives no right to it."""

    reference = "denied"


class LockedError(AgentError):
    """A run does not hold a target's lock any more."""

    reference = "locked"


class MissingError(AgentError):
    """There is no such file, artifact or report."""

    reference = "not-found"
