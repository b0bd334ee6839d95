"""The address in a secret to the sender that understands it.

Called by the outbox with values that were read a moment ago; pure.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from controller.model.notifier import MailSecurity
from controller.notify import apprise, command, mail, webhook
from controller.notify.apprise import Service
from controller.notify.command import Command
from controller.notify.mail import Mailbox
from controller.notify.message import Message
from controller.notify.trouble import NotifyError
from controller.notify.webhook import Webhook

Endpoint = Webhook | Mailbox | Command | Service
Send = Callable[[Message], Awaitable[None]]

PORTS: Final = {MailSecurity.STARTTLS: 587, MailSecurity.TLS: 465, MailSecurity.NONE: 25}
"""Ports where a mail address names none (RFC 8314)."""


def endpoint_of(url: str, *, key: str | None = None) -> Webhook | Mailbox | Service:
    """Say what an address means: http(s) a webhook, smtp(s) a mailbox, anything else is for Apprise.

    Raises:
        NotifyError: it is a mail address that nobody could write to.
    """
    scheme = url.partition(":")[0].lower()
    if scheme in {"http", "https"}:
        return Webhook(url=url, key=key)
    if scheme in {"smtp", "smtps"}:
        return mailbox_of(url)
    return Service(url=url)


def mailbox_of(url: str) -> Mailbox:
    """Read smtp[s]://USER:PASSWORD@HOST[:PORT]?from=ADDRESS&to=ADDRESS[,ADDRESS][&security=none].

    Raises:
        NotifyError: a part is missing or unknown.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        asked = parse_qs(parts.query, max_num_fields=8)
        secure = "tls" if parts.scheme == "smtps" else asked.pop("security", ["starttls"])[-1]
        security = MailSecurity(secure)
        sender = asked.pop("from")[-1]
        recipients = tuple(one for each in asked.pop("to") for one in each.split(",") if one)
    except (ValueError, KeyError):
        raise _unreadable() from None
    if not host or not recipients or asked:
        raise _unreadable()
    return Mailbox(
        host=host,
        port=port or PORTS[security],
        security=security,
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        sender=sender,
        recipients=recipients,
    )


def sender_of(endpoint: Endpoint) -> Send:
    """Give what sends a message there."""
    match endpoint:
        case Webhook():
            return partial(webhook.send, endpoint=endpoint)
        case Mailbox():
            return partial(mail.send, endpoint=endpoint)
        case Command():
            return partial(command.send, endpoint=endpoint)
        case Service():
            return partial(apprise.send, endpoint=endpoint)


def _unreadable() -> NotifyError:
    return NotifyError(
        "its mail address cannot be read",
        permanent=True,
        hint="smtps://USER:PASSWORD@HOST?from=ctl@example.com&to=ops@example.com",
    )
