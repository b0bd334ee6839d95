"""Records of `ctl agent install --on SERVER`: what is asked, what came of it, and why it could not be.

Shared by `installing`, `errands` and the faces. Pure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Protocol

from controller.errors import ControllerError, Disposition

Tell = Callable[[str], None]
"""Takes a line of progress; must be quick and must not raise."""


class InstallError(ControllerError):
    """The agent cannot be installed on a server, or does not run once it is."""

    reference: ClassVar[str] = "install"
    disposition: ClassVar[Disposition] = Disposition.STALL


class NeedsRootError(InstallError):
    """Only root can do that on the server, and the login is not root there."""

    reference: ClassVar[str] = "needs-root"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallRequest:
    """How the agent of a server shall be.

    `words` are settings as on the agent's command line; what they leave out stays as it is on the server. `authority` is the
    folder that signs its certificate, `days` how long that lives. `renew` signs a new one though the old is good.
    """

    server: str
    authority: Path
    words: tuple[str, ...] = ()
    days: int | None = None
    renew: bool = False
    start: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file as it would be written; `text` is empty for programs and keys."""

    path: str
    mode: int
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What was found on a server, and what an installation would write there.

    `certificate` is the one in use, empty where there is none that fits its key; `keys` the folder it lies in. `listen` is
    the port the agent will listen on, 0 where it dials `connect`.
    """

    openssl: bool
    systemd: int
    runs: bool
    certificate: str
    keys: str
    listen: int
    connect: str
    files: tuple[RemoteFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A certificate that was signed for it; `key_travelled` where the server could not make its own key."""

    serial: str
    not_after: datetime
    key_travelled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What came of it; `issued` is the certificate that was signed, `address` where the agent answered."""

    server: str
    sight: Sight
    issued: Signed | None = None
    address: str | None = None


class Installer(Protocol):
    """What installs; loaded when somebody does."""

    async def look(self, request: InstallRequest, tell: Tell) -> Sight:
        """Say what an installation would write on a server, without changing anything."""
        ...

    async def install(self, request: InstallRequest, tell: Tell) -> Installed:
        """Install or upgrade the agent of a server, and wait until it answers."""
        ...


def read_sight(answer: Mapping[str, object]) -> Sight:
    """Read what a server says of itself; whatever is missing or of another type is as if it said nothing."""
    files = answer.get("files")
    return Sight(
        openssl=answer.get("openssl") is True,
        systemd=_number(answer, "systemd"),
        runs=answer.get("runs") is True,
        certificate=_text(answer, "certificate"),
        keys=_text(answer, "pki"),
        listen=_number(answer, "listen"),
        connect=_text(answer, "connect"),
        files=tuple(
            RemoteFile(path=_text(one, "path"), mode=_number(one, "mode"), text=_text(one, "text"))
            for one in (files if isinstance(files, list) else ())
            if isinstance(one, dict)
        ),
    )


def _text(answer: Mapping[str, object], name: str) -> str:
    value = answer.get(name)
    return value if isinstance(value, str) else ""


def _number(answer: Mapping[str, object], name: str) -> int:
    value = answer.get(name)
    return value if type(value) is int and value >= 0 else 0
