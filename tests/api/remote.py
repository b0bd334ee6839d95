"""The command line, as a person types it with `--controller`, beside a controller in the same process."""

import asyncio
import contextlib
import io
from pathlib import Path

from controller.cli.app import run
from controller.cli.context import Surroundings
from controller.cli.doorway import open_controller
from controller.clock import SystemClock
from controller.model.token import Role
from tests.api.serving import House
from tests.e2e.fleet import Seen


class Person:
    """Somebody with a token, in a folder that holds no config repository."""

    def __init__(self, home: House, token: str) -> None:
        self.home = home
        self.token = token
        self.place = home.fleet.folder / "elsewhere"
        self.place.mkdir(exist_ok=True)

    async def ctl(self, *words: str, stdin: str = "", at: Path | None = None) -> Seen:
        """Run one command line beside the controller, which goes on answering meanwhile."""
        return await asyncio.to_thread(self._ctl, words, stdin, at or self.place)

    def _ctl(self, words: tuple[str, ...], stdin: str, place: Path) -> Seen:
        out, err = io.StringIO(), io.StringIO()
        around = Surroundings(
            stdin=io.StringIO(stdin),
            stdout=out,
            stderr=err,
            environment={
                **self.home.fleet.environment,
                "CTL_CONTROLLER": self.home.url,
                "CTL_TOKEN": self.token,
            },
            cwd=place,
            clock=SystemClock(),
            open=open_controller,
        )
        with contextlib.redirect_stdout(out):
            code = run(list(words), around)
        return Seen(code=code, out=out.getvalue(), err=err.getvalue())


async def person(home: House, name: str, role: Role = Role.ADMIN, **scope: str) -> Person:
    """Give somebody a token."""
    return Person(home, await home.token(name, role, **scope))
