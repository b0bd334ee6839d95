"""Where the forge of a repo answers, worked out from the address by which git reaches it.

Called by `sender`; calls nobody. Pure. A repo that is fetched over ssh is asked for over https on the same host.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from controller.notify.trouble import NotifyError

SHORT: Final = re.compile(r"(?:[^@/:]+@)?(?P<host>\[[^\]/]+\]|[^:/@\[\]]+):(?P<path>[^:].*)")
HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]")
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
DOORS: Final = {"ssh.github.com": "github.com", "altssh.gitlab.com": "gitlab.com"}
"""Hosts that are another way to one: ssh on the port of https."""
FEWEST: Final = 2
"""Parts of a path: an owner and a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A repo on a forge; `parts` are those of its path, at least owner and name."""

    scheme: str
    host: str
    port: int | None
    parts: tuple[str, ...]

    @property
    def root(self) -> str:
        """The forge, without a slash at the end."""
        port = "" if self.port is None else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}"

    @property
    def below(self) -> str:
        """The forge with the folder it lies in, if it has one: everything before owner and name."""
        return "".join([self.root, *(f"/{quote(part, safe='')}" for part in self.parts[:-FEWEST])])


def address_of(url: str) -> Address:
    """Find the forge of a repo.

    Raises:
        NotifyError: the repo is on no forge, or on one that would be asked in clear.
    """
    try:
        scheme, host, port, path = _split(url)
    except ValueError:
        raise _none() from None
    host = DOORS.get(host, host)
    parts = tuple(unquote(part) for part in path.strip("/").removesuffix(".git").split("/"))
    odd = any(part in {"", ".", ".."} or not part.isprintable() or "/" in part for part in parts)
    if len(parts) < FEWEST or odd or HOST.fullmatch(host) is None:
        raise _none()
    if scheme == "http" and host not in LOOPBACK:
        raise NotifyError(
            "plain http would show the token on the way", permanent=True, hint="use https"
        )
    return Address(scheme=scheme, host=host, port=port, parts=parts)


def _split(url: str) -> tuple[str, str, int | None, str]:
    """Take an address apart; of ssh only host and path stay.

    Raises:
        ValueError: it has no such parts.
    """
    if "://" not in url:
        found = SHORT.fullmatch(url)
        if found is None:
            raise ValueError(url)
        return "https", found["host"].lower(), None, found["path"]
    parts = urlsplit(url)
    host = re.sub(r":\d*$", "", parts.netloc.rpartition("@")[2]).lower()
    match parts.scheme:
        case "https" | "http":
            return parts.scheme, host, parts.port, parts.path
        case "ssh":
            return "https", host, None, parts.path
        case _:
            raise ValueError(url)


def _none() -> NotifyError:
    return NotifyError(
        "the address of the repo leads to no forge",
        permanent=True,
        hint="write url: https://HOST/OWNER/NAME.git or user@HOST:OWNER/NAME.git",
    )
