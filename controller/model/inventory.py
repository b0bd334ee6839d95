"""Servers and groups as they stand after all references, defaults and variables are resolved."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from controller.model.amount import Amount
from controller.model.diagnostic import NOWHERE, Place


class Carrier(StrEnum):
    """How a server is reached."""

    SSH = "ssh"
    LOCAL = "local"
    AGENT = "agent"  # the controller dials the agent over mutual TLS
    PULL = "pull"  # the agent dials the controller


@dataclass(frozen=True, slots=True, kw_only=True)
class Ssh:
    """A login over ssh.

    `key` names a secret; `key_file` is a path on the controller's machine (from an Ansible inventory or an ssh
    config). `host_keys` are lines "type base64"; empty means: look in the pinned known_hosts. `jump` names
    another server of the inventory.
    """

    user: str | None = None
    port: int = 22
    key: str | None = None
    key_file: str | None = None
    use_agent: bool = False
    host_keys: tuple[str, ...] = ()
    jump: str | None = None
    sudo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent that waits to be dialled; its certificate carries the server's name."""

    port: int = 9443


@dataclass(frozen=True, slots=True, kw_only=True)
class Vaulted:
    """A vaulted value of an Ansible inventory: the name of its secret, and its closed text."""

    name: str
    ciphertext: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """How often a server's connectivity is checked, in seconds."""

    interval: float = 43200.0
    retries: int = 3
    retry_delay: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One machine.

    `groups` holds every group it belongs to, parents before children, `all` left out. `vars` are the merged
    variables; `origins` says where each came from. `vars` may hold `Vaulted` values from an Ansible inventory.
    """

    name: str
    address: str
    carrier: Carrier = Carrier.SSH
    ssh: Ssh = field(default_factory=Ssh)
    agent: Agent = field(default_factory=Agent)
    groups: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    vars: Mapping[str, object] = field(default_factory=dict)
    origins: Mapping[str, Place] = field(default_factory=dict)
    check: Check = field(default_factory=Check)
    concurrency: int = 1
    active: bool = True
    needs_flag: str | None = None
    """The flag of a serving controller without which it may not touch this server, which is inactive then."""
    was: str | None = None
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A named set: its own servers and those of its children; `vars` are its own, unmerged."""

    name: str
    servers: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    vars: Mapping[str, object] = field(default_factory=dict)
    max_unavailable: Amount | None = None
    was: str | None = None
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """All servers and groups by name, in order of name."""

    servers: Mapping[str, Server] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
