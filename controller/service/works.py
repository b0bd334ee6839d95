"""What every controller is made of: the rooms of one state, and the adapters they need.

Called by `local` and `serving`. Adapters that are heavy are loaded when a declaration first needs them.
"""

import os
import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

from controller.declaration.conditions import StepSeen, evaluate_when
from controller.declaration.renderer import Renderer
from controller.errors import ControllerError
from controller.jobs.engine import Engine
from controller.jobs.ports import Equipment, Progress as Watcher, ReadSecret
from controller.journal.archive import ArchiveFiles
from controller.journal.artifacts import ArtifactFiles
from controller.journal.log import Log
from controller.journal.output import OutputFiles
from controller.model.declaration import Declaration
from controller.model.ids import encode_id
from controller.model.inventory import Carrier
from controller.model.job import Job, JobBody
from controller.reconcile.exchange.installs import Installer
from controller.reconcile.rooms import Caller, Reach, Rooms
from controller.secrets import comparison
from controller.secrets.keyring import Keyring
from controller.secrets.masker import ValueMasker
from controller.service.options import Options
from controller.service.teller import Teller
from controller.settings import Settings
from controller.source.configuration import Configuration
from controller.source.mirrors import Mirrors
from controller.store.folder import CACHE_FILE
from controller.store.forms import FormsCache
from controller.store.ports import Store
from controller.transport.agents.renewer import Renewer
from controller.transport.ambient import Ambient
from controller.transport.dialer import CarrierDialer
from controller.transport.keys import KeyScanner
from controller.transport.port import Dialer


