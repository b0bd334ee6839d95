"""The daemon over real TLS: requests, streams, news, and what goes wrong in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.wire.messages.server import GetPool, Pool
from tests.agent.daemon_room import Room, make_room
from tests.fakes.agents import dial, who


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return make_room(tmp_path)


async def test_a_request_is_answered_for_whom_the_certificate_names(room: Room) -> None:
    async with room.run(), dial(room.port, who(room.place, "ana")) as peer:
        assert await peer.ask(GetPool()) == Pool(workers=1)
        asker, _ = room.answers.asked[0]
        serial = room.place.ledger.live("ana", room.place.now)[0].serial
        assert (asker.name, asker.role, asker.serial) == ("ana", "user", serial)
