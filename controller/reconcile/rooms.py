"""Everything the steps work with, filled by `service`; one of each for as long as a command lasts."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from controller.clock import Clock
from controller.declaration.forms import Forms
from controller.declaration.renderer import Renderer
from controller.journal.archive import ArchiveFiles
from controller.journal.artifacts import ArtifactFiles
from controller.journal.log import Log
from controller.journal.output import OutputFiles
from controller.model.declaration import Declaration
from controller.model.diagnostic import Diagnostic
from controller.model.ids import IdFactory
from controller.model.masking import Masker
from controller.model.revision import Revision
from controller.model.tree import Tree
from controller.reconcile.aside import Aside
from controller.reconcile.engines import RunEngine
from controller.reconcile.exchange.installs import Installer
from controller.reconcile.exchange.progress import Listener
from controller.secrets.keyring import Keyring
from controller.source.configuration import Configuration
from controller.source.mirrors import Mirrors
from controller.store.ports import Store
from controller.transport.keys import KeyScanner
from controller.transport.port import Dialer


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who we are towards agents. `leads`: with the role of a controller, which acts for whomever it names."""

    name: str
    leads: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a declaration lets us reach: its secrets, its servers and its git hosts.

    `known_hosts` are the pinned hosts; `agent` is the socket of the person's ssh agent, None in a daemon. `caller` looks up
    who we are towards agents, None without a certificate.
    """

    keyring: Keyring
    dialer: Dialer
    known_hosts: bytes = b""
    agent: str | None = None
    caller: Callable[[], Caller | None] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Declarations that were read before: what they say, of which commit, their files, and the way to what they name.

    `refused` are findings of newer declarations that are not in force, because some of them are errors.
    """

    revision: Revision
    tree: Tree
    declaration: Declaration
    diagnostics: tuple[Diagnostic, ...]
    reach: Reach
    refused: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """One of each.

    `reach` builds keyring and dialer for a declaration and its pinned host keys, `engine` what carries out
    runs by them. `saving` is held while what was seen is kept; it gives false while another command holds the state,
    and then nothing may be kept. `state` names the state for people, `timezone` is theirs. `in_force` gives under `serve` what is
    declared and in force, in place of the files; `proved` says that whoever acts was proved by a token or a certificate.
    `aside` computes what takes long.
    """

    config: Configuration
    mirrors: Mirrors
    store: Store
    forms: Forms
    renderer: Renderer
    masker: Masker
    activity: Log
    connectivity: Log
    output: OutputFiles
    artifacts: ArtifactFiles
    archive: ArchiveFiles
    clock: Clock
    ids: IdFactory
    reach: Callable[[Declaration, bytes], Reach]
    engine: Callable[[Reach], RunEngine]
    key_scanner: Callable[[bytes], KeyScanner]
    installer: Callable[["Rooms"], Installer]
    saving: Callable[[], AbstractAsyncContextManager[bool]]
    environment: Mapping[str, str]
    actor: str
    controller_name: str
    timezone: str
    state: str
    parallel: int
    listener: Listener
    in_force: Callable[[], Loaded | None] = lambda: None
    proved: bool = False
    aside: Aside = field(default_factory=Aside)
