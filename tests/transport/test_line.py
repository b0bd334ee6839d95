"""One line to a `sh`: what becomes of its first words."""

import pytest

from controller.errors import SessionLostError, TransportError, Unreachable
from controller.transport.lines import Lines


class HungUp:
    """A channel whose other end has said something on standard error and gone, before anything could be sent."""

    def __init__(self, said: str) -> None:
        self._said = said

    async def read(self, limit: int) -> bytes:
        return b""

    async def write(self, data: bytes) -> None:
        raise SessionLostError("channel not open for sending", cause=Unreachable.LOST)

    async def complaint(self) -> str:
        return self._said

    async def close(self) -> None:
        return


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("sudo: a password is required", Unreachable.SUDO),
        ("sh: not found", Unreachable.VERSION),
        ("", Unreachable.LOST),
    ],
)
async def test_who_hangs_up_before_all_was_sent_is_still_heard(
    said: str, cause: Unreachable
) -> None:
    async def channel() -> HungUp:
        return HungUp(said)

    lines = Lines(channel, server="one", nonce=lambda: "n")
    with pytest.raises(TransportError, match=said or "not open") as caught:
        await lines.open(lambda _: None)
    assert caught.value.cause is cause
