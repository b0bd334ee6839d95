"""The whole screen of `ctl top`: three tables, buttons, and the console below them.

Made by `command`; it asks the controller once a second and draws what changed. Nothing of it decides anything: buttons, keys and
typed commands call the same methods of the controller as `ctl jobs` does.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Button, Footer, Input, Static, TabbedContent, TabPane

from controller.cli.port import Controller
from controller.cli.top import sights
from controller.cli.top.console import Console
from controller.cli.top.following import MOST, Followed
from controller.cli.top.question import Question
from controller.cli.top.sheet import Sheet
from controller.cli.top.sights import Row, Sight
from controller.cli.top.words import HELP, NotUnderstoodError, Order, Word, named, read
from controller.cli.views.job import job_text
from controller.cli.views.style import Style
from controller.clock import Clock
from controller.errors import ControllerError
from controller.model.job import Job
from controller.reconcile.exchange.status import StatusReport

EVERY: Final = 1.0
"""Seconds between two looks at jobs and servers."""
STATUS_EVERY: Final = 5.0
"""Seconds between two looks at targets, for which every declaration is read."""
GRACE: Final = 10.0


class Top(App[None]):
    """`ctl top`."""

    TITLE: str | None = "ctl top"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "press('attach')", "Attach"),
        Binding("d", "press('detach')", "Detach"),
        Binding("s", "press('stop')", "Stop"),
        Binding("p", "press('pause')", "Pause"),
        Binding("r", "press('resume')", "Resume"),
        Binding("l,enter", "press('show')", "Show"),
        Binding("slash", "type(':filter ')", "Filter", key_display="/"),
        Binding("colon", "type(':')", "Command", key_display=":"),
        Binding("escape", "tables", "Tables", show=False),
        Binding("q", "quit", "Quit"),
    ]
    CSS = """
    #heading { height: 1; background: $primary; color: $text; padding: 0 1; }
    TabbedContent { height: 3fr; }
    Sheet { height: 1fr; }
    #buttons { height: 3; }
    #buttons Button { min-width: 10; margin-right: 1; }
    """

    def __init__(self, controller: Controller, clock: Clock, style: Style) -> None:
        super().__init__()
        self._controller = controller
        self._clock = clock
        self._sight = Sight(at=clock.now())
        self._filter = ""
        self._numbers: dict[str, int] = {}
        self._targets = Sheet(sights.TARGETS, id="targets")
        self._servers = Sheet(sights.SERVERS, id="servers")
        self._jobs = Sheet(sights.ROWS, id="jobs")
        self._console = Console()
        self._heading = Static(id="heading")
        self._followed = Followed(controller, style, self._hear)

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield self._heading
        with TabbedContent(initial="pane-jobs"):
            with TabPane("Jobs", id="pane-jobs"):
                yield self._jobs
            with TabPane("Targets", id="pane-targets"):
                yield self._targets
            with TabPane("Servers", id="pane-servers"):
                yield self._servers
        with Horizontal(id="buttons"):
            for word in (Word.ATTACH, Word.DETACH, Word.STOP, Word.PAUSE, Word.RESUME, Word.SHOW):
                yield Button(word.capitalize(), id=word.value)
        yield self._console
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look."""
        self.run_worker(self._watch(), name="watch")
        self.run_worker(self._watch_status(), name="status")
        self._jobs.focus()

    async def on_unmount(self) -> None:
        """Let go of what is attached; it goes on."""
        await self._followed.close()

    # looking

    async def _watch(self) -> None:
        while True:
            await self._guarded(self._look)
            await asyncio.sleep(EVERY)

    async def _watch_status(self) -> None:
        while True:
            await self._guarded(self._look_at_targets)
            await asyncio.sleep(STATUS_EVERY)

    async def _guarded(self, act: Callable[[], Awaitable[None]]) -> None:
        """Do something that may fail; a state that cannot be read now may be readable in a second."""
        try:
            await act()
        except ControllerError as error:
            self._draw(
                Sight(
                    at=self._clock.now(),
                    status=self._sight.status,
                    servers=self._sight.servers,
                    jobs=self._sight.jobs,
                    trouble=error.message,
                )
            )

    async def _look(self) -> None:
        self._draw(await sights.look(self._controller, self._clock.now(), self._sight.status))

    async def _look_at_targets(self) -> None:
        status: StatusReport = await self._controller.status()
        self._draw(await sights.look(self._controller, self._clock.now(), status))

    def _draw(self, sight: Sight) -> None:
        self._sight = sight
        self._heading.update(Text(sights.heading(sight, self._controller.state)))
        self._targets.display_rows(self._kept(sights.target_rows(sight)))
        self._servers.display_rows(self._kept(sights.server_rows(sight)))
        self._jobs.display_rows(self._kept(sights.job_rows(sight)))

    def _kept(self, rows: list[Row]) -> list[Row]:
        return sights.holding(rows, self._filter) if self._filter else rows

    def _hear(self, job: Job, text: str) -> None:
        number = self._numbers.setdefault(job.id, len(self._numbers))
        self._console.output(job.server, text, number=number)

    # being asked

    def action_type(self, text: str) -> None:
        """Begin a command."""
        self._console.type(text)

    def action_tables(self) -> None:
        """Go back to the tables."""
        self._jobs.focus()

    def action_press(self, word: str) -> None:
        """Do something with the job under the cursor."""
        chosen = self._jobs.chosen
        if word == Word.DETACH and chosen not in self._followed.jobs:
            self._begin(Order(word=Word.DETACH))
        elif chosen is None:
            self._console.say("no job is chosen", bad=True)
        elif word == Word.STOP:
            asked = f"Stop job {chosen}? TERM to every process of it, KILL after {GRACE:g} s."
            order = Order(word=Word.STOP, about=(chosen,))
            self.push_screen(Question(asked), lambda yes: self._begin(order) if yes else None)
        else:
            self._begin(Order(word=Word(word), about=(chosen,)))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Do what the button says."""
        self.action_press(event.button.id or "")

    def on_data_table_row_selected(self) -> None:
        """Show the job on which Enter was pressed."""
        self.action_press(Word.SHOW)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take a typed line."""
        event.input.clear()
        try:
            order = read(event.value)
        except NotUnderstoodError as error:
            self._console.say(str(error), bad=True)
            return
        if order is None:
            self._begin_input(event.value)
        else:
            self._begin(order)

    def _begin(self, order: Order) -> None:
        self.run_worker(self._carry_out(order), group="orders")

    async def _carry_out(self, order: Order) -> None:
        try:
            await self._do(order)
        except NotUnderstoodError as error:
            self._console.say(str(error), bad=True)
        except ControllerError as error:
            hint = f"\nhint: {error.hint}" if error.hint else ""
            self._console.say(f"{error.message}{hint}", bad=True)

    async def _do(self, order: Order) -> None:
        match order.word:
            case Word.HELP:
                width = max(len(f":{word} {HELP[word][0]}") for word in Word)
                for word in Word:
                    takes, does = HELP[word]
                    self._console.say(f"{f':{word} {takes}':<{width}}  {does}")
            case Word.QUIT:
                self.exit()
            case Word.CLEAR:
                self._console.wipe()
            case Word.FILTER:
                self._filter = " ".join(order.about)
                self._draw(self._sight)
            case Word.DETACH if not order.about:
                for id_ in list(self._followed.jobs):
                    self._let_go(id_)
            case _:
                # side by side: stopping takes as long as the slowest server
                await asyncio.gather(*(self._do_to(order.word, one) for one in order.about))

    async def _do_to(self, word: Word, about: str) -> None:
        rows = tuple(row.key for row in sights.job_rows(self._sight))
        job = await self._controller.jobs.find(named(about, rows))
        match word:
            case Word.ATTACH:
                if not self._followed.attach(job):
                    self._console.say(f"{job.id} is attached already, or {MOST} jobs are", bad=True)
            case Word.DETACH:
                self._let_go(job.id)
            case Word.SHOW:
                self._console.say(job_text(job, Style(color=False)))
            case Word.STOP:
                self._console.say(f"stopping {job.id} on {job.server}")
                stopped = await self._controller.jobs.stop(job.id, grace=GRACE)
                self._console.say(f"{stopped.id} on {stopped.server}: {stopped.state}")
            case _:
                await self._hold(word, job)
        await self._guarded(self._look)

    def _let_go(self, id_: str) -> None:
        job = self._followed.jobs.get(id_)
        if self._followed.detach(id_) and job is not None:
            self._console.say(f"detached from {id_} on {job.server}; it goes on")

    async def _hold(self, word: Word, job: Job) -> None:
        """Pause or resume a job, where its server can."""
        jobs = self._controller.jobs
        held = await (jobs.pause(job.id) if word is Word.PAUSE else jobs.resume(job.id))
        self._console.say(f"{held.id} on {held.server}: {held.state}")

    def _begin_input(self, text: str) -> None:
        """Send a typed line to everything that is attached."""
        if not self._followed.jobs:
            self._console.say("nothing is attached to take input; commands begin with :", bad=True)
            return
        for job in list(self._followed.jobs.values()):
            self.run_worker(self._feed(job, text), group="input")

    async def _feed(self, job: Job, text: str) -> None:
        try:
            await self._followed.feed(job.id, text.encode() + b"\n")
        except ControllerError as error:
            self._console.say(error.message, bad=True)
