"""News are written in order, and none is lost while the state is out of reach, up to a bound that is counted."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import pytest

from controller.errors import StateAwayError
from controller.reconcile.loop import news
from controller.reconcile.loop.news import News
from controller.store.memory_talk import MemoryNewsroom
from tests.fakes.clocks import FakeClock


class Away(MemoryNewsroom):
    """A newsroom that is out of reach for a while; somebody tells further news meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.away = True
        self.meanwhile: list[str] = []
        self.telling: News | None = None

    async def append(
        self, at: datetime, items: Sequence[tuple[str, str, Mapping[str, object]]]
    ) -> int:
        for name in self.meanwhile:
            if self.telling is not None:
                self.telling.tell("run", name)
        self.meanwhile = []
        if self.away:
            raise StateAwayError("the database is away")
        return await super().append(at, items)


async def names(room: Away) -> list[str]:
    return [one.name for one in await room.after(0)]


async def test_what_cannot_be_written_is_written_later_in_its_order() -> None:
    room = Away()
    told = room.telling = News(room, FakeClock())
    told.tell("run", "1")
    told.tell("run", "2")
    room.meanwhile = ["3"]
    with pytest.raises(StateAwayError):
        await told.write()
    room.away = False
    await told.flush()
    assert await names(room) == ["1", "2", "3"]
    assert told.dropped == 0


async def test_of_too_many_the_oldest_go_and_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news, "MOST", 3)
    room = Away()
    told = room.telling = News(room, FakeClock())
    for name in ("1", "2", "3"):
        told.tell("run", name)
    room.meanwhile = ["4", "5"]
    with pytest.raises(StateAwayError):
        await told.flush()
    room.away = False
    await told.flush()
    assert await names(room) == ["3", "4", "5"]
    assert told.dropped == 2
