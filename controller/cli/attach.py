"""`ctl jobs attach`: follow a job as if it ran here, and type for it."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from typing import BinaryIO

import typer

from controller.cli.context import Invocation
from controller.cli.exitcodes import ExitCode, of_report
from controller.cli.job_words import JobWord, Raw, StepWord, raw_stream
from controller.cli.keyboard import Escapes, Keyboard
from controller.cli.options import command
from controller.cli.port import Attachment
from controller.cli.standard import ending, while_read
from controller.cli.views.output import OutputView
from controller.cli.views.words import line
from controller.errors import RefusedError, TransportError
from controller.model.job import State

app = typer.Typer()


@command(app, "attach", verb="jobs attach")
async def attach(ctl: Invocation, *, job: JobWord, step: StepWord = None, raw: Raw = False) -> int:
    """Show what a job said and says until it has ended, and give it what you type where it was begun with --interactive.

    `~.` at the start of a line or Ctrl-C detaches: the job goes on. The end of a pipe on stdin ends the input of the job.
    A job that nobody drives any more is taken up as the next apply would do it: the steps that are left run, too.
    """
    binary = raw_stream(ctl, verb="jobs attach") if raw else None
    async with ctl.open(bare=True) as controller:
        found = await controller.jobs.find(job)
        async with controller.jobs.attach(found, step=step) as attached:
            return await while_read(ctl.terminal.out, _Following(ctl, attached, binary).run())


class _Following:
    """One attached job on this terminal."""

    def __init__(self, ctl: Invocation, attached: Attachment, binary: BinaryIO | None) -> None:
        self._ctl = ctl
        self._attached = attached
        self._binary = binary
        self._view = OutputView(ctl.terminal.style)
        self._left = asyncio.Event()
        self._interrupted = False
        self._state: State | None = None

    async def run(self) -> int:
        """Show and type until the job has ended or the person leaves; give the exit code."""
        showing = asyncio.create_task(self._show())
        typing = asyncio.create_task(self._type())
        leaving = asyncio.create_task(self._left.wait())
        tasks = (showing, typing, leaving)
        try:
            with self._interruptible():
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                if typing.done():
                    typing.result()
                    await asyncio.wait({showing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if showing.done() and not showing.cancelled():
            showing.result()
            return self._ended()
        self._ctl.print(self._view.finish())
        self._ctl.note(f"detached; it goes on: ctl jobs attach {self._attached.job.id}")
        return ExitCode.INTERRUPTED if self._interrupted else ExitCode.DONE

    def _ended(self) -> int:
        """Say how the job ended, and choose the exit code by that."""
        self._ctl.print(self._view.finish())
        job = self._attached.job
        reason = f" ({line(job.reason)})" if job.reason else ""
        self._ctl.note(f"job {job.id} is {job.state}{reason}")
        return of_report(self._attached.report())

    async def _show(self) -> None:
        """Print output as it comes; a line that is not complete is shown when nothing follows for a moment."""
        async with ending(self._attached.output()) as told:
            async for chunk in told:
                self._note_state()
                if chunk is None:
                    self._write("" if self._binary is not None else self._view.pending())
                elif self._binary is not None:
                    self._binary.write(chunk.data)
                    self._binary.flush()
                else:
                    self._write("".join(f"{row}\n" for row in self._view.rows(chunk)))

    def _note_state(self) -> None:
        """Tell when the job is held, and when it goes on."""
        before, self._state = self._state, self._attached.job.state
        if self._state is not before and State.PAUSED in {before, self._state}:
            goes_on = "is held" if self._state is State.PAUSED else "goes on"
            self._ctl.note(f"job {self._attached.job.id} {goes_on}")

    def _write(self, text: str) -> None:
        if text:
            self._ctl.terminal.out.write(text)
            self._ctl.terminal.out.flush()

    async def _type(self) -> None:
        """Hand on what is typed, where it is taken."""
        refusal = await self._attached.refusal()
        if refusal is not None:
            if not self._attached.job.state.ended:
                self._ctl.note(f"input is not taken: {line(refusal)}")
            await self._leave_by_keyboard()
            return
        keyboard = Keyboard(self._ctl.surroundings.stdin)
        escapes = Escapes() if self._ctl.terminal.asks else None
        try:
            while typed := await keyboard.read():
                meant = typed if escapes is None else escapes.feed(typed)
                if meant:
                    await self._attached.feed(meant)
                if escapes is not None and escapes.leaves:
                    self._left.set()
                    return
            await self._attached.feed(b"", close=True)
        except (RefusedError, TransportError) as error:
            self._ctl.note(f"input is not taken any more: {line(error.message)}")

    async def _leave_by_keyboard(self) -> None:
        """Let a person on a terminal leave by `~.`, although nothing else of what is typed goes anywhere."""
        if not self._ctl.terminal.asks:
            return
        keyboard, escapes = Keyboard(self._ctl.surroundings.stdin), Escapes()
        while typed := await keyboard.read():
            escapes.feed(typed)
            if escapes.leaves:
                self._left.set()
                return

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Take Ctrl-C as the wish to leave."""
        loop = asyncio.get_running_loop()

        def leave() -> None:
            self._interrupted = True
            self._left.set()

        try:
            loop.add_signal_handler(signal.SIGINT, leave)
        except (ValueError, RuntimeError, NotImplementedError):  # not the main thread
            yield
            return
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)
