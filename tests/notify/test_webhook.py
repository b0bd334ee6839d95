"""A webhook gets exactly one signed message, and nothing it does holds us up or comes back to people."""

import base64
import hashlib
import hmac
import json
import traceback
from pathlib import Path

import pytest

from controller.notify import exchange
from controller.notify.trouble import NotifyError
from controller.notify.webhook import Webhook, send, signature
from tests.fakes.receivers import drip, flood, hang, http_receiver, pour
from tests.notify.certificate import loopback_certificate
from tests.notify.notes import MESSAGE, NOW

CANARIES = ("canary", "127.0.0.1")


def an_answer(status: int, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} Whatever canary", *headers, "", ""]).encode()


async def refused(webhook: Webhook) -> NotifyError:
    with pytest.raises(NotifyError) as caught:
        await send(MESSAGE, webhook)
    shown = "".join(traceback.format_exception(caught.value)) + repr(webhook)
    said = f"{caught.value.message} {caught.value.hint} {shown}"
    assert not [canary for canary in CANARIES if canary in said]
    return caught.value


async def test_the_document_is_posted_as_json() -> None:
    async with http_receiver() as receiver:
        await send(MESSAGE, Webhook(url=f"{receiver.url}?token=canary"))
    (posted,) = receiver.posted
    assert posted.line == "POST /hooks/canary-path?token=canary HTTP/1.1"
    assert posted.headers["content-type"] == "application/json"
    assert posted.headers["webhook-id"] == "letter-1"
    assert posted.headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert "webhook-signature" not in posted.headers
    assert json.loads(posted.body) == MESSAGE.document
    assert posted.body.isascii()


@pytest.mark.parametrize(
    ("key", "octets"),
    [
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")),
        ("any words", b"any words"),
    ],
)  # fmt: skip
async def test_what_is_posted_is_signed_as_standard_webhooks_says(key: str, octets: bytes) -> None:
    async with http_receiver() as receiver:
        await send(MESSAGE, Webhook(url=receiver.url, key=key))
    (posted,) = receiver.posted
    signed = f"letter-1.{int(NOW.timestamp())}.".encode() + posted.body
    expected = base64.b64encode(hmac.digest(octets, signed, hashlib.sha256)).decode()
    assert posted.headers["webhook-signature"] == f"v1,{expected}"


def test_the_signature_is_the_one_of_the_specification() -> None:
    message = MESSAGE.__class__(
        id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at=NOW.fromtimestamp(1614265330, NOW.tzinfo),
        title="",
        text="",
        document={},
    )
    headers = signature(message, b'{"test": 2432232314}', "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_a_key_that_is_none_is_refused_before_anything_is_sent() -> None:
    async with http_receiver() as receiver:
        error = await refused(Webhook(url=receiver.url, key="whsec_canary!"))
    assert error.permanent
    assert receiver.posted == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422, 302, 304])
async def test_what_is_refused_for_good_is_not_tried_again(status: int) -> None:
    async with http_receiver(an_answer(status)) as receiver:
        error = await refused(Webhook(url=receiver.url))
    assert error.permanent
    assert str(status) in error.message


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_what_fails_for_the_moment_is_tried_again(status: int) -> None:
    async with http_receiver(an_answer(status)) as receiver:
        error = await refused(Webhook(url=receiver.url))
    assert not error.permanent
    assert error.retry_after is None


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120.0),
        ("Sun, 01 Mar 2026 12:05:00 GMT", 300.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("9" * 400, None),
    ],
)
async def test_a_receiver_may_ask_for_more_time(said: str, seconds: float | None) -> None:
    async with http_receiver(an_answer(503, f"Retry-After: {said}")) as receiver:
        error = await refused(Webhook(url=receiver.url))
    assert error.retry_after == seconds


async def test_a_login_in_the_address_is_given_as_a_header_and_never_shown() -> None:
    async with http_receiver(an_answer(307, "Location: /other"), an_answer(500)) as receiver:
        url = receiver.url.replace("127", "ops%40x:canary%2F@127", 1)
        await refused(Webhook(url=url))
    said = {posted.headers["authorization"] for posted in receiver.posted}
    assert said == {f"Basic {base64.b64encode(b'ops@x:canary/').decode()}"}
    assert [posted.headers["host"] for posted in receiver.posted] == [
        receiver.url.split("/")[2]
    ] * 2


