"""The rooms of a controller that stays, which differ from those of a command: nobody sits in front of it.

Called by `serving`. It brings no person's keys or agent, reads only the secrets that it was allowed to, and knows the agents that dialled in.
"""

from contextlib import AsyncExitStack
from pathlib import Path

from controller.model.declaration import Declaration
from controller.secrets.allowed import Allowed
from controller.secrets.keyring import Keyring
from controller.service.options import Options
from controller.service.works import Works
from controller.settings import Settings
from controller.source.connections import Connections
from controller.source.mirrors import Mirrors
from controller.store.ports import Store
from controller.transport.agents.listener import AgentListener
from controller.transport.agents.pull_dialer import PullDialer
from controller.transport.ambient import Ambient
from controller.transport.port import Dialer


class StayingWorks(Works):
    """Makes the rooms of one controller that stays."""

    def __init__(
        self,
        options: Options,
        settings: Settings,
        store: Store,
        folder: Path,
        stack: AsyncExitStack,
        *,
        cluster: str,
        epoch: int,
        allowed: Allowed,
        age_key: Path | None,
    ) -> None:
        self.allowed = allowed
        self.connections = Connections(folder)
        """Ssh connections that outlive a look at a remote."""
        stack.callback(self.connections.close)
        super().__init__(options, settings, store, folder, stack, cluster=cluster, epoch=epoch)
        self._age_key = age_key
        self.listener: AgentListener | None = None
        """Knows the agents that dialled in, once it listens."""

    def make_mirrors(self, folder: Path) -> Mirrors:
        """Make what watches repos; paths of this machine only where that is allowed."""
        return Mirrors(folder, files=self.allowed.file_repos, kept=self.connections)

    def keyring(self, declaration: Declaration) -> Keyring:
        """Make what reads the secrets of a declaration, as far as that is allowed."""
        return Keyring(
            declaration.secrets,
            environment=self._options.variables,
            home=self._settings.person.home,
            masker=self.masker,
            sealed=declaration.sealed,
            age_key=self._age_key,
            allowed=self.allowed,
        )

    def ambient(self) -> Ambient | None:
        """Give nothing: a server without a declared key is refused, never reached by whatever lies around."""
        return None

    def keep(self, dialer: Dialer) -> None:
        """Leave it to the loop, which closes each way when another is in force."""

    def pulls(self) -> Dialer:
        """Give the carrier of agents that dialled in."""
        return PullDialer(self.listener)
