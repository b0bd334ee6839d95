"""From a notice to its receiver: written once, sent together, tried again, given up, and nothing of a secret anywhere."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from controller.model.diagnostic import Diagnostic
from controller.model.notice import Delivery, Letter, Notice, Occasion
from controller.notify import exchange
from controller.reconcile.loop import outbox
from controller.reconcile.loop.notices import Noticeboard
from controller.reconcile.loop.result import NOT_YET, After, Done, Result
from controller.store import bounds
from controller.store.ports_serving import Outbox
from tests.fakes.receivers import Answering, Receiver, hang, http_receiver
from tests.reconcile.loop.small_world import SmallWorld, small_world

FAILED = b"HTTP/1.1 503 canary\r\nRetry-After: 100\r\n\r\n"
GONE = b"HTTP/1.1 410 canary\r\n\r\n"


@dataclass(slots=True)
class Office:
    """A world with an outbox, and the receivers of its notifiers by name."""

    town: SmallWorld
    board: Noticeboard
    receivers: dict[str, Receiver]

    async def post(self, number: int = 1, **changes: object) -> None:
        """Tell that a server is down."""
        await self.board.post(self.notice(number, **changes))

    async def back(self, number: int = 1) -> None:
        """Tell that a server is back."""
        notice = self.notice(number, occasion=Occasion.RECOVERED, problem=None)
        notice = replace(notice, title=f"web-{number} is back")
        await self.board.over(notice.subject, "unreachable", notice)

    def notice(self, number: int, **changes: object) -> Notice:
        values: dict[str, object] = {
            "id": self.town.world.rooms.ids(),
            "at": self.town.now,
            "occasion": Occasion.UNREACHABLE,
            "subject": f"server/web-{number}",
            "title": f"web-{number} is down",
            "problem": "unreachable",
        }
        return Notice(**(values | changes))  # type: ignore[arg-type]

    async def round(self, seconds: float = 31.0) -> Result:
        """Let time pass and send what is due."""
        self.town.pass_time(seconds)
        return await outbox.reconcile(self.town.world, "")

    async def letters(self) -> tuple[Letter, ...]:
        """List all letters, oldest first."""
        return tuple(reversed(await self.town.world.rooms.store.outbox.list(limit=1000)))

    async def states(self) -> list[str]:
        return [letter.state.value for letter in await self.letters()]

    def titles(self, name: str = "ops") -> list[str]:
        return [json.loads(posted.body)["title"] for posted in self.receivers[name].posted]


@asynccontextmanager
async def office(
    folder: Path, *, more: str = "", **answers: tuple[bytes | Answering, ...]
) -> AsyncIterator[Office]:
    """Open an office whose notifiers get these answers."""
    async with AsyncExitStack() as stack:
        receivers: dict[str, Receiver] = {}
        secrets, notifiers = "", ""
        for name, replies in (answers or {"ops": ()}).items():
            receivers[name] = await stack.enter_async_context(http_receiver(*replies))
            path = folder / f"{name}.url"
            await asyncio.to_thread(path.write_text, receivers[name].url)
            secrets += f"{name}-url: {{file: {path}}}, "
            notifiers += f"{name}: {{url: {{secret: {name}-url}}}}, "
        town = await stack.enter_async_context(small_world(folder / "house"))
        await town.declare(
            f"secrets: {{{secrets}}}\nnotifiers: {{{notifiers}{more}}}\n"
            "tasks: {note: {run: 'true'}}\ntargets: {shop: {servers: all, task: note}}\n",
            servers=400,
        )
        rooms, force, queue = town.world.rooms, town.world.force, town.queue
        board = Noticeboard(rooms.store.outbox, force, queue, rooms.clock, rooms.masker)
        town.world.notices = board
        yield Office(town, board, receivers)


async def test_an_outage_is_one_message_and_its_end_another(tmp_path: Path) -> None:
    async with office(tmp_path) as there:
        for number in range(1, 13):
            await there.post(number)
        assert "outbox" in there.town.queue.news()
        assert await there.round(29) == After(1.0, "messages wait")
        assert there.titles() == []
        assert await there.round(1) == Done()
        assert there.titles() == ["12 servers unreachable: web-[1:12]"]
        assert sorted(await there.states()) == ["merged"] * 11 + ["sent"]
        for number in range(1, 13):
            await there.back(number)
        await there.round(301)
        assert there.titles()[1:] == ["12 servers well again: web-[1:12]"]
        assert sorted(await there.states()) == ["merged"] * 22 + ["sent"] * 2


async def test_what_is_found_of_an_outage_later_comes_a_while_later(tmp_path: Path) -> None:
    async with office(tmp_path) as there:
        await there.post(1)
        await there.round()
        for number in range(2, 9):
            await there.post(number)
            result = await there.round(35)
            assert isinstance(result, After)
        assert there.titles() == ["web-1 is down"]
        await there.round(300)
        assert there.titles()[1:] == ["7 servers unreachable: web-[2:8]"]


async def test_a_receiver_hears_of_what_its_notifier_wants_and_no_more(tmp_path: Path) -> None:
    more = "dev: {url: {secret: ops-url}, events: [started]}"
    async with office(tmp_path, more=more) as there:
        await there.post(1)
        assert [letter.receiver for letter in await there.letters()] == ["notifier/ops"]


async def test_a_letter_is_tried_again_until_it_is_taken(tmp_path: Path) -> None:
    async with office(tmp_path, ops=(FAILED, FAILED)) as there:
        await there.post(1)
        result = await there.round()
        assert isinstance(result, After)
        assert result.seconds == pytest.approx(100, abs=0.1)
        (letter,) = await there.letters()
        assert (letter.state, letter.tries, letter.error) == (
            Delivery.WAITING,
            1,
            "it answers 503",
        )
        await there.round(99)
        assert len(there.titles()) == 1
        await there.round(1)
        await there.round(100)
        (letter,) = await there.letters()
        assert (letter.state, letter.tries, letter.error) == (Delivery.SENT, 3, None)
        ids = {posted.headers["webhook-id"] for posted in there.receivers["ops"].posted}
        assert ids == {letter.id}


async def test_what_happens_while_a_letter_waits_goes_with_it(tmp_path: Path) -> None:
    async with office(tmp_path, ops=(FAILED,)) as there:
        await there.post(1)
        await there.round()
        await there.back(1)
        await there.round(40)
        assert len(there.titles()) == 1
        await there.round(61)
        assert there.titles()[1:] == ["web-1 is back"]
        assert [len(letter.notices) for letter in await there.letters()] == [2, 1]
        assert await there.states() == ["sent", "merged"]


async def test_what_is_refused_for_good_is_given_up_and_kept_for_people(tmp_path: Path) -> None:
    async with office(tmp_path, ops=(GONE,)) as there:
        await there.post(1)
        assert await there.round() == Done()
        (letter,) = await there.letters()
        assert (letter.state, letter.error) == (Delivery.DEAD, "it answers 410")
        line = there.town.house.told()[-1]
        assert line.event == "letter-given-up"
        assert line.fields["receiver"] == "notifier/ops"


async def test_a_receiver_that_hangs_holds_up_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "SECONDS", 2.0)
    async with office(tmp_path, ops=(hang,) * 9, dev=()) as there:
        for number in range(3):
            await there.post(number, subject=f"job/{number}")
        async with asyncio.timeout(10):
            await there.round()
        assert len(there.titles("dev")) == 3
        assert len(there.titles("ops")) == 1
        waiting = [one for one in await there.letters() if one.receiver == "notifier/ops"]
        assert sorted(letter.tries for letter in waiting) == [0, 0, 1]
        assert len({letter.due for letter in waiting}) == 1


async def test_a_message_that_was_sent_but_not_noted_comes_again_under_its_id(
    tmp_path: Path,
) -> None:
    async with office(tmp_path) as there:
        for number in (1, 2):
            await there.post(number)
        before = await there.letters()
        await there.round()
        await there.town.world.rooms.store.outbox.put(before)
        await there.round(301)
        first, second = there.receivers["ops"].posted
        assert first.headers["webhook-id"] == second.headers["webhook-id"]


async def test_nothing_of_a_secret_stands_in_the_outbox(tmp_path: Path) -> None:
    async with office(tmp_path, ops=(FAILED, GONE)) as there:
        url = there.receivers["ops"].url
        await there.town.world.generation.reach.keyring.gather(["ops-url"])  # type: ignore[union-attr]
        facts: dict[str, object] = {"deep": [{"url": f"see {url}!"}], url: 1, "at": there.town.now}
        await there.post(1, title=f"cannot reach {url}", lines=(url,), facts=facts)
        await there.round()
        await there.round(200)
        kept = repr(await there.letters()) + repr(await there.board._outbox.troubles())
        assert "canary" not in kept
        assert "canary" not in repr(there.receivers["ops"].posted[0].body)
        assert "127.0.0.1" not in kept


async def test_a_secret_that_cannot_be_read_is_tried_again(tmp_path: Path) -> None:
    async with office(tmp_path) as there:
        await asyncio.to_thread((tmp_path / "ops.url").unlink)
        await there.post(1)
        await there.round()
        (letter,) = await there.letters()
        assert letter.state is Delivery.WAITING
        assert "cannot read secret ops-url" in (letter.error or "")


async def test_a_notifier_that_is_gone_gets_nothing_more(tmp_path: Path) -> None:
    async with office(tmp_path) as there:
        await there.post(1)
        await there.town.declare("tasks: {note: {run: 'true'}}\n")
        await there.round()
        (letter,) = await there.letters()
        assert letter.state is Delivery.DEAD
        assert "not declared any more" in (letter.error or "")


async def test_a_program_gets_what_is_told_unless_it_is_not_allowed_here(tmp_path: Path) -> None:
    program = tmp_path / "tell"
    program.write_text(f"#!/bin/sh\ncat >> {tmp_path}/got\n")
    program.chmod(0o755)
    async with office(tmp_path, more=f"pager: {{exec: [{program}]}}", ops=()) as there:
        await there.post(1)
        await there.round()
        got = await asyncio.to_thread((tmp_path / "got").read_text)
        assert json.loads(got)["title"] == "web-1 is down"
        force = there.town.force
        generation = force.generation
        assert generation is not None
        place = generation.declaration.notifiers["pager"].place
        refused = Diagnostic(code="not-allowed-here", message="", place=place)
        force.generation = replace(generation, refused=(refused,))
        await there.post(2, subject="target/shop")
        await there.round()
        last = [one for one in await there.letters() if one.receiver == "notifier/pager"][-1]
        assert last.state is Delivery.DEAD
        assert "not allowed here" in (last.error or "")
        assert await asyncio.to_thread((tmp_path / "got").read_text) == got


async def test_a_trouble_that_lasts_is_told_again_where_that_is_wanted(tmp_path: Path) -> None:
    async with office(tmp_path, more="dev: {url: {secret: ops-url}, repeat: 1h}") as there:
        await there.post(1)
        await there.round()
        result = await there.round(600)
        assert isinstance(result, After)
        assert 2900 < result.seconds < 3600
        assert result.reason == "troubles stand"
        await there.round(3000)
        await there.round()
        assert there.titles()[2:] == ["still: web-1 is down"]


async def test_a_trouble_of_what_is_not_declared_any_more_is_over(tmp_path: Path) -> None:
    more = "dev: {url: {secret: ops-url}, repeat: 1h}"
    async with office(tmp_path, more=more) as there:
        await there.post(1)
        await there.post(999)
        await there.post(8, subject="config")
        await there.round()
        said = str([posted.body for posted in there.receivers["ops"].posted])
        assert "web-999 is no longer declared" in said
        before = len(there.titles())
        await there.round(3600)
        await there.round()
        told = there.titles()[before:]
        assert "still: web-1 is down" in told
        assert not [title for title in told if "web-999" in title]


async def test_what_is_too_much_is_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "LETTERS", 3)
    async with office(tmp_path) as there:
        for number in range(5):
            await there.post(number)
        assert there.board.dropped == 2
        assert len(await there.letters()) == 3


async def test_notices_of_a_target_go_to_those_whom_it_names(tmp_path: Path) -> None:
    async with office(tmp_path, ops=(), dev=()) as there:
        await there.post(1, subject="target/shop", target="shop")
        await there.town.declare(
            "notifiers: {ops: {url: {secret: u}}, dev: {url: {secret: u}}}\n"
            "secrets: {u: {env: U}}\ntasks: {note: {run: 'true'}}\n"
            "targets: {shop: {servers: all, task: note, notify: [dev]}}\n"
        )
        await there.post(2, subject="target/shop", target="shop", problem="other")
        receivers = [letter.receiver for letter in await there.letters()]
        assert receivers.count("notifier/dev") == 2
        assert receivers.count("notifier/ops") == 1


async def test_without_declarations_everything_waits(tmp_path: Path) -> None:
    async with office(tmp_path) as there:
        await there.post(1)
        there.town.force.generation, kept = None, there.town.force.generation
        assert await there.round() == NOT_YET
        assert there.titles() == []
        there.town.force.generation = kept
        await there.round()
        assert there.titles() == ["web-1 is down"]


async def test_a_hundred_notices_a_second_are_all_kept_or_told(tmp_path: Path) -> None:
    async with office(tmp_path) as there:
        async with asyncio.TaskGroup() as group:
            for number in range(1, 301):
                group.create_task(there.post(number))
        letters = await there.letters()
        assert len(letters) == 300
        for _ in range(3):
            await there.round(300 + timedelta(seconds=31).total_seconds())
        told = [json.loads(one.body)["count"] for one in there.receivers["ops"].posted]
        assert sum(told) == 300
        assert len(told) == 1


async def test_what_waits_is_read_once_where_nothing_is_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with office(tmp_path) as there:
        kept = type(there.town.world.rooms.store.outbox)
        ask, asked = kept.waiting, 0

        async def waiting(self: Outbox, now: datetime, *, limit: int) -> Sequence[Letter]:
            nonlocal asked
            asked += 1
            return await ask(self, now, limit=limit)

        monkeypatch.setattr(kept, "waiting", waiting)
        assert await there.round() == Done()
        assert asked == 1
