"""How the API is to behave: what is shown to strangers, and every bound. Written by `service`; read by this room."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path


class Anonymous(StrEnum):
    """What can be read without a token; each shows what those before it show."""

    NONE = "none"
    STATUS = "status"  # names, states, times, commits
    FULL = "full"  # what a viewer reads

    @property
    def rank(self) -> int:
        """Give the place in the order."""
        return list(Anonymous).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A token bucket: so many requests a second on the long run, `burst` at once."""

    second: float
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Certificate chain and key, as PEM files; `trust` holds the authorities whose people may log in by certificate."""

    certificate: Path
    key: Path
    trust: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where the API listens; port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 8420


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """How the API is to behave.

    Args:
        anonymous: what is readable without a token.
        tls: whether browsers reach it by TLS: cookies are then `Secure`. Set it behind a proxy that ends TLS, too.
        origins: further origins from which browsers may send changes, such as "https://ctl.example.com".
        names: of this machine, such as "ctl.lan": under these, the hosts of `origins`, `localhost` and addresses strangers are shown anything.
        proxies: from where proxies come whose word about who asks is believed.
        per_token: requests of one token, or of one name that comes by certificate.
        per_address: requests without a token, of one address.
        failures: refused tokens, of one address.
        body: bytes of a request.
        hook_body: bytes of a webhook.
        body_seconds: time in which a request must have arrived whole.
        header_bytes: of the request line and all headers.
        header_seconds: time in which they must have arrived.
        idle_seconds: time that a connection may stay open without a request.
        stall_seconds: time after which a reader who takes nothing of an answer is cut off.
        connections: open connections; one that asks nothing goes for each that comes then, of the busiest address.
        connections_each: open connections of one address, or of one /64 of IPv6; of who comes through a proxy, open requests.
        streams: streams of one token or name, or of one address without.
        streams_all: streams together.
        recheck_seconds: between two looks whether the token or certificate of a stream is still good.
        session_hours: how long a login of a browser is good.
        sessions: logins at the same time.
        debug: whether admins may look at the program itself, under `/debug`.
        stop_seconds: time that requests under way get when the controller stops.
    """

    anonymous: Anonymous = Anonymous.STATUS
    tls: bool = False
    origins: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    per_token: Rate = Rate(second=50.0, burst=200)
    per_address: Rate = Rate(second=10.0, burst=60)
    failures: Rate = Rate(second=0.2, burst=20)
    body: int = 2 << 20
    hook_body: int = 25 << 20
    body_seconds: float = 20.0
    header_bytes: int = 16 << 10
    header_seconds: float = 10.0
    idle_seconds: float = 30.0
    stall_seconds: float = 60.0
    connections: int = 1000
    connections_each: int = 100
    streams: int = 20
    streams_all: int = 500
    recheck_seconds: float = 10.0
    session_hours: float = 12.0
    sessions: int = 1000
    debug: bool = False
    stop_seconds: float = 10.0
