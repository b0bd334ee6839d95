"""Proxies that are believed: whose connections a request comes on, and who asks behind them.

The gate asks for each request, the server for each connection. A proxy that was named adds the address that it sees as the last word of
X-Forwarded-For. Only that word counts, and from nobody else: whatever stands before it, a stranger may have written.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from starlette.types import Scope

from controller.api.problems import refuse
from controller.api.rates import Streams, crowd_of
from controller.api.settings import ApiSettings
from controller.api.tls import STATE
from controller.errors import UsageError

FORWARDED: Final = b"x-forwarded-for"
LOCAL: Final = "local"
"""The place of who comes by no network."""

Network = IPv4Network | IPv6Network
Headers = Iterable[tuple[bytes, bytes]]


def read_network(text: str) -> Network:
    """Read the address of a proxy, or of a network of proxies.

    Raises:
        UsageError: it is none, or the whole internet.
    """
    try:
        found = ip_network(text)
    except ValueError as error:
        raise UsageError(
            f'cannot read "{text}" as the address of a proxy: {error}',
            hint="--proxy takes an address or a network, such as 10.0.0.5 or 10.0.0.0/28",
        ) from None
    if found.prefixlen == 0:
        raise UsageError(
            f"cannot believe everybody: {text} holds every address",
            hint="--proxy takes the addresses from which your own proxies come",
        )
    return found


class Proxies:
    """The proxies that were named.

    Args:
        networks: their addresses.
    """

    def __init__(self, networks: Iterable[Network]) -> None:
        self._networks = tuple(networks)

    def holds(self, place: str) -> bool:
        """Say whether an address is a proxy's."""
        address = _address(place)
        return address is not None and any(address in one for one in self._networks)

    def asker(self, place: str, headers: Headers) -> str:
        """Give the address of whoever asks on a connection from a place: that place, or the last that its proxies name.

        A proxy that names another proxy of ours is believed once more. What is no address is believed no further.
        """
        words = [
            word.strip()
            for name, value in headers
            if name == FORWARDED
            for word in value.decode("latin-1").split(",")
        ]
        while words and self.holds(place):
            address = _address(words.pop())
            if address is None:
                break
            place = str(address)
        return place


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address; one of IPv4 in the clothes of IPv6 is one of IPv4."""
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


class Forwarding:
    """Requests that come through proxies: from whom, and how many at once of each.

    A proxy's connections are not counted by its own address, so those who ask behind it are: by the requests that they have open.

    Args:
        settings: which proxies, and how much one address may.
    """

    def __init__(self, settings: ApiSettings) -> None:
        self._proxies = Proxies(settings.proxies)
        self._open = Streams(settings.connections_each, settings.connections)

    @contextmanager
    def placed(self, scope: Scope) -> Iterator[None]:
        """Put the address of whoever asks in the place of the proxy's, for as long as a request is answered.

        The certificate that a proxy shows is its own, and no login of those behind it.

        Raises:
            ProblemError: 429, too many of this address are open.
        """
        peer = place_of(scope)
        if self._proxies.holds(peer):
            scope.get("state", {}).pop(STATE, None)
        place = self._proxies.asker(peer, scope["headers"])
        if place == peer:
            yield
            return
        scope["client"] = (place, 0)
        crowd = crowd_of(place)
        if not self._open.enter(crowd):
            raise refuse(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too-many-requests",
                "too many requests of this address are open",
                retry_after="5",
            )
        try:
            yield
        finally:
            self._open.leave(crowd)


def place_of(scope: Scope) -> str:
    """Give the address of whoever asks."""
    client = scope.get("client")
    return client[0] if client else LOCAL
