"""How people name an agent that is not declared, and what undeclared work may use.

Used by `run`, `tasks` and `inspect`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

import typer

from controller.declaration.quantities import processors, size
from controller.errors import UsageError
from controller.model.task import Limits
from controller.reconcile.exchange.requests import Address

PORT: Final = 9443
"""Where agents listen when nothing else is said."""
MOST_PORT: Final = 65535

On = Annotated[str | None, typer.Option("--on", metavar="SELECTOR", help="The servers.")]
Addr = Annotated[
    str | None,
    typer.Option(
        "--addr",
        metavar="HOST:PORT",
        help="An agent that is not declared; its certificate carries HOST.",
    ),
]

PkiFolder = Annotated[
    Path | None,
    typer.Option("--pki", metavar="DIR", help="Who you are towards agents; default /etc/ctl/pki."),
]


def read_address(text: str) -> Address:
    """Read HOST, HOST:PORT or [IPv6]:PORT.

    Raises:
        UsageError: it is none.
    """
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):
        host, port = text, str(PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) <= MOST_PORT:
        raise UsageError(f'--addr takes HOST:PORT, not "{text}"', hint="such as db-1:9443")
    return Address(host=host, port=int(port))


def one_way(on: str | None, addr: str | None) -> Address | None:
    """Give the address, if it is one that was typed.

    Raises:
        UsageError: neither or both ways are named.
    """
    if bool(on) == bool(addr):
        raise UsageError(
            "name the servers: --on SELECTOR, or --addr HOST:PORT for one that is not declared",
            hint="such as --on all",
        )
    return None if addr is None else read_address(addr)


def read_limits(texts: Iterable[str]) -> Limits:
    """Read NAME=VALUE as declared limits are read.

    Raises:
        UsageError: a name or a value is none of a limit, or a name comes twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in READERS or name in found:
            raise UsageError(
                f'--limit takes each of cpu, memory, pids and io once, not "{text}"',
                hint="such as --limit memory=512M --limit cpu=50%",
            )
        found[name] = value
    try:
        return Limits(
            cpu=processors(found["cpu"]) if "cpu" in found else None,
            memory=size(found["memory"]) if "memory" in found else None,
            pids=int(found["pids"]) if "pids" in found else None,
            io=size(found["io"]) if "io" in found else None,
        )
    except ValueError as error:
        raise UsageError(f"--limit: {error}", hint="such as --limit memory=512M") from error


READERS: Final = ("cpu", "memory", "pids", "io")