class Works:
    """Makes the rooms of one opened controller."""

    def __init__(
        self,
        options: Options,
        settings: Settings,
        store: Store,
        folder: Path,
        stack: AsyncExitStack,
        *,
        cluster: str = "",
        epoch: int = 0,
    ) -> None:
        """Prepare.

        Args:
            options: what a face asks for.
            settings: how this program was told to behave.
            store: everything on the shelf.
            folder: holds what is not in the store.
            stack: closes what is opened.
            cluster: names the state to agents.
            epoch: the right to act on it, 0 without one.
        """
        self._cluster = cluster
        self._epoch = epoch
        self.renew: Renewer | None = None
        """Signs the next certificate of agents, in a controller that stays; asked for when the first agent is dialled."""
        self._options = options
        self._settings = settings
        self._store = store
        self._folder = folder
        self._stack = stack
        self.masker = ValueMasker()
        self.forms = FormsCache(folder / CACHE_FILE)
        self._renderer = stack.enter_context(Renderer())
        self._output = OutputFiles(folder)
        self._artifacts = ArtifactFiles(folder)
        self._mirrors = self.make_mirrors(folder / "mirrors")
        logs = folder / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        self._activity = Log(logs, "activity", clock=options.clock, masker=self.masker)
        self._connectivity = Log(logs, "connectivity", clock=options.clock, masker=self.masker)

    def rooms(
        self, config: Configuration, saving: Callable[[], AbstractAsyncContextManager[bool]]
    ) -> Rooms:
        """Give everything the steps work with; `saving` says whether what was seen may be kept."""
        options = self._options
        return Rooms(
            config=config,
            mirrors=self._mirrors,
            store=self._store,
            forms=self.forms,
            renderer=self._renderer,
            masker=self.masker,
            activity=self._activity,
            connectivity=self._connectivity,
            output=self._output,
            artifacts=self._artifacts,
            archive=ArchiveFiles(self._folder),
            clock=options.clock,
            ids=new_id,
            reach=self.reach,
            engine=self.engine,
            key_scanner=key_scanner,
            installer=installer,
            saving=saving,
            environment=options.variables,
            actor=options.actor,
            controller_name=self._settings.person.host,
            timezone=self._settings.person.timezone,
            state=str(self._folder),
            parallel=options.parallel,
            listener=options.progress,
        )

    def reach(self, declaration: Declaration, known_hosts: bytes) -> Reach:
        """Build keyring and dialer for a declaration."""
        keyring = self.keyring(declaration)
        ambient = self.ambient()
        dialer = CarrierDialer(
            {
                Carrier.SSH: lambda: self._ssh(declaration, keyring, known_hosts, ambient),
                Carrier.LOCAL: self._local,
                Carrier.AGENT: self._agents,
                Carrier.PULL: self.pulls,
            }
        )
        self.keep(dialer)
        return Reach(
            keyring=keyring,
            dialer=dialer,
            known_hosts=known_hosts,
            agent=None if ambient is None else ambient.agent,
            caller=self._caller,
        )

    def make_mirrors(self, folder: Path) -> Mirrors:
        """Make what watches repos."""
        return Mirrors(folder)

    def keyring(self, declaration: Declaration) -> Keyring:
        """Make what reads the secrets of a declaration."""
        return Keyring(
            declaration.secrets,
            environment=self._options.variables,
            home=self._settings.person.home,
            masker=self.masker,
            sealed=declaration.sealed,
        )

    def ambient(self) -> Ambient | None:
        """Give what a person at the keyboard brings along; None in a daemon."""
        person = self._settings.person
        agent = None if person.ssh_agent is None else str(person.ssh_agent)
        return Ambient(agent=agent, home=person.home, user=person.name)

    def keep(self, dialer: Dialer) -> None:
        """Close a dialer when the controller is closed."""
        self._stack.push_async_callback(dialer.close)

    def pulls(self) -> Dialer:
        """Give the carrier of agents that dial; by hand nobody listens for them."""
        from controller.transport.agents.pull_dialer import PullDialer

        return PullDialer(None)

    def _ssh(
        self,
        declaration: Declaration,
        keyring: Keyring,
        known_hosts: bytes,
        ambient: Ambient | None,
    ) -> Dialer:
        from controller.transport.ssh import SshDialer

        return SshDialer(
            keys=lambda name: keyring.read(name).reveal_bytes(),
            known_hosts=known_hosts,
            servers=declaration.inventory.servers,
            ambient=ambient,
            nonce=new_nonce,
        )

    def _local(self) -> Dialer:
        from controller.transport.local import LocalDialer

        return LocalDialer(environment=self._options.variables)

    def _caller(self) -> Caller | None:
        """Say who we are towards agents; whoever dials without a certificate says why he cannot."""
        from controller.pki.role import Role
        from controller.transport.agents import papers

        said = self._options.papers
        try:
            own = papers.Papers(said.folder, said.name).own
        except ControllerError:
            return None
        return Caller(name=own.name, leads=own.role is Role.CONTROLLER)

    def _agents(self) -> Dialer:
        from controller.transport.agents import papers
        from controller.transport.agents.dialer import AgentDialer

        said = self._options.papers
        return AgentDialer(
            papers.Papers(said.folder, said.name),
            clock=self._options.clock,
            instance=new_id,
            cluster=self._cluster,
            lease=self._epoch,
            renew=self.renew,
        )

    def engine(self, reach: Reach) -> Engine:
        """Build what carries out runs."""
        return self.make_engine(
            reach.dialer,
            lambda name: reach.keyring.read(name).reveal(),
            Teller(self._options.progress),
        )

    def make_engine(self, dialer: Dialer, read: ReadSecret, watcher: Watcher) -> Engine:
        """Build what carries out runs over a dialer, with a reader of secrets, and somebody who watches."""
        return Engine(
            Equipment(
                store=self._store,
                dialer=dialer,
                output=self._output,
                artifacts=self._artifacts,
                activity=self._activity,
                connectivity=self._connectivity,
                masker=self.masker,
                secrets=read,
                keyed=comparison.keyed_text,
                new_key=comparison.new_key,
                clock=self._options.clock,
                ids=new_id,
                evaluate_when=self._when,
                archive=self._mirrors.archive,
                controller_name=self._settings.person.host,
                actor=self._options.actor,
                progress=watcher,
            )
        )

    async def _when(self, expression: str, job: Job, body: JobBody) -> bool:
        """Evaluate a step's `when` against the steps before it."""
        step = next(one for one in body.work.steps if one.when == expression)
        seen = {one.name: StepSeen(state=one.state, outputs=one.outputs) for one in job.steps}
        return evaluate_when(self._renderer, step, seen)


def new_id() -> str:
    """Make a fresh id from the system's randomness."""
    return encode_id(os.urandom(8))


def new_nonce() -> str:
    """Make a fresh word for the runner's protocol."""
    return secrets.token_hex(8)


def key_scanner(known_hosts: bytes) -> KeyScanner:
    """Load what asks servers for their host keys."""
    from controller.transport.hostkeys import SshKeyScanner

    return SshKeyScanner(known_hosts)


def installer(rooms: Rooms) -> Installer:
    """Load what installs agents."""
    from controller.reconcile.agents.installing import ServerInstaller

    return ServerInstaller(rooms)
