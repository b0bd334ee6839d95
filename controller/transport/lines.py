"""The two lines of a session: `control` for what is quick, `data` for what carries bytes, opened when first needed.

Called by `session` and its parts; it calls `line`. The runner's text goes out here, and what it answers at opening is
checked here.
"""

import asyncio
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Final

from controller.errors import SessionLostError, TransportError, Unreachable
from controller.transport.channel import OpenChannel
from controller.transport.limitable import limitable
from controller.transport.line import Line
from controller.transport.port import Facts, Offer
from controller.transport.protocol import Reply
from controller.transport.quoting import assign, quote

PARTS: Final = (
    "basics",
    "opening",
    "starting",
    "output",
    "status",
    "stopping",
    "holding",
    "limits",
    "probes",
    "files",
    "targets",
)
"""The files of the runner, in the order in which they are joined."""
OPEN_SECONDS: Final = 20.0
UPLOAD_SECONDS: Final = 600.0
HINTS: Final = {
    Unreachable.STATE: "make the folder writable for the login, and for nobody else",
    Unreachable.SUDO: "let the login run `sudo -n sh` without a password, or set sudo: false",
    Unreachable.VERSION: "the server needs a POSIX sh, /proc, and mkdir mv rm cat dd tr grep kill sleep",
}


@cache
def runner_text() -> bytes:
    """Give the runner as it is sent: comments and blank lines stay behind."""
    folder = files("controller.transport").joinpath("runner")
    text = b"".join(folder.joinpath(f"{part}.sh").read_bytes() for part in PARTS)
    lines = (line.lstrip(b" ") for line in text.split(b"\n"))
    return b"\n".join(line for line in lines if line and not line.startswith(b"#")) + b"\n"


class Lines:
    """The lines of one session with one server."""

    def __init__(
        self,
        open_channel: OpenChannel,
        *,
        server: str,
        nonce: Callable[[], str],
    ) -> None:
        self._open_channel = open_channel
        self._nonce = nonce
        self._on_push: Callable[[Reply], None] = ignore
        self._opening = asyncio.Lock()
        self._control: Line | None = None
        self._data: Line | None = None
        self._keeper = ""
        self._facts: Facts | None = None
        self._uploads = 0
        self._closed = False
        self.server = server

    async def open(self, on_push: Callable[[Reply], None]) -> None:
        """Open the control line and learn what the server is; ends of attempts go to `on_push`.

        Raises:
            TransportError: there is no runner to be had; `cause` says why.
        """
        self._on_push = on_push
        self._control, hello = await self._line()
        self._keeper = f"{hello.number('pid')} {hello.number('born')}"
        tools = frozenset(hello.text("tools").split(",")) - {"", "fullblock"}
        self._facts = Facts(
            boot_id=hello.text("boot"),
            login=hello.text("login"),
            root=hello.text("uid") == "0",
            base=hello.text("base"),
            tools=tools,
            offers=offered(tools),
        )

    @property
    def facts(self) -> Facts:
        """What was learnt at opening."""
        if self._facts is None:
            raise self.closed()
        return self._facts

    @property
    def control(self) -> Line:
        """The line of the resident runner."""
        if self._control is None:
            raise self.closed()
        return self._control

    @property
    def keeper(self) -> bytes:
        """The process that holds this session's locks on the server: its pid and start time, as an assignment."""
        return b"keeper=" + quote(self._keeper)

    async def data(self) -> Line:
        """Give the line for bytes; one that broke is opened again while the control line lives."""
        async with self._opening:
            if self._closed or self.control.lost:
                raise self.closed()
            if self._data is not None and self._data.lost:
                await self._data.close()
                self._data = None
            if self._data is None:
                self._data, _ = await self._line()
            return self._data

    async def upload(self, data: bytes) -> str:
        """Send bytes ahead into a file on the server; give its name."""
        line = await self.data()
        self._uploads += 1
        name = f"{self._keeper.partition(' ')[0]}.{self._uploads}"
        request = assign(name=name, size=len(data)) + b"; do_blob"
        return (await line.ask(request, payload=data, within=UPLOAD_SECONDS)).text("name")

    async def close(self) -> None:
        """Close both lines."""
        self._closed = True
        for line in (self._data, self._control):
            if line is not None:
                await line.close()

    def closed(self) -> SessionLostError:
        """Give the error of whoever asks too late."""
        return SessionLostError(f"the session with {self.server} is closed", cause=Unreachable.LOST)

    async def _line(self) -> tuple[Line, Reply]:
        nonce = self._nonce()
        line = Line(
            await self._open_channel(), server=self.server, nonce=nonce, on_push=self._on_push
        )
        try:
            text = runner_text() + b"main " + quote(nonce) + b"; exit\n"
            hello = await line.greet(text, within=OPEN_SECONDS)
            self._judge(hello)
        except SessionLostError as error:
            await line.close()
            raise translate(self.server, error) from error
        except TransportError:
            await line.close()
            raise
        line.blocks = "fullblock" in hello.text("tools").split(",")
        return line, hello

    def _judge(self, hello: Reply) -> None:
        problem = hello.text("error")
        if problem:
            cause = Unreachable.STATE if problem == "state" else Unreachable.VERSION
            said = hello.text("msg")[:500]
            raise TransportError(f"{self.server}: {said}", cause=cause, hint=HINTS[cause])


def offered(tools: frozenset[str]) -> frozenset[Offer]:
    """Say what a runner can do beyond running work to its end."""
    limits = {Offer.LIMITS} if limitable(tools) else set()
    return frozenset({Offer.PAUSE, *limits})


def ignore(reply: Reply) -> None:
    """Take a push that nobody listens for."""


def translate(server: str, error: SessionLostError) -> TransportError:
    """Say why a `sh` ended before it became a runner, from what it complained of."""
    said = error.message
    if "sudo:" in said:
        cause = Unreachable.SUDO
    elif "not found" in said or "yntax error" in said:
        cause = Unreachable.VERSION
    else:
        return error
    return TransportError(
        f"cannot start the runner on {server}: {said[:500]}", cause=cause, hint=HINTS[cause]
    )