async def test_interim_answers_are_skipped() -> None:
    answer = an_answer(100) + an_answer(103, "Link: </x>") + an_answer(200)
    async with http_receiver(answer) as receiver:
        await send(MESSAGE, Webhook(url=receiver.url))


@pytest.mark.parametrize("status", [307, 308])
async def test_a_redirect_is_followed_on_the_same_host(status: int) -> None:
    async with http_receiver(an_answer(status, "Location: /other?x=1")) as receiver:
        await send(MESSAGE, Webhook(url=receiver.url))
    assert [posted.line for posted in receiver.posted] == [
        "POST /hooks/canary-path HTTP/1.1",
        "POST /other?x=1 HTTP/1.1",
    ]
    assert receiver.posted[0].body == receiver.posted[1].body


@pytest.mark.parametrize("where", ["http://{}/x", "//{}/x", "https://{}/x", "ftp://{}/x"])
async def test_a_redirect_to_another_host_gets_nothing(where: str) -> None:
    async with http_receiver() as other:
        host = other.url.split("/")[2]
        answer = an_answer(307, f"Location: {where.format(host)}")
        async with http_receiver(answer) as receiver:
            error = await refused(Webhook(url=receiver.url))
    assert error.permanent
    assert other.posted == []


async def test_a_redirect_without_an_end_is_left() -> None:
    answers = [an_answer(307, "Location: /again")] * 9
    async with http_receiver(*answers) as receiver:
        assert (await refused(Webhook(url=receiver.url))).permanent
    assert len(receiver.posted) == exchange.HOPS + 1


@pytest.mark.parametrize("answer", [hang, drip])
async def test_a_receiver_that_hangs_costs_its_time_and_no_more(
    answer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "SECONDS", 0.3)
    async with http_receiver(answer) as receiver:  # type: ignore[arg-type]
        error = await refused(Webhook(url=receiver.url))
    assert not error.permanent


async def test_an_answer_without_an_end_is_cut() -> None:
    async with http_receiver(flood) as receiver:
        assert "head of over 32 KiB" in (await refused(Webhook(url=receiver.url))).message
    async with http_receiver(pour) as receiver:
        await send(MESSAGE, Webhook(url=receiver.url))


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 20", b"HTTP/1.1 \xb2\xb2\xb2\r\n\r\n"]
)  # fmt: skip
async def test_what_is_no_answer_is_tried_again(answer: bytes) -> None:
    async with http_receiver(answer) as receiver:
        assert not (await refused(Webhook(url=receiver.url))).permanent


async def test_nobody_there_is_tried_again() -> None:
    async with http_receiver() as receiver:
        url = receiver.url
    assert "cannot be reached" in (await refused(Webhook(url=url))).message
    error = await refused(Webhook(url="http://canary.invalid/canary"))
    assert not error.permanent


@pytest.mark.parametrize(
    "url",
    ["", "http://", "ftp://canary/x", "http://canary:99999/", "http://canary/a b", "http://[canary/", "http://canary/\r\nX: y", "http://can\u00e4ry/", "http://canary/" + "x" * 9000],
)  # fmt: skip
async def test_an_address_that_is_none_is_refused(url: str) -> None:
    assert (await refused(Webhook(url=url))).permanent


async def test_https_is_trusted_only_with_a_certificate_that_counts(tmp_path: Path) -> None:
    serving, trusting = loopback_certificate(tmp_path)
    async with http_receiver(context=serving) as receiver:
        await send(MESSAGE, Webhook(url=receiver.url, context=trusting))
        error = await refused(Webhook(url=receiver.url))
        assert "certificate is not trusted" in error.message
        other = receiver.url.replace("127.0.0.1", "localhost")
        assert "not trusted" in (await refused(Webhook(url=other, context=trusting))).message
        plain = receiver.url.replace("https", "http")
        assert not (await refused(Webhook(url=plain))).permanent
    assert len(receiver.posted) == 1
