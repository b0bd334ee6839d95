"""Everything one revision asks for, parsed, valid and resolved."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from controller.model.amount import Amount
from controller.model.diagnostic import NOWHERE, Place
from controller.model.inventory import Inventory
from controller.model.rollout import ApprovalRule, Rollout, Suspended, WhenOffline, Window
from controller.model.task import Limits, Task


class RefKind(StrEnum):
    """What a repo watches."""

    BRANCH = "branch"
    TAG = "tag"  # a glob; the newest by version counts
    REF = "ref"  # one commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Repo:
    """A watched git repository; `token` and `ssh_key` name secrets, `verify` a file of the config repository."""

    name: str
    url: str
    kind: RefKind = RefKind.BRANCH
    ref: str = "main"
    interval: float = 86400.0
    token: str | None = None
    ssh_key: str | None = None
    verify: str | None = None
    active: bool = True
    was: str | None = None
    place: Place = NOWHERE


class SecretKind(StrEnum):
    """Where a secret's value comes from."""

    ENV = "env"  # a variable of the controller's environment
    FILE = "file"  # a file on the controller's machine, `~` expanded
    VAULT = "ansible-vault"  # a vaulted value of an Ansible inventory, carried but never opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """The name of a value that is only ever read at the moment of use."""

    name: str
    kind: SecretKind
    source: str
    expires: str | None = None
    was: str | None = None
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptedInventory:
    """An inventory of another tool that is read as it is: which tool, its path from the root, the servers it gave."""

    name: str
    tool: str
    path: str
    servers: tuple[str, ...] = ()
    place: Place = NOWHERE


class OnCommit(StrEnum):
    """What a change of inputs does by itself."""

    APPLY = "apply"
    PLAN = "plan"
    IGNORE = "ignore"


class OnDrift(StrEnum):
    """What drift does by itself."""

    HEAL = "heal"
    REPORT = "report"
    IGNORE = "ignore"


class OnRemove(StrEnum):
    """What happens when a pair vanishes from the declaration."""

    FORGET = "forget"  # its record goes, nothing is touched
    BLOCK = "block"  # it stays, and says so, until a person overrides
    RUN = "run"  # the undo task runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The binding repo x servers x task.

    `servers` is the pattern as written, `members` the names it picks, in order of name; `params` are the values
    as written (strings are templates), defaults of the task included. `undo` is the task of `on_remove: {run: TASK}`. Without
    a `rollout` all servers are one wave and failures stop nothing. `after` names targets; `was` is an earlier name.
    """

    name: str
    task: str
    servers: str
    members: tuple[str, ...] = ()
    repo: str | None = None
    paths: tuple[str, ...] = ()
    params: Mapping[str, object] = field(default_factory=dict)
    on_commit: OnCommit = OnCommit.APPLY
    on_drift: OnDrift = OnDrift.REPORT
    on_remove: OnRemove = OnRemove.FORGET
    undo: str | None = None
    protect: bool = False
    rollout: Rollout | None = None
    approval: ApprovalRule | None = None
    windows: tuple[Window, ...] = ()
    when_offline: WhenOffline = WhenOffline.QUEUE
    after: tuple[str, ...] = ()
    priority: int = 0
    suspended: Suspended | None = None
    was: str | None = None
    places: Mapping[str, Place] = field(default_factory=dict)
    """Where each key is written: "", "servers", "task", "params.NAME", ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much one run may touch without a named override.

    `servers`: a count, or a share of all declared servers; None: no limit. `removals`: a count of pairs, or a share of all
    known pairs, which counts from ten removals on.
    """

    servers: Amount | None = None
    removals: Amount = field(default_factory=lambda: Amount(number=30, percent=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`settings` of ctl.yaml; `known_hosts` is a path from the root of the config repository.

    `approvers` are the names whose approval counts; empty: everybody's. `limits` hold where a task names none.
    """

    name: str = "main"
    known_hosts: str = "keys/known_hosts"
    budget: Budget = field(default_factory=Budget)
    approvers: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One revision's wishes; every name resolves, every pattern has been matched.

    `scripts` holds the bytes of every file that a step's `script:` names and of every plugin, `blobs` of every file that `files:` delivers.
    """

    settings: Settings = field(default_factory=Settings)
    repos: Mapping[str, Repo] = field(default_factory=dict)
    inventory: Inventory = field(default_factory=Inventory)
    tasks: Mapping[str, Task] = field(default_factory=dict)
    targets: Mapping[str, Target] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    scripts: Mapping[str, bytes] = field(default_factory=dict)
    blobs: Mapping[str, bytes] = field(default_factory=dict)
    inventories: Mapping[str, AdoptedInventory] = field(default_factory=dict)
