"""A command line at work in this process: streams in memory, a clock that stands still, a controller that answers from records."""

import contextlib
import io
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from controller.cli.app import run
from controller.cli.context import OpenRequest, Surroundings
from controller.cli.port import Controller

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class StillClock:
    def now(self) -> datetime:
        return NOW

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nobody waits {seconds} s here")


class Screen(io.StringIO):
    """A stream that may claim to be a terminal."""

    def __init__(self, text: str = "", *, tty: bool = False) -> None:
        super().__init__(text)
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a person saw."""

    code: int
    out: str
    err: str


@dataclass(slots=True, kw_only=True)
class Stage:
    """Runs command lines; `controller` is what `open` gives."""

    controller: object = None
    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: Path = Path("/nowhere")
    stdin: str = ""
    tty: bool = False
    opened: list[OpenRequest] = field(default_factory=list)

    def __call__(self, *argv: str) -> Seen:
        out, err = Screen(tty=self.tty), Screen(tty=self.tty)
        surroundings = Surroundings(
            stdin=Screen(self.stdin, tty=self.tty),
            stdout=out,
            stderr=err,
            environment=self.environment,
            cwd=self.cwd,
            clock=StillClock(),
            open=self._open,
        )
        with contextlib.redirect_stdout(out):
            code = run(argv, surroundings)
        return Seen(code=code, out=out.getvalue(), err=err.getvalue())

    def _open(self, request: OpenRequest) -> AbstractAsyncContextManager[Controller]:
        self.opened.append(request)
        return self._opened()

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Controller]:
        assert self.controller is not None, "this command opened a controller"
        yield cast("Controller", self.controller)
