"""Apprise is loaded when it is needed, gets one address at a time, and never says one."""

import importlib.util
import json
import logging

import pytest

from controller.notify import apprise
from controller.notify.apprise import Service, send
from controller.notify.trouble import NotifyError
from tests.fakes.receivers import hang, http_receiver
from tests.notify.notes import MESSAGE

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")  # of the library's own


def an_address(url: str) -> Service:
    return Service(url=url.replace("http://", "json://"))


async def test_without_the_library_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(NotifyError, match="not installed") as caught:
        await send(MESSAGE, Service(url="tgram://canary/canary"))
    assert caught.value.permanent
    assert "tillerman[apprise]" in (caught.value.hint or "")
    assert "canary" not in f"{caught.value.message} {caught.value.hint}"


async def test_a_message_arrives_over_a_service() -> None:
    pytest.importorskip("apprise")
    async with http_receiver(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as receiver:
        await send(MESSAGE, an_address(receiver.url))
    (posted,) = receiver.posted
    got = json.loads(posted.body)
    assert (got["title"], got["message"]) == (MESSAGE.title, MESSAGE.text)


async def test_what_a_service_refuses_is_told_without_its_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pytest.importorskip("apprise")
    caplog.set_level(logging.DEBUG, logger="apprise")
    answer = b"HTTP/1.1 500 canary\r\nContent-Length: 0\r\n\r\n"
    async with http_receiver(answer) as receiver:
        with pytest.raises(NotifyError, match="did not take") as caught:
            await send(MESSAGE, an_address(receiver.url))
    assert not caught.value.permanent
    assert "canary" not in caught.value.message + caplog.text


async def test_an_address_that_nobody_knows_is_refused_for_good() -> None:
    pytest.importorskip("apprise")
    with pytest.raises(NotifyError, match="does not know") as caught:
        await send(MESSAGE, Service(url="canary-service://x"))
    assert caught.value.permanent


async def test_a_service_that_hangs_costs_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("apprise")
    monkeypatch.setattr(apprise, "SECONDS", 0.3)
    async with http_receiver(hang) as receiver:
        with pytest.raises(NotifyError, match="took over"):
            await send(MESSAGE, an_address(receiver.url))
