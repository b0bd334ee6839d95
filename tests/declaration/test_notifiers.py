import pytest

from controller.model.notice import Occasion
from controller.model.notifier import USUAL, MailSecurity, NotifierKind, Smtp
from tests.declaration.trees import declared, findings, loaded

SECRETS = "secrets: {ops-url: {env: A}, key: {env: B}, mail: {env: C}}\n"
MAIL = "host: mail.example.com, from: ctl@example.com, to: [ops@example.com]"


def notifier(keys: str) -> str:
    return SECRETS + f"notifiers: {{ops: {{{keys}}}}}\n"


def test_a_notifier_that_names_no_events_tells_what_somebody_should_look_at() -> None:
    made = declared(notifier("url: {secret: ops-url}")).notifiers["ops"]
    assert (made.kind, made.url, made.sign, made.repeat) == (
        NotifierKind.URL,
        "ops-url",
        None,
        None,
    )
    assert made.events == USUAL
    assert Occasion.STARTED not in made.events


def test_events_key_and_repetition_are_kept() -> None:
    text = "url: {secret: ops-url}, sign: {secret: key}, events: [failed, before-step], repeat: 1h"
    made = declared(notifier(text)).notifiers["ops"]
    assert made.events == {Occasion.FAILED, Occasion.BEFORE_STEP}
    assert (made.sign, made.repeat) == ("key", 3_600.0)


@pytest.mark.parametrize(
    ("more", "port", "security"),
    [
        ("", 587, MailSecurity.STARTTLS),
        (", security: tls", 465, MailSecurity.TLS),
        (", security: none", 25, MailSecurity.NONE),
        (", security: tls, port: 2465", 2465, MailSecurity.TLS),
    ],
)
def test_mail_goes_to_the_port_of_its_security(
    more: str, port: int, security: MailSecurity
) -> None:
    made = declared(notifier(f"smtp: {{{MAIL}{more}}}")).notifiers["ops"]
    assert made.kind is NotifierKind.SMTP
    assert made.smtp == Smtp(
        host="mail.example.com",
        port=port,
        security=security,
        sender="ctl@example.com",
        recipients=("ops@example.com",),
    )


def test_a_login_names_the_secret_of_its_password() -> None:
    made = declared(notifier(f"smtp: {{{MAIL}, user: ctl, password: {{secret: mail}}}}"))
    smtp = made.notifiers["ops"].smtp
    assert smtp is not None
    assert (smtp.user, smtp.password) == ("ctl", "mail")


def test_a_command_is_kept_word_by_word() -> None:
    made = declared(notifier("exec: [/usr/local/bin/tell, '--to=the team']")).notifiers["ops"]
    assert (made.kind, made.exec) == (
        NotifierKind.EXEC,
        ("/usr/local/bin/tell", "--to=the team"),
    )


def test_targets_name_notifiers() -> None:
    text = notifier("url: {secret: ops-url}") + (
        "tasks: {t: {run: x}}\nservers: {s: {}}\n"
        "targets: {x: {servers: all, task: t, notify: [ops]}}\n"
    )
    assert declared(text).targets["x"].notify == ("ops",)
    result = loaded(text.replace("notify: [ops]", "notify: [opps]"))
    assert findings(result) == ["inventory/all.yaml:5:47 unknown-notifier"]
    assert result.diagnostics[0].hint == "did you mean ops?"


def test_whoever_uses_an_earlier_name_is_told_the_new_one() -> None:
    text = notifier("url: {secret: ops-url}, was: people") + (
        "tasks: {t: {run: x}}\nservers: {s: {}}\n"
        "targets: {x: {servers: all, task: t, notify: [people]}}\n"
    )
    assert loaded(text).diagnostics[0].hint == "it is now called ops"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("", "2:13 wrong-value"),
        ("url: {secret: ops-url}, exec: [a]", "2:13 wrong-value"),
        ("exec: [a], sign: {secret: key}", "2:13 wrong-value"),
        ("url: {secret: ops-urls}", "2:33 unknown-secret"),
        ("url: https://example.com", "2:24 wrong-type"),
        ("url: {secret: ops-url}, sign: {secret: none}", "2:58 unknown-secret"),
        ("url: {secret: ops-url}, events: [faild]", "2:52 wrong-value"),
        ("url: {secret: ops-url}, events: []", "2:51 wrong-value"),
        ("url: {secret: ops-url}, repeat: 1s", "2:51 wrong-value"),
        ("exec: []", "2:25 wrong-value"),
        (f"smtp: {{{MAIL}, user: ctl}}", "2:96 missing-key"),
        (f"smtp: {{{MAIL}, password: {{secret: mail}}}}", "2:96 missing-key"),
        (
            f"smtp: {{{MAIL}, user: u, password: {{secret: mail}}, security: none}}",
            "2:131 unsafe-password",
        ),
        ("smtp: {host: mail.example.com, from: a@b, to: []}", "2:65 wrong-value"),
        ('smtp: {host: h, from: "a@b\\nBcc: c@d", to: [a@b]}', "2:41 wrong-value"),
        ("smtp: {host: '-h', from: a@b, to: [a@b]}", "2:32 wrong-value"),
    ],
)
def test_what_is_wrong_with_a_notifier_is_told_at_its_key(keys: str, expected: str) -> None:
    assert f"inventory/all.yaml:{expected}" in findings(loaded(notifier(keys)))
