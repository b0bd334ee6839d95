"""Who is told of what happens, and by which way: the notifiers as declared.

Built by `declaration`; `reconcile` chooses by them who hears of a notice, `notify` sends by what they say.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from controller.model.diagnostic import NOWHERE, Place
from controller.model.notice import Occasion

USUAL: Final = frozenset(
    {
        Occasion.FAILED,
        Occasion.RECOVERED,
        Occasion.DRIFT,
        Occasion.UNREACHABLE,
        Occasion.EXPIRING,
        Occasion.INVALID,
        Occasion.APPROVAL,
        Occasion.STALLED,
    }
)
"""What a notifier tells that names no `events`: whatever somebody should look at, and its end."""


class NotifierKind(StrEnum):
    """By which way it tells."""

    URL = "url"  # an address: http(s) is a webhook, smtp(s) is mail, anything else is for the add-on library
    SMTP = "smtp"
    EXEC = "exec"  # a command on the controller's machine


class MailSecurity(StrEnum):
    """How a mail server is talked to."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Smtp:
    """A mail server, who writes and who is written to. `password` is the name of a secret, and needs `user`."""

    host: str
    port: int
    security: MailSecurity = MailSecurity.STARTTLS
    user: str | None = None
    password: str | None = None
    sender: str
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """One way to tell people; exactly one of `url`, `smtp` and `exec` is set, by `kind`.

    `url` and `sign` are names of secrets: the address, and the key that signs what is posted to an http address. `exec` is a
    command with its arguments, which gets the message on its standard input. `repeat`: tell a trouble that lasts again after
    so many seconds; None: never.
    """

    name: str
    kind: NotifierKind
    url: str | None = None
    sign: str | None = None
    smtp: Smtp | None = None
    exec: tuple[str, ...] | None = None
    events: frozenset[Occasion] = USUAL
    repeat: float | None = None
    place: Place = NOWHERE
