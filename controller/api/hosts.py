"""By which names this controller is asked: what is shown without a token is shown under these alone.

Called by `admission`. The page of a stranger may point a name of its own at the address of a controller that only listens here, and a
browser then takes the answers for that page's. The browser still says in `Host` which name it was asked for; a token it does not have.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from controller.api.settings import ApiSettings

LOCAL: Final = "localhost"
_HOST: Final = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\[\]:]+))(?::\d{0,5})?")
"""An address of IPv6 in brackets, or anything else; then a port."""


class Hosts:
    """The names of a controller.

    Args:
        settings: the origins by which browsers see it, and the names of this machine.
    """

    def __init__(self, settings: ApiSettings) -> None:
        named = (urlsplit(one).hostname or "" for one in settings.origins)
        self._names = frozenset(_plain([LOCAL, *settings.names, *named]))

    def hold(self, host: bytes | None) -> bool:
        """Say whether a `Host` is one of ours: an address, or a name that we have. Every browser sends one."""
        if host is None:
            return True
        found = _HOST.fullmatch(host.decode("latin-1").strip().lower())
        if found is None:
            return False
        name = found[1] or found[2]
        return _is_address(name) or bool(self._names.intersection(_plain([name])))


def _plain(names: Iterable[str]) -> Iterable[str]:
    """Write names as they are compared: in small letters, without the dot at their end."""
    return [name.lower().removesuffix(".") for name in names if name]


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
