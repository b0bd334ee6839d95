"""Who has to leave the lobby when others wait."""

from __future__ import annotations

from dataclasses import dataclass

from controller.agent.lobby import SILENT, SPEAKING, Lobby


@dataclass(eq=False)
class One:
    since: float | None = 0.0
    spoke: bool = False


def test_who_says_nothing_leaves_before_who_speaks() -> None:
    lobby: Lobby[One] = Lobby(2)
    silent, speaking = One(), One(spoke=True)
    lobby.enter(speaking, "a")
    lobby.enter(silent, "a")
    assert lobby.full
    assert lobby.overdue(SILENT / 2, 9) == []
    assert lobby.overdue(SILENT, 9) == [silent]
    assert lobby.overdue(SPEAKING, 9) == [speaking, silent]


def test_the_busiest_address_leaves_first() -> None:
    lobby: Lobby[One] = Lobby(9)
    alone = One(spoke=True)
    crowd = [One(spoke=True) for _ in range(3)]
    lobby.enter(alone, "quiet")
    for one in crowd:
        lobby.enter(one, "busy")
    assert lobby.overdue(1, 3) == crowd
    assert lobby.overdue(1, 2) == crowd[:2]


def test_who_could_not_be_heard_yet_stays() -> None:
    lobby: Lobby[One] = Lobby(9)
    lobby.enter(One(since=None), "a")
    assert lobby.overdue(1e9, 9) == []
    assert lobby.next_due() is None


def test_the_next_who_is_due_is_known() -> None:
    lobby: Lobby[One] = Lobby(9)
    lobby.enter(One(since=5.0, spoke=True), "a")
    lobby.enter(One(since=5.1), "b")
    assert lobby.next_due() == 5.1 + SILENT


def test_nobody_leaves_twice() -> None:
    lobby: Lobby[One] = Lobby(1)
    one = One()
    lobby.enter(one, "a")
    assert lobby.leave(one, "a")
    assert not lobby.leave(one, "a")
    assert (len(lobby), lobby.full) == (0, False)
