"""Mail is sent over TLS or not at all, cannot be steered by what it says, and never takes longer than its time."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from controller.model.notifier import MailSecurity
from controller.notify import mail
from controller.notify.mail import Mailbox, send
from controller.notify.trouble import NotifyError
from tests.notify.certificate import loopback_certificate
from tests.notify.notes import MESSAGE

Reply = str
RIGHT, WRONG = "canary-right", "canary-wrong"


@dataclass(slots=True)
class Inbox:
    """Takes mail, or says what it is told to say instead."""

    mails: list[Envelope] = field(default_factory=list)
    reply: Reply = "250 taken"
    refuse: frozenset[str] = frozenset()

    async def handle_RCPT(  # noqa: N802 - the name the library looks for
        self, server: object, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> Reply:
        if address in self.refuse:
            return "550 canary nobody here"
        envelope.rcpt_tos.append(address)
        return "250 yes"

    async def handle_DATA(  # noqa: N802 - as above
        self, server: object, session: Session, envelope: Envelope
    ) -> Reply:
        self.mails.append(envelope)
        return self.reply


@dataclass(slots=True)
class Office:
    """A running server, and how to write to it."""

    inbox: Inbox
    box: Mailbox
    logins: list[tuple[bytes, bytes]]

    def only(self) -> EmailMessage:
        (envelope,) = self.inbox.mails
        content = envelope.content
        assert isinstance(content, bytes)
        found = message_from_bytes(content, policy=default)
        assert isinstance(found, EmailMessage)
        return found


@asynccontextmanager
async def office(folder: Path, security: MailSecurity) -> AsyncIterator[Office]:
    inbox, logins = Inbox(), list[tuple[bytes, bytes]]()
    serving, trusting = loopback_certificate(folder)

    def judge(
        server: SMTP, session: Session, envelope: Envelope, way: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        logins.append((data.login, data.password))
        return AuthResult(success=data.password == RIGHT.encode(), handled=False)

    def talk() -> SMTP:
        return SMTP(
            inbox,
            authenticator=judge,
            auth_require_tls=security is MailSecurity.STARTTLS,
            tls_context=serving if security is MailSecurity.STARTTLS else None,
        )

    server = await asyncio.get_running_loop().create_server(
        talk, "127.0.0.1", 0, ssl=serving if security is MailSecurity.TLS else None
    )
    async with server:
        yield Office(
            inbox,
            Mailbox(
                host="127.0.0.1",
                port=server.sockets[0].getsockname()[1],
                security=security,
                sender="ctl@example.com",
                recipients=("ops@example.com", "Night Shift <night@example.com>"),
                context=trusting,
            ),
            logins,
        )


@pytest.mark.parametrize("security", list(MailSecurity))
async def test_a_mail_arrives_at_everybody(tmp_path: Path, security: MailSecurity) -> None:
    async with office(tmp_path, security) as there:
        await send(MESSAGE, there.box)
    got = there.only()
    assert got["Subject"] == MESSAGE.title
    assert got["From"] == "ctl@example.com"
    assert got["Message-ID"] == "<letter-1@tillerman.invalid>"
    assert got["Auto-Submitted"] == "auto-generated"
    assert got.get_content().splitlines() == MESSAGE.text.splitlines()
    assert there.inbox.mails[0].rcpt_tos == ["ops@example.com", "night@example.com"]


@pytest.mark.parametrize("security", [MailSecurity.STARTTLS, MailSecurity.TLS])
async def test_the_password_is_given_inside_tls(tmp_path: Path, security: MailSecurity) -> None:
    async with office(tmp_path, security) as there:
        box = replace(there.box, user="ctl", password=RIGHT)
        await send(MESSAGE, box)
        assert there.logins == [(b"ctl", RIGHT.encode())]
        with pytest.raises(NotifyError, match="refuses the mail: 535") as caught:
            await send(MESSAGE, replace(box, password=WRONG))
    assert "canary" not in caught.value.message + repr(box)
    assert caught.value.permanent
    assert len(there.inbox.mails) == 1


async def test_a_server_without_tls_gets_nothing_where_tls_is_wanted(tmp_path: Path) -> None:
    async with office(tmp_path, MailSecurity.NONE) as there:
        box = replace(there.box, security=MailSecurity.STARTTLS, user="ctl", password=RIGHT)
        with pytest.raises(NotifyError, match="offers no TLS"):
            await send(MESSAGE, box)
    assert there.inbox.mails == [] == there.logins


@pytest.mark.parametrize("security", [MailSecurity.STARTTLS, MailSecurity.TLS])
async def test_a_certificate_that_nobody_trusts_ends_it(
    tmp_path: Path, security: MailSecurity
) -> None:
    async with office(tmp_path, security) as there:
        box = replace(there.box, context=ssl.create_default_context())
        with pytest.raises(NotifyError, match="is not trusted"):
            await send(MESSAGE, box)
    assert there.inbox.mails == []


async def test_a_certificate_of_another_host_ends_it(tmp_path: Path) -> None:
    async with office(tmp_path, MailSecurity.STARTTLS) as there:
        box = replace(there.box, host="localhost")
        with pytest.raises(NotifyError, match="is not trusted"):
            await send(MESSAGE, box)
    assert there.inbox.mails == []


async def test_a_password_is_never_sent_in_clear_to_another_machine() -> None:
    box = Mailbox(
        host="mail.example.com",
        port=25,
        security=MailSecurity.NONE,
        user="ctl",
        password=WRONG,
        sender="a@example.com",
        recipients=("b@example.com",),
    )
    with pytest.raises(NotifyError, match="in clear") as caught:
        await send(MESSAGE, box)
    assert caught.value.permanent


@pytest.mark.parametrize(
    ("reply", "permanent"),
    [("451 later canary", False), ("552 too large", True), ("554 no", True), ("421 bye", False)],
)
async def test_the_reply_says_whether_to_try_again(
    tmp_path: Path, reply: str, permanent: bool
) -> None:
    async with office(tmp_path, MailSecurity.NONE) as there:
        there.inbox.reply = reply
        with pytest.raises(NotifyError) as caught:
            await send(MESSAGE, there.box)
    assert caught.value.permanent is permanent
    assert "canary" not in caught.value.message


async def test_a_recipient_that_is_refused_is_told(tmp_path: Path) -> None:
    async with office(tmp_path, MailSecurity.NONE) as there:
        there.inbox.refuse = frozenset({"night@example.com"})
        with pytest.raises(NotifyError, match="refuses the recipients: 550"):
            await send(MESSAGE, there.box)
    assert there.inbox.mails[0].rcpt_tos == ["ops@example.com"]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nobody",
        "a@example.com\r\nBcc: x@example.com",
        "a@b, c@d",
        "a@example.com\n",
        "@x",
        "a@",
    ],
)
async def test_an_address_cannot_bring_further_headers(address: str) -> None:
    box = Mailbox(host="127.0.0.1", port=1, sender="a@example.com", recipients=("b@example.com",))
    for bad in (replace(box, sender=address), replace(box, recipients=(address,))):
        with pytest.raises(NotifyError, match=r"is none|cannot be written"):
            mail.mail_of(MESSAGE, bad)


async def test_a_title_cannot_bring_further_headers(tmp_path: Path) -> None:
    evil = replace(MESSAGE, title="x\r\nBcc: thief@example.com\r\n\r\nbody")
    box = Mailbox(host="127.0.0.1", port=1, sender="a@example.com", recipients=("b@example.com",))
    with pytest.raises(NotifyError, match="cannot be written"):
        mail.mail_of(evil, box)


async def test_dots_and_long_lines_arrive_as_they_are(tmp_path: Path) -> None:
    text = ".\r\n..\nQUIT\n" + "y" * 3000 + "\n\u00fc" * 3
    async with office(tmp_path, MailSecurity.NONE) as there:
        await send(replace(MESSAGE, text=text), there.box)
    assert there.only().get_content().splitlines() == text.splitlines()


@contextmanager
def a_server(*said: bytes, drips: bool = False) -> Iterator[int]:
    """Say some lines to whoever connects, then nothing more, or an octet now and then for ever."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()
    held: list[socket.socket] = []

    def serve() -> None:
        connected, _ = listener.accept()
        held.append(connected)
        for line in said:
            connected.sendall(line)
        while drips and not over.wait(0.02):
            try:
                connected.sendall(b"2")
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        thread.join(5)
        for each in (*held, listener):
            each.close()


@pytest.mark.parametrize(
    ("security", "drips"),
    [*((security, False) for security in MailSecurity), (MailSecurity.NONE, True)],
)
async def test_a_server_that_hangs_or_drips_costs_its_time_and_no_thread(
    security: MailSecurity, drips: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "SECONDS", 0.4)
    with a_server(drips=drips) as port:
        box = Mailbox(
            host="127.0.0.1",
            port=port,
            security=security,
            sender="a@example.com",
            recipients=("b@example.com",),
        )
        with pytest.raises(NotifyError, match="took over"):
            await send(MESSAGE, box)
        free = [mail._THREADS.submit(lambda: None) for _ in range(2 * mail.THREADS)]
        await asyncio.wait_for(asyncio.gather(*map(asyncio.wrap_future, free)), 5)


async def test_nobody_there_is_tried_again() -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    box = Mailbox(host="127.0.0.1", port=port, sender="a@example.com", recipients=("b@x.org",))
    with pytest.raises(NotifyError, match="cannot be talked to") as caught:
        await send(MESSAGE, box)
    assert not caught.value.permanent
