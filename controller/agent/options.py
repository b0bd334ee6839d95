"""The table of all settings of an agent: one line for the command line, the file, the help and the unit alike.

`settings` reads by it. Pure.
"""

from __future__ import annotations

from collections.abc import Callable

from controller.agent import values
from controller.wire.record import record

LISTEN_PORT = 9443
CONNECT_PORT = 9444
DAY = 86_400


@record
class Option:
    """One setting; `--name` on the command line, `name = value` in the file, `field` of the settings.

    Attributes:
        metavar: what stands for its value; empty is yes or no.
        read: gives the value, or raises ValueError with what would be right.
        write: gives the text that `read` reads.
        many: it may be given several times.
    """

    name: str
    metavar: str
    help: str
    read: Callable[[str], object]
    write: Callable[[object], str] = str
    many: bool = False

    @property
    def field(self) -> str:
        """The attribute of `Settings` that holds it."""
        return self.name.replace("-", "_")


def _seconds(value: object) -> str:
    return f"{value}s"


def _flag(value: object) -> str:
    return "yes" if value else "no"


OPTIONS: tuple[Option, ...] = (
    Option(
        name="listen",
        metavar="HOST:PORT",
        help=f"take controllers and people here; port {LISTEN_PORT} where none is said",
        read=values.address(LISTEN_PORT, least=0),
    ),
    Option(
        name="connect",
        metavar="HOST:PORT",
        help=f"dial a controller instead; port {CONNECT_PORT} where none is said",
        read=values.address(CONNECT_PORT),
    ),
    Option(
        name="proxy",
        metavar="HOST:PORT",
        help="dial through this HTTP proxy, by CONNECT",
        read=values.address(None),
    ),
    Option(
        name="name",
        metavar="NAME",
        help="of this server; where none is said, that of the one certificate in the folder",
        read=values.name,
    ),
    Option(
        name="pki",
        metavar="DIR",
        help="holds NAME.crt, NAME.key and ca.crt; else /etc/ctl/pki",
        read=values.path,
    ),
    Option(
        name="state",
        metavar="DIR",
        help="holds what is known of attempts, their output and workspaces; else /var/lib/ctl-agent",
        read=values.path,
    ),
    Option(
        name="base",
        metavar="DIR",
        help="holds markers and locks of targets, as ssh has them; else /var/lib/ctl, or ~/.local/state/ctl without root",
        read=values.path,
    ),
    Option(
        name="cgroup",
        metavar="DIR",
        help="delegated folder for the cgroups of attempts; where none is said, that of the unit",
        read=values.path,
    ),
    Option(
        name="scripts",
        metavar="DIR",
        help="offer the executables of this folder",
        read=values.path,
    ),
    Option(
        name="scripts-only",
        metavar="",
        help="refuse everything but these scripts",
        read=values.flag,
        write=_flag,
    ),
    Option(
        name="scripts-from-controller",
        metavar="",
        help="with --scripts-only: take also the scripts that a controller sends",
        read=values.flag,
        write=_flag,
    ),
    Option(
        name="workers",
        metavar="N",
        help="jobs that run at once, 1 where none is said; others wait",
        read=values.count(1, 1_000),
    ),
    Option(
        name="keep",
        metavar="TIME",
        help="delete the output and workspaces of ended jobs after this, such as 12h; 2d where none is said",
        read=values.seconds(60, 366 * DAY),
        write=_seconds,
    ),
    Option(
        name="disk",
        metavar="DIR",
        help="measure the disk this folder lies on; may be given several times",
        read=values.path,
        many=True,
    ),
    Option(
        name="drain",
        metavar="",
        help="wait for attempts before stopping; otherwise they go on without the agent",
        read=values.flag,
        write=_flag,
    ),
)
BY_NAME = {option.name: option for option in OPTIONS}
