"""Everything one revision asks for, parsed, valid and resolved."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from controller.model.access import Access
from controller.model.amount import Amount
from controller.model.diagnostic import NOWHERE, Place
from controller.model.inventory import Inventory
from controller.model.notifier import Notifier
from controller.model.retention import Retention
from controller.model.rollout import ApprovalRule, Rollout, Suspended, WhenOffline, Window
from controller.model.schedule import Overlap, Schedule
from controller.model.task import Limits, Task


class RefKind(StrEnum):
    """What a repo watches."""

    BRANCH = "branch"
    TAG = "tag"  # a glob; the newest by version counts
    REF = "ref"  # one commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Repo:
    """A watched git repository; `token`, `ssh_key` and `webhook` name secrets, `verify` a file of the config repository.

    `interval` is in seconds. Without `webhook` nobody's push is believed.
    """

    name: str
    url: str
    kind: RefKind = RefKind.BRANCH
    ref: str = "main"
    interval: float = 86400.0
    token: str | None = None
    ssh_key: str | None = None
    webhook: str | None = None
    verify: str | None = None
    active: bool = True
    needs_flag: str | None = None
    """The flag of a serving controller without which it may not fetch this repo, which is inactive then."""
    was: str | None = None
    place: Place = NOWHERE


class SecretKind(StrEnum):
    """Where a secret's value comes from."""

    ENV = "env"  # a variable of the controller's environment
    FILE = "file"  # a file on the controller's machine, `~` expanded
    VAULT = "ansible-vault"  # a vaulted value of an Ansible inventory, carried but never opened
    AGE = "age"  # a file of the config repository, closed with age
    SOPS = "sops"  # a value in a SOPS file of the config repository
    EXEC = "exec"  # what a program prints
    KV = "vault"  # a value in the key-value store of a HashiCorp Vault
    CREDENTIAL = "credential"  # a file that systemd hands to the controller


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """The name of a value that is only ever read at the moment of use.

    `source` is the variable, path or name as written; of a program its words as a shell would take them, `argv` has
    them one by one. `key` names the value inside a SOPS file or a Vault path.
    """

    name: str
    kind: SecretKind
    source: str
    key: str | None = None
    argv: tuple[str, ...] = ()
    expires: str | None = None
    was: str | None = None
    place: Place = NOWHERE

    @property
    def ends(self) -> date | None:
        """The first day (UTC) on which the value is not valid any more, if one is declared."""
        return None if self.expires is None else date.fromisoformat(self.expires)


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
    `overlap` None: a due run is skipped while another is at work, any other waits. `notify` names notifiers; empty: every one
    that wants the occasion.
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
    schedule: Schedule | None = None
    overlap: Overlap | None = None
    approval: ApprovalRule | None = None
    windows: tuple[Window, ...] = ()
    when_offline: WhenOffline = WhenOffline.QUEUE
    after: tuple[str, ...] = ()
    priority: int = 0
    notify: tuple[str, ...] = ()
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

    `approvers` are the names whose approval counts; empty: everybody's. `limits` hold where a task names none. A serving
    controller looks at the config repository every `config_interval` seconds, and takes only commits that are signed by one of
    the signers in the file `config_verify`.
    """

    name: str = "main"
    known_hosts: str = "keys/known_hosts"
    budget: Budget = field(default_factory=Budget)
    approvers: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    config_interval: float = 60.0
    config_verify: str | None = None
    retention: Retention = field(default_factory=Retention)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One revision's wishes; every name resolves, every pattern has been matched.

    `scripts` holds the bytes of every file that a step's `script:` names and of every plugin, `blobs` of every file that `files:` delivers,
    `sealed` of every encrypted file that a secret names.
    """

    settings: Settings = field(default_factory=Settings)
    repos: Mapping[str, Repo] = field(default_factory=dict)
    inventory: Inventory = field(default_factory=Inventory)
    tasks: Mapping[str, Task] = field(default_factory=dict)
    targets: Mapping[str, Target] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    scripts: Mapping[str, bytes] = field(default_factory=dict)
    blobs: Mapping[str, bytes] = field(default_factory=dict)
    sealed: Mapping[str, bytes] = field(default_factory=dict)
    inventories: Mapping[str, AdoptedInventory] = field(default_factory=dict)
    notifiers: Mapping[str, Notifier] = field(default_factory=dict)
    access: Access = field(default_factory=Access)
