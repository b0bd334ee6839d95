"""`ctl top` as a person uses it: keys, buttons and typed commands on a screen without a terminal."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

from textual.pilot import Pilot
from textual.widgets import Input, RichLog

from controller.cli.port import Controller
from controller.cli.top.screen import Top
from controller.cli.top.sheet import Sheet
from controller.cli.views.style import Style
from controller.errors import NotFoundError, RefusedError, Unreachable
from controller.model.ids import Digest, JobId, RunId
from controller.model.job import Job, State
from controller.model.observation import HostSeen, ServerSeen
from controller.reconcile.exchange.reports import LogChunk
from controller.reconcile.exchange.status import Sightings, StatusReport
from tests.fakes.jumping_clock import JumpingClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def job(id_: str, server: str, state: State = State.RUNNING) -> Job:
    return Job(
        id=JobId(id_),
        run=RunId("r"),
        target="shop",
        task="deploy",
        server=server,
        state=state,
        digest=Digest(""),
        created_at=NOW - timedelta(seconds=9),
        started_at=NOW - timedelta(seconds=8),
    )


class Desk:
    """Jobs that do what they are told."""

    def __init__(self) -> None:
        self.all = {one.id: one for one in (job("aaaa", "web-1"), job("bbbb", "web-2"))}
        self.told: list[tuple[str, str]] = []
        self.ended = {id_: asyncio.Event() for id_ in self.all}
        self.output = {"aaaa": b"one\x1b[2Jtwo\n", "bbbb": b"other\n"}

    async def list(self, *, limit: int) -> tuple[Job, ...]:
        return tuple(self.all.values())[:limit]

    async def find(self, prefix: str) -> Job:
        found = [one for one in self.all.values() if one.id.startswith(prefix)]
        if len(found) != 1:
            raise NotFoundError(f"there is no job {prefix!r}", hint="ctl jobs list")
        return found[0]

    @asynccontextmanager
    async def attach(self, one: Job) -> AsyncIterator["Attached"]:
        yield Attached(self, one)

    async def stop(self, id_: JobId, *, grace: float) -> Job:
        self._tell("stop", id_)
        assert grace > 0
        self.all[id_] = replace(self.all[id_], state=State.CANCELLED)
        self.ended[id_].set()
        return self.all[id_]

    async def pause(self, id_: JobId) -> Job:
        self._tell("pause", id_)
        if id_ == "bbbb":
            raise RefusedError("cannot pause bbbb", hint="it needs an agent")
        self.all[id_] = replace(self.all[id_], state=State.PAUSED)
        return self.all[id_]

    async def resume(self, id_: JobId) -> Job:
        self._tell("resume", id_)
        self.all[id_] = replace(self.all[id_], state=State.RUNNING)
        return self.all[id_]

    def _tell(self, word: str, id_: str) -> None:
        self.told.append((word, id_))


class Attached:
    """One of the jobs, followed; `bbbb` takes no input."""

    def __init__(self, desk: Desk, one: Job) -> None:
        self._desk = desk
        self.job = one

    async def output(self) -> AsyncIterator[LogChunk | None]:
        said = self._desk.output[self.job.id]
        yield LogChunk(step="run", attempt=1, offset=0, data=said, gap=0)
        yield None
        await self._desk.ended[self.job.id].wait()
        self.job = self._desk.all[self.job.id]

    async def refusal(self) -> str | None:
        return "it is not interactive" if self.job.id == "bbbb" else None

    async def feed(self, data: bytes) -> None:
        self._desk.told.append((data.decode(), self.job.id))


class Played:
    """A controller with two jobs and two servers."""

    state = "/srv/fleet/.ctl"

    def __init__(self) -> None:
        self.jobs = Desk()
        self.broken = False

    async def observed(self) -> Sightings:
        if self.broken:
            raise RefusedError("the state is gone")
        host = HostSeen(
            at=NOW,
            cpu=0.5,
            processors=4,
            memory_used=1 << 30,
            memory_total=2 << 30,
            disk_used=0,
            disk_total=1 << 40,
            load=(1.5,),
        )
        return Sightings(
            servers={
                "web-1": ServerSeen(server="web-1", at=NOW, reached=True, host=host),
                "web-2": ServerSeen(
                    server="web-2", at=NOW, reached=False, cause=Unreachable.TCP, message="[b]no"
                ),
            }
        )

    async def status(self) -> StatusReport:
        return StatusReport()


def top(controller: Played) -> Top:
    return Top(cast("Controller", controller), JumpingClock(), Style(color=True))


def scrollback(app: Top) -> str:
    return "\n".join(strip.text for strip in app.query_one(RichLog).lines)


async def settled(pilot: Pilot[None], app: Top, words: str) -> str:
    """Wait until the scrollback holds some words."""
    for _ in range(200):
        await pilot.pause(0.02)
        if words in scrollback(app):
            return scrollback(app)
    raise AssertionError(f"{words!r} is not in {scrollback(app)!r}")


async def typed(pilot: Pilot[None], app: Top, text: str) -> None:
    app.query_one(Input).focus()
    app.query_one(Input).value = text
    await pilot.press("enter")


def cells(app: Top, table: str) -> list[list[str]]:
    sheet = app.query_one(f"#{table}", Sheet)
    return [[str(cell) for cell in sheet.get_row_at(n)] for n in range(sheet.row_count)]


async def test_servers_and_jobs_are_shown_and_nothing_untrusted_is_markup() -> None:
    app = top(Played())
    async with app.run_test(size=(140, 50)) as pilot:
        await pilot.pause(0.3)
        assert [row[1] for row in cells(app, "jobs")] == ["aaaa", "bbbb"]
        away, here = cells(app, "servers")
        assert away[:2] == ["web-2", "no"]
        assert "[b]no" in away[-1]
        assert here[2] == "50% of 4"


async def test_attached_jobs_are_followed_side_by_side_and_cannot_move_the_cursor() -> None:
    app = top(Played())
    async with app.run_test(size=(140, 50)) as pilot:
        await pilot.pause(0.2)
        await typed(pilot, app, ":attach job-1 job-2")
        text = await settled(pilot, app, "web-2 │ other")
        text = await settled(pilot, app, "web-1 │ one")
        assert "\x1b" not in text
        assert "[2Jtwo" in text


async def test_typed_lines_reach_everything_that_is_attached() -> None:
    controller = Played()
    app = top(controller)
    async with app.run_test(size=(140, 50)) as pilot:
        await typed(pilot, app, "too early")
        await settled(pilot, app, "nothing is attached")
        await typed(pilot, app, ":attach aaaa")
        await settled(pilot, app, "web-1 │ one")
        await typed(pilot, app, "yes")
        await pilot.pause(0.2)
        assert controller.jobs.told == [("yes\n", "aaaa")]
        await typed(pilot, app, ":attach bbbb")
        await settled(pilot, app, "web-2 │ other")
        await typed(pilot, app, "no")
        await settled(pilot, app, "job bbbb takes no input: it is not interactive")
        assert controller.jobs.told == [("yes\n", "aaaa"), ("no\n", "aaaa")]
        await typed(pilot, app, ":detach")
        await settled(pilot, app, "detached from aaaa")


async def test_stopping_many_is_typed_and_stopping_one_by_key_is_asked_first() -> None:
    controller = Played()
    app = top(controller)
    async with app.run_test(size=(140, 50)) as pilot:
        await pilot.pause(0.3)
        await pilot.press("s")
        await pilot.pause(0.1)
        await pilot.press("n")
        assert controller.jobs.told == []
        await pilot.press("s")
        await pilot.pause(0.1)
        await pilot.press("y")
        await settled(pilot, app, "aaaa on web-1: cancelled")
        await typed(pilot, app, ":stop bbbb")
        await settled(pilot, app, "bbbb on web-2: cancelled")
        assert controller.jobs.told == [("stop", "aaaa"), ("stop", "bbbb")]


async def test_pausing_and_what_cannot_be_paused() -> None:
    controller = Played()
    app = top(controller)
    async with app.run_test(size=(140, 50)) as pilot:
        await pilot.pause(0.3)
        await pilot.press("p")
        await settled(pilot, app, "aaaa on web-1: paused")
        await pilot.press("r")
        await settled(pilot, app, "aaaa on web-1: running")
        await typed(pilot, app, ":pause bbbb")
        await settled(pilot, app, "it needs an agent")


async def test_a_state_that_cannot_be_read_is_told_and_read_again() -> None:
    controller = Played()
    app = top(controller)
    async with app.run_test(size=(140, 50)) as pilot:
        await pilot.pause(0.2)
        controller.broken = True
        await pilot.pause(1.3)
        assert "the state is gone" in str(app.query_one("#heading").render())
        assert len(cells(app, "jobs")) == 2
        controller.broken = False
        await pilot.pause(1.3)
        assert "2 jobs run" in str(app.query_one("#heading").render())


async def test_mistakes_are_answered_and_rows_can_be_filtered() -> None:
    app = top(Played())
    async with app.run_test(size=(140, 50)) as pilot:
        await pilot.pause(0.2)
        await typed(pilot, app, ":stpo x")
        await settled(pilot, app, "did you mean :stop")
        await typed(pilot, app, ":show zzzz")
        await settled(pilot, app, "ctl jobs list")
        await typed(pilot, app, ":filter web-2")
        await pilot.pause(0.2)
        assert [row[1] for row in cells(app, "jobs")] == ["bbbb"]
