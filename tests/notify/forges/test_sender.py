"""Statuses on their way to forges that behave as the real ones do, or badly."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from controller.clock import SystemClock
from controller.model.ids import Sha
from controller.notify import exchange
from controller.notify.forges.requests import Forge
from controller.notify.forges.sender import StatusSender
from controller.notify.forges.statuses import Light, Status
from controller.notify.trouble import NotifyError
from tests.fakes.forges import ABOUT, PATHS, SHA, TOKEN, fake_forge

pytestmark = pytest.mark.real
KINDS = ["github", "gitlab", "gitea"]


def status(light: Light = Light.SUCCESS) -> Status:
    return Status(state=light, description="1 server", context="ctl/shop")


@pytest.fixture
def sender() -> StatusSender:
    return StatusSender(SystemClock())


@pytest.mark.parametrize("kind", KINDS)
async def test_a_forge_is_asked_once_what_it_is_and_then_told(
    sender: StatusSender, kind: str
) -> None:
    with fake_forge(kind) as forge:
        for light in (Light.PENDING, Light.PENDING, Light.FAILURE, Light.ERROR, Light.SUCCESS):
            await sender.post(forge.url, Sha(SHA), status(light), token=TOKEN)
        assert forge.asked.count(f"GET {ABOUT[kind]}") == 1
        assert forge.asked[-5:] == [f"POST {PATHS[kind]}"] * 5
        assert len(forge.posted) == (4 if kind == "gitlab" else 5)
        assert forge.posted[-1]["state"] == "success"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_wrong_token_is_told_with_its_remedy_and_never_shown(
    sender: StatusSender, kind: str
) -> None:
    wrong = "canary-wrong-token"
    with fake_forge(kind) as forge, pytest.raises(NotifyError, match="it answers 401") as refusal:
        await sender.post(forge.url, Sha(SHA), status(), token=wrong)
    assert refusal.value.permanent
    assert "the token needs" in (refusal.value.hint or "")
    assert wrong not in f"{refusal.value!r} {refusal.value.hint}"


async def test_gitea_may_lie_in_a_folder_of_its_host(sender: StatusSender) -> None:
    with fake_forge("gitea", below="/git") as forge:
        await sender.post(forge.url, Sha(SHA), status(), token=TOKEN)
        assert len(forge.posted) == 1


async def test_a_forge_that_was_named_is_not_asked(sender: StatusSender) -> None:
    with fake_forge("gitlab") as forge:
        await sender.post(forge.url, Sha(SHA), status(), token=TOKEN, forge=Forge.GITLAB)
        assert forge.asked == [f"POST {PATHS['gitlab']}"]


async def test_no_forge_at_all_is_told_for_good_and_a_busy_one_is_not(
    sender: StatusSender,
) -> None:
    with fake_forge("gitea") as forge:
        forge.about = (503, {"Retry-After": "5"})
        with pytest.raises(NotifyError, match="it answers 503") as refusal:
            await sender.post(forge.url, Sha(SHA), status(), token=TOKEN)
        assert not refusal.value.permanent
        forge.about = (200, {"Content-Type": "text/html"})
        with pytest.raises(NotifyError, match="it is neither a GitHub") as refusal:
            await sender.post(forge.url, Sha(SHA), status(), token=TOKEN)
        assert refusal.value.permanent
        assert forge.posted == []


async def test_a_redirect_takes_the_token_nowhere(sender: StatusSender) -> None:
    with fake_forge("gitea") as other, fake_forge("gitea") as forge:
        for code in (301, 302, 307, 308):
            forge.instead = (code, {"Location": other.url})
            with pytest.raises(NotifyError) as refusal:
                await sender.post(forge.url, Sha(SHA), status(), token=TOKEN)
            assert refusal.value.permanent
        assert other.asked == []


@contextmanager
def answering(data: bytes | None) -> Iterator[str]:
    """Answer every connection with some bytes, None: with silence."""
    server = socket.create_server(("127.0.0.1", 0))
    peers: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                peer, _ = server.accept()
                peers.append(peer)
                if data is not None:
                    peer.recv(65536)
                    peer.sendall(data)
                    peer.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/acme/shop.git"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()
        for peer in peers:
            peer.close()


@pytest.mark.parametrize(
    "data",
    [None, b"", b"\xff\x00 no http\r\n\r\n", b"HTTP/1.1 2", b"HTTP/1.1 201 " + b"x" * 1_000_000],
)
async def test_a_forge_that_stalls_or_talks_nonsense_is_given_up_for_now(
    sender: StatusSender, data: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "SECONDS", 0.5)
    with answering(data) as url, pytest.raises(NotifyError) as refusal:
        await sender.post(url, Sha(SHA), status(), token=TOKEN, forge=Forge.GITEA)
    assert not refusal.value.permanent


async def test_nobody_there_is_worth_another_try(sender: StatusSender) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(NotifyError) as refusal:
        await sender.post(f"http://127.0.0.1:{port}/a/b", Sha(SHA), status(), token=TOKEN)
    assert not refusal.value.permanent
