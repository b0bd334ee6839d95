"""What the faces ask of the composition root: records only, light to import."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from controller.clock import Clock, SystemClock
from controller.reconcile.exchange.progress import Listener, Progress
from controller.settings import Papers, environment


def ignore(_: Progress) -> None:
    """Hear nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a face asks for.

    `write` takes the lock of the state for as long as the controller is open. `bare`: where there is no config repository, go
    on without one, on a state of the person's own. `known`: where there is no state yet, make none.
    """

    directory: Path | None = None
    state: str | None = None
    actor: str
    write: bool = False
    bare: bool = False
    known: bool = False
    papers: Papers = field(default_factory=Papers)
    parallel: int = 50
    progress: Listener = ignore
    variables: Mapping[str, str] = field(default_factory=environment)
    clock: Clock = field(default_factory=SystemClock)


class Part(StrEnum):
    """The parts of a serving controller."""

    API = "api"  # answers people and programs
    SCHEDULER = "scheduler"  # says what is due
    WORKER = "worker"  # does it


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something listens, or is reached."""

    host: str
    port: int

    def __str__(self) -> str:
        """Write it as people type it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSource:
    """The config repository of a serving controller.

    `url` None: the checkout that holds `directory`, whose branch is followed and whose work tree is not looked at. `branch` None:
    main, or the branch that the checkout is on. `key` and `token_file` open the remote, `known_hosts` pins its host; `verify` is a
    file of allowed signers.
    """

    directory: Path | None = None
    url: str | None = None
    branch: str | None = None
    key: Path | None = None
    token_file: Path | None = None
    known_hosts: Path | None = None
    verify: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Where a serving controller listens, and what it shows to whom.

    `agents` None: agents that dial are not taken. `certificate` and `key` are PEM files; without them the API speaks plain HTTP.
    `anonymous` is what can be read without a token: none, status or full. `origins` are where browsers see it; `proxies` is from where
    proxies come whose word about who asks is believed. `debug` lets admins look at the program itself.
    """

    api: Place = Place(host="127.0.0.1", port=8420)
    agents: Place | None = None
    certificate: Path | None = None
    key: Path | None = None
    anonymous: str = "status"
    origins: tuple[str, ...] = ()
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    debug: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """What `ctl serve` was asked for.

    `allow` says what declarations may touch of this machine, as `--allow` writes it; None: the default. `workers` keys are reconciled at
    once, `parallel` jobs are driven at once. `drain`: a stop waits for what runs.
    """

    source: ConfigSource
    doors: Doors = field(default_factory=Doors)
    parts: frozenset[Part] = frozenset(Part)
    state: str | None = None
    allow: str | None = None
    age_key: Path | None = None
    papers: Papers = field(default_factory=Papers)
    workers: int = 20
    parallel: int = 50
    drain: bool = False
    debug: bool = False
    actor: str
    tell: Listener = ignore
    variables: Mapping[str, str] = field(default_factory=environment)
    clock: Clock = field(default_factory=SystemClock)
