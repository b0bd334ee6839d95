"""A message as mail.

Called by the outbox; calls a mail server from a thread of its own pool. The whole conversation has one time: at its end the connection is cut under
the thread, whatever the server is doing. A server that offers no TLS where TLS is wanted gets nothing.
"""

import asyncio
import contextlib
import ipaddress
import os
import smtplib
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses
from typing import Final

from controller.model.notifier import MailSecurity
from controller.notify.message import Message
from controller.notify.trouble import NotifyError

SECONDS: Final = 60.0
"""One mail with everything that belongs to it."""
SILENCE: Final = 20.0
"""One answer of the server."""
THREADS: Final = 4
"""Mails under way at the same time; further ones wait."""
TRANSIENT: Final = range(400, 500)
"""Replies after which it is of use to try again (RFC 5321, 4.2.1)."""

_THREADS: Final = ThreadPoolExecutor(THREADS, thread_name_prefix="notify-mail")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """A mail server, who writes and who is written to."""

    host: str
    port: int
    security: MailSecurity = MailSecurity.STARTTLS
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    sender: str
    recipients: tuple[str, ...]
    context: ssl.SSLContext | None = None


async def send(message: Message, endpoint: Mailbox) -> None:
    """Send a message as mail.

    Raises:
        NotifyError: the server did not take it, for one of the recipients at least.
    """
    mail = mail_of(message, endpoint)
    _refuse_clear_password(endpoint)
    line = _Line()
    work = asyncio.get_running_loop().run_in_executor(_THREADS, _deliver, mail, endpoint, line)
    try:
        async with asyncio.timeout(SECONDS):
            await work
    except TimeoutError:
        raise NotifyError(f"the mail server took over {SECONDS:.0f} s") from None
    finally:
        line.cut()


def mail_of(message: Message, endpoint: Mailbox) -> EmailMessage:
    """Write a message as mail.

    Raises:
        NotifyError: an address is none.
    """
    mail = EmailMessage(policy=SMTP)
    try:
        mail["From"] = _address(endpoint.sender)
        mail["To"] = ", ".join(_address(each) for each in endpoint.recipients)
        mail["Subject"] = message.title
        mail["Date"] = format_datetime(message.at)
        mail["Message-ID"] = f"<{message.id}@tillerman.invalid>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text or message.title, charset="utf-8")
    except (ValueError, MessageError) as error:
        raise NotifyError("the mail cannot be written", permanent=True) from error
    return mail


def _address(text: str) -> str:
    """Check one address.

    Raises:
        NotifyError: it is none, or more than one.
    """
    found = [address for _, address in getaddresses([text])]
    name, at, host = found[0].rpartition("@") if len(found) == 1 else ("", "", "")
    if not (name and at and host) or not text.isprintable() or " " in found[0]:
        raise NotifyError(
            "one of its mail addresses is none", permanent=True, hint="such as ops@example.com"
        )
    return text


def _refuse_clear_password(endpoint: Mailbox) -> None:
    if endpoint.password is None or endpoint.security is not MailSecurity.NONE:
        return
    if not _is_loopback(endpoint.host):
        raise NotifyError(
            "the password of the mail server would travel in clear",
            permanent=True,
            hint="use STARTTLS or TLS",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Line:
    """A second handle on a connection, by which it can be cut from outside the thread that uses it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None
        self._is_cut = False

    def hold(self, connected: socket.socket) -> None:
        """Take a handle; TLS may be put around the other."""
        with self._lock:
            self._drop()
            self._handle = socket.socket(fileno=os.dup(connected.fileno()))
            if self._is_cut:
                self._drop()

    def cut(self) -> None:
        """End the connection now, or as soon as there is one."""
        with self._lock:
            self._is_cut = True
            self._drop()

    def _drop(self) -> None:
        if self._handle is not None:
            with contextlib.suppress(OSError):
                self._handle.shutdown(socket.SHUT_RDWR)
            self._handle.close()
            self._handle = None


class _Plain(smtplib.SMTP):
    """A conversation whose connection is known to a `_Line`."""

    def __init__(self, line: _Line) -> None:
        self._line = line
        super().__init__(timeout=SILENCE, local_hostname=socket.gethostname())

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connected: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        self._line.hold(connected)
        return connected


class _Tls(smtplib.SMTP_SSL, _Plain):
    """The same with TLS from the first byte."""

    def __init__(self, line: _Line, context: ssl.SSLContext) -> None:
        self._line = line
        smtplib.SMTP_SSL.__init__(
            self, timeout=SILENCE, context=context, local_hostname=socket.gethostname()
        )


def _deliver(mail: EmailMessage, endpoint: Mailbox, line: _Line) -> None:
    """Talk to the server; in a thread.

    Raises:
        NotifyError: it did not take the mail.
    """
    try:
        _talk(mail, endpoint, line)
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        raise _refused("the recipients", max(codes)) from None
    except smtplib.SMTPResponseException as error:
        raise _refused("the mail", error.smtp_code) from None
    except smtplib.SMTPNotSupportedError:
        raise NotifyError(
            "the mail server offers no TLS, or no way to log in",
            permanent=True,
            hint="say how it is to be talked to: starttls, tls or none",
        ) from None
    except ssl.SSLCertVerificationError as error:
        raise NotifyError(
            f"the certificate of the mail server is not trusted: {error.verify_message}",
            hint="have the machine trust its authority",
        ) from None
    except smtplib.SMTPServerDisconnected:
        raise NotifyError("the mail server closed the connection") from None
    except (smtplib.SMTPException, OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise NotifyError(f"the mail server cannot be talked to: {str(why).lower()}") from None


def _talk(mail: EmailMessage, endpoint: Mailbox, line: _Line) -> None:
    context = endpoint.context or ssl.create_default_context()
    is_tls = endpoint.security is MailSecurity.TLS
    with _Tls(line, context) if is_tls else _Plain(line) as server:
        server._host = endpoint.host  # type: ignore[attr-defined] # noqa: SLF001 - the name TLS checks; `connect` alone leaves it empty
        server.connect(endpoint.host, endpoint.port)
        if endpoint.security is MailSecurity.STARTTLS:
            server.starttls(context=context)
        if endpoint.user is not None and endpoint.password is not None:
            server.login(endpoint.user, endpoint.password)
        refused = server.send_message(mail)
        if refused:
            raise smtplib.SMTPRecipientsRefused(refused)


def _refused(what: str, code: int) -> NotifyError:
    """Say that the server said no; its words stay with it, because they may repeat ours."""
    return NotifyError(f"the mail server refuses {what}: {code}", permanent=code not in TRANSIENT)
