"""The invocation: everything one command line settled before its verb begins.

Made by `options.command`, handed to every command as its first argument.
"""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol, TextIO

from controller.cli.errors import QuestionError
from controller.cli.port import Controller
from controller.cli.remote.way import Way, is_remote, way_of
from controller.cli.terminal import Terminal
from controller.cli.views.progress import listen
from controller.clock import Clock
from controller.errors import UsageError
from controller.reconcile.exchange.progress import Listener
from controller.settings import Color, Papers, Settings


class Format(StrEnum):
    """What `-o` takes; each verb has some of them."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"
    JSONL = "jsonl"
    MD = "md"
    SARIF = "sarif"
    GITHUB = "github"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The global options as typed; None where nothing was typed, so that nearer places win."""

    directory: Path | None = None
    state: str | None = None
    controller: str | None = None
    format: Format | None = None
    color: Color | None = None
    no_input: bool = False
    quiet: bool = False
    verbose: int = 0
    debug: bool = False

    def flags(self) -> Mapping[str, object]:
        """Give what was typed by the names of the settings; what was not typed is None."""
        return {
            "directory": self.directory,
            "state": self.state,
            "controller": self.controller,
            "color": self.color,
            "no_input": self.no_input or None,
            "debug": self.debug or None,
        }

    def over(self, other: "Wishes") -> "Wishes":
        """Lay these over those that stood before the verb."""
        return Wishes(
            directory=self.directory or other.directory,
            state=self.state or other.state,
            controller=self.controller or other.controller,
            format=self.format or other.format,
            color=self.color or other.color,
            no_input=self.no_input or other.no_input,
            quiet=self.quiet or other.quiet,
            verbose=max(self.verbose, other.verbose),
            debug=self.debug or other.debug,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """What a command asks of whoever opens a controller.

    `write` takes the lock of the state; `bare` needs no config repository, `known` a state that is there; `papers` say who speaks to
    agents. With a `way` all of it is asked of a controller that serves elsewhere, or (`against`) done here from what that one knows.
    """

    directory: Path | None
    state: str | None
    actor: str
    write: bool = False
    bare: bool = False
    known: bool = False
    papers: Papers = field(default_factory=Papers)
    parallel: int = 50
    listener: Listener
    way: Way | None = None
    against: bool = False


class Opener(Protocol):
    """Opens a controller on a config repository and a state."""

    def __call__(self, request: OpenRequest, /) -> AbstractAsyncContextManager[Controller]:
        """Open it; leaving the context closes it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a process brings along: streams, environment, working directory, time, and the way to a controller."""

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    environment: Mapping[str, str]
    cwd: Path
    clock: Clock
    open: Opener


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One command line at work."""

    verb: str
    wishes: Wishes
    settings: Settings
    surroundings: Surroundings
    terminal: Terminal
    format: Format
    rest: tuple[str, ...] = ()
    """The words after `--`, for verbs that take a command."""

    @property
    def document(self) -> bool:
        """Whether a program reads the results."""
        return self.format not in {Format.TABLE, Format.WIDE}

    @property
    def directory(self) -> Path:
        """The folder to look for the config repository in and above."""
        return self.surroundings.cwd / (self.settings.where.directory or "")

    @property
    def asks(self) -> bool:
        """Whether a question can be asked."""
        return self.terminal.asks and not self.settings.speech.no_input

    def print(self, text: str) -> None:
        """Write results to stdout."""
        self.terminal.print(text)

    def note(self, text: str) -> None:
        """Write something to stderr that `-q` silences."""
        if not self.wishes.quiet:
            self.terminal.note(text)

    def next(self, *commands: str) -> None:
        """Tell the exact next command, at most two, on stderr; `CTL_HINTS=0` silences."""
        if self.document or not self.settings.speech.hints:
            return
        for command in commands[:2]:
            self.note(f"next: {command}")

    def listen(self) -> AbstractContextManager[Listener]:
        """Show progress on stderr while the context lasts; `-q` silences, `-v` tells more."""
        return listen(
            self.terminal.err,
            self.terminal.err_style,
            live=self.terminal.live,
            quiet=self.wishes.quiet,
            verbose=self.wishes.verbose > 0,
        )

    def confirm(self, question: str, *, flag: str) -> bool:
        """Ask a person; only the word yes is a yes.

        Args:
            question: what is asked, without the list of answers.
            flag: the flag that answers it, for the message where nobody can be asked.

        Raises:
            QuestionError: nobody can be asked here.
        """
        if not self.asks:
            raise QuestionError(
                f"cannot ask here: {question}",
                hint=f"say it with {flag}, or run this on a terminal",
            )
        self.terminal.clear()
        self.terminal.err.write(f"{question} Only 'yes' is accepted: ")
        self.terminal.err.flush()
        with _interruptible():
            return self.surroundings.stdin.readline().strip() == "yes"

    def way(self) -> Way | None:
        """Give the way to the controller that serves elsewhere and is meant; None: the work is done here.

        Raises:
            UsageError: the context is unknown, or the address cannot be used.
        """
        return way_of(self.settings) if is_remote(self.settings) else None

    def open(
        self,
        *,
        write: bool = False,
        bare: bool = False,
        known: bool = False,
        here: bool = False,
        against: bool = False,
        pki: Path | None = None,
        parallel: int = 50,
        listener: Listener | None = None,
    ) -> AbstractAsyncContextManager[Controller]:
        """Open the controller this command line speaks of.

        Args:
            write: take the lock of the state.
            pki: the folder of certificates that a flag names.
            bare: where there is no config repository, go on without one, on a state of the person's own.
            known: make no state where there is none.
            here: it works on files of this machine, whatever controller serves elsewhere.
            against: it works on files of this machine, from what the controller knows that serves elsewhere.
            parallel: servers at once.
            listener: hears of progress.

        Raises:
            UsageError: certificates are named to speak to agents with, and another speaks to them.
        """
        way = None if here else self.way()
        if way is not None and pki is not None:
            raise UsageError(
                "--pki is for speaking to agents from here", hint="leave out --pki or --controller"
            )
        return self.surroundings.open(
            OpenRequest(
                directory=self.settings.where.directory,
                state=self.settings.where.state,
                actor=self.settings.person.actor,
                write=write,
                bare=bare,
                known=known,
                papers=self.settings.papers if pki is None else Papers(folder=pki),
                parallel=parallel,
                listener=listener or _unheard,
                way=way,
                against=against,
            )
        )


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end a question: the handler of asyncio would wait for the answer first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _unheard(_progress: object) -> None:
    """Take progress nobody wants to see."""
