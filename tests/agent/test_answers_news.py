"""News that no controller can miss, and the deleting of what is old."""

import asyncio
import time
from pathlib import Path

import pytest

from controller.agent.errors import AgentError
from controller.agent.news import BLOCK, News
from controller.wire.messages.attempts import (
    Attempt,
    Discard,
    GetAttempt,
    PauseAttempt,
    ResumeAttempt,
    StopAttempt,
)
from controller.wire.messages.news import Changed
from controller.wire.messages.server import Done
from tests.agent.answers_room import Room, until

pytestmark = pytest.mark.real


def phases(news: object) -> list[tuple[str, bool]]:
    return [(one.phase, one.paused) for one in news if isinstance(one, Changed)]  # type: ignore[attr-defined]


async def test_every_change_is_told_in_order(closed: Room) -> None:
    answers = await closed.open(workers=1)
    heard: list[object] = []
    end = answers.listen(heard.append)
    one = await closed.start("sleep 60")
    await closed.ask(PauseAttempt(attempt=one.id), Attempt)
    await closed.ask(ResumeAttempt(attempt=one.id), Attempt)
    await closed.ask(StopAttempt(attempt=one.id, grace=0.1), Attempt)
    await until(lambda: len(heard) == 4)
    assert phases(heard) == [
        ("running", False),
        ("running", True),
        ("running", False),
        ("ended", False),
    ]
    numbers = [one.number for one in heard if isinstance(one, Changed)]
    assert numbers == sorted(set(numbers))
    end()
    end()
    await closed.run("true")
    assert len(heard) == 4


async def test_a_hold_that_ends_by_itself_is_told(closed: Room) -> None:
    answers = await closed.open()
    heard: list[object] = []
    answers.listen(heard.append)
    one = await closed.start("sleep 60")
    await closed.ask(PauseAttempt(attempt=one.id, seconds=0.2), Attempt)
    await until(lambda: phases(heard)[-2:] == [("running", True), ("running", False)])
    await closed.ask(StopAttempt(attempt=one.id, grace=0.1), Attempt)


async def test_only_the_newest_of_an_attempt_is_kept_until_it_is_noted(room: Room) -> None:
    names = [(await room.run("true")).id for _ in range(3)]
    assert room.answers is not None
    answers = room.answers
    await until(lambda: [phase for phase, _ in phases(answers.unnoted())] == ["ended"] * 3)
    first, second, third = (one for one in answers.unnoted() if isinstance(one, Changed))
    assert [first.attempt, second.attempt, third.attempt] == names
    answers.noted(second.number)
    assert answers.unnoted() == (third,)
    answers.noted(second.number - 1)
    assert answers.unnoted() == (third,)


async def test_what_was_not_noted_is_told_again_after_a_restart(room: Room) -> None:
    names = [(await room.run("true")).id for _ in range(2)]
    assert room.answers is not None
    before = room.answers
    await until(lambda: len([one for one in phases(before.unnoted()) if one[0] == "ended"]) == 2)
    first = before.unnoted()[0]
    assert isinstance(first, Changed)
    highest = max(one.number for one in before.unnoted() if isinstance(one, Changed))
    before.noted(first.number)
    answers = await room.again()
    await until(lambda: len(answers.unnoted()) == 1)
    (left,) = answers.unnoted()
    assert isinstance(left, Changed)
    assert (left.attempt, left.phase) == (names[1], "ended")
    assert left.number > highest
    await room.ask(Discard(attempts=tuple(names)), Done)
    assert answers.unnoted() == ()


def test_no_number_is_given_twice_whatever_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "news"
    numbers: list[int] = []
    for _ in range(3):
        news = News(path)
        news.open([])
        for n in range(BLOCK // 2 + 10):
            news.changed(f"a{n}", "j", "running")
        numbers += [one.number for one in news.unnoted()]
    assert numbers == sorted(set(numbers))


def test_a_torn_file_of_news_forgets_no_number_and_notes_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "news"
    news = News(path)
    news.open([])
    news.changed("a.10", "j", "ended")
    news.noted(1)
    path.write_bytes(path.read_bytes()[:-2])  # a.10 became a.1
    again = News(path)
    again.open(["a.1", "a.10"])
    assert not again.is_noted("a.1")
    assert not again.is_noted("a.10")
    again.changed("x", "j", "running")
    (one,) = again.unnoted()
    assert one.number > BLOCK


def test_a_place_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "news").mkdir()
    with pytest.raises(AgentError):
        News(tmp_path / "news").open([])


async def test_what_ended_long_ago_is_deleted_and_known(closed: Room) -> None:
    answers = await closed.open(keep=1)
    old = await closed.run("echo x > $CTL_WORKSPACE/x; echo said; exit 3")
    both = [await closed.run("true", job=f"{closed.job}b") for _ in range(2)]
    going = await closed.start("sleep 60", job=f"{closed.job}b")
    jobs = closed.folder / "state" / "jobs"
    await asyncio.sleep(1.2)
    await answers._retention.look()
    assert sorted(one.name for one in jobs.iterdir()) == [f"{closed.job}b"]
    assert await closed.output(old.id) == b""
    known = await closed.ask(GetAttempt(attempt=old.id), Attempt)
    assert (known.phase, known.exit_code) == ("ended", 3)
    assert [await closed.output(one.id) for one in both] == [b"", b""]
    assert (await closed.ask(GetAttempt(attempt=going.id), Attempt)).phase == "running"
    await closed.ask(StopAttempt(attempt=going.id, grace=0.1), Attempt)


async def test_a_round_deletes_a_bounded_piece(
    closed: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.agent.retention.MOST", 3)
    answers = await closed.open(keep=1)
    for n in range(5):
        await closed.run("true", job=f"{closed.job}.{n // 4}")
    await asyncio.sleep(1.1)
    assert [await answers._retention.look() for _ in range(4)] == [3, 2, 0, 0]
    assert list((closed.folder / "state" / "jobs").iterdir()) == []


async def test_a_folder_of_a_job_that_nobody_knows_goes_too(closed: Room) -> None:
    answers = await closed.open(keep=1)
    ended = await closed.run("true")
    await closed.ask(Discard(attempts=(ended.id,)), Done)
    jobs = closed.folder / "state" / "jobs"
    assert [one.name for one in jobs.iterdir()] == [closed.job]
    await asyncio.sleep(max(0.0, 1.1 - (time.time() - (jobs / closed.job).stat().st_mtime)))
    await answers._retention.look()
    assert list(jobs.iterdir()) == []
