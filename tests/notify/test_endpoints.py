"""An address in a secret goes to the sender that understands it, and is never shown."""

import pytest

from controller.model.notifier import MailSecurity
from controller.notify.apprise import Service
from controller.notify.endpoints import endpoint_of, mailbox_of
from controller.notify.mail import Mailbox
from controller.notify.trouble import NotifyError
from controller.notify.webhook import Webhook

PASSWORD = "p/w:"  # noqa: S105 - of nobody


def test_the_scheme_chooses_the_sender() -> None:
    assert endpoint_of("https://canary/x", key="k") == Webhook(url="https://canary/x", key="k")
    assert endpoint_of("HTTP://canary/x") == Webhook(url="HTTP://canary/x")
    assert endpoint_of("tgram://canary/1") == Service(url="tgram://canary/1")
    assert isinstance(endpoint_of("smtp://h?from=a@x&to=b@x"), Mailbox)
    shown = repr([endpoint_of("https://canary/x", key="canary"), endpoint_of("tgram://canary")])
    assert "canary" not in shown


def test_a_mail_address_names_everything() -> None:
    text = "smtps://ops%40x:p%2Fw%3A@mail.example.com:2465?from=ctl@example.com&to=a@x.org,b@x.org"
    assert mailbox_of(text) == Mailbox(
        host="mail.example.com",
        port=2465,
        security=MailSecurity.TLS,
        user="ops@x",
        password=PASSWORD,
        sender="ctl@example.com",
        recipients=("a@x.org", "b@x.org"),
    )
    assert PASSWORD not in repr(mailbox_of(text))


@pytest.mark.parametrize(
    ("text", "security", "port"),
    [
        ("smtp://h?from=a@x&to=b@x", MailSecurity.STARTTLS, 587),
        ("smtps://h?from=a@x&to=b@x", MailSecurity.TLS, 465),
        ("smtp://h?from=a@x&to=b@x&security=none", MailSecurity.NONE, 25),
        ("smtp://h?from=a@x&to=b@x&security=tls", MailSecurity.TLS, 465),
    ],
)
def test_a_mail_address_has_usual_ports(text: str, security: MailSecurity, port: int) -> None:
    box = mailbox_of(text)
    assert (box.security, box.port) == (security, port)


@pytest.mark.parametrize(
    "text",
    [
        "smtp://",
        "smtp://canary",
        "smtp://canary?from=a@x",
        "smtp://canary?to=a@x",
        "smtp://canary?from=a@x&to=,",
        "smtp://canary?from=a@x&to=b@x&security=perhaps",
        "smtp://canary?from=a@x&to=b@x&cc=c@x",
        "smtps://canary?from=a@x&to=b@x&security=none",
        "smtp://canary:port?from=a@x&to=b@x",
        "smtp://[canary?from=a@x&to=b@x",
        "smtp://canary?" + "to=b@x&" * 99,
    ],
)
def test_a_mail_address_that_nobody_could_write_to_is_refused(text: str) -> None:
    with pytest.raises(NotifyError, match="cannot be read") as caught:
        mailbox_of(text)
    assert caught.value.permanent
    assert "canary" not in f"{caught.value.message} {caught.value.hint}"
