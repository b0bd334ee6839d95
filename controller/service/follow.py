"""Following the config repository of a serving controller: by its address, or the branch of a checkout on this machine.

Called by `serving`; makes a `TrackedConfig`. What opens the remote is read at each look anew, so that files may be replaced meanwhile.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from controller.clock import Clock
from controller.declaration import loader
from controller.declaration.forms import Forms
from controller.errors import UsageError, VerificationError
from controller.model.tree import Tree
from controller.service.options import ConfigSource
from controller.source.access import Credentials
from controller.source.config import ConfigRepo
from controller.source.connections import Connections
from controller.source.credentials import read_credentials, read_given
from controller.source.place import find
from controller.source.tracked import TrackedConfig

MIRROR: Final = "config"
KNOWN_HOSTS: Final = Path("/etc/ssh/ssh_known_hosts")
"""Hosts that the administrator of this machine pinned (sshd(8)), where no file is named."""
MAIN: Final = "main"


def follow(
    source: ConfigSource, folder: Path, *, forms: Forms, clock: Clock, kept: Connections
) -> TrackedConfig:
    """Follow what was asked for; nothing is fetched yet.

    Args:
        source: where it is, and what opens it.
        folder: of the state; the mirror lies in it.
        forms: parsed declarations.
        clock: for declarations that name a time.
        kept: ssh connections that outlive a look.

    Raises:
        NotFoundError: there is no config repository here.
        UsageError: the checkout cannot be followed.
        SourceError: the address is refused.
    """
    url, branch = (source.url, source.branch or MAIN) if source.url else checkout(source)
    signers = source.verify

    def trust(tree: Tree) -> str | None:
        """Say which file of a tree names who may sign what comes after it; a tree that cannot be read lets nothing in."""
        loaded = loader.load(tree, forms=forms, now=clock.now())
        if loaded.declaration is None:
            raise VerificationError(
                "cannot tell who may sign the next commit: the one in force cannot be read any more",
                hint="--config-verify FILE says who may",
            )
        return loaded.declaration.settings.config_verify

    return TrackedConfig(
        url=url,
        branch=branch,
        folder=folder / MIRROR,
        credentials=opener(source),
        signers=None if signers is None else lambda: read_given(signers),
        trust=trust,
        kept=kept,
    )


def checkout(source: ConfigSource) -> tuple[str, str]:
    """Find the checkout that is meant, and its branch.

    Raises:
        NotFoundError: there is none.
        UsageError: it is no whole git repository, or on no branch.
    """
    root = find(source.directory or Path.cwd())
    config = ConfigRepo(root)
    head = config.head() if config.in_git else None
    if config.in_git and head is None:
        raise UsageError(
            f"cannot follow {root}: nothing is committed yet", hint="git add --all && git commit"
        )
    branch = source.branch or ("" if head is None else head.branch)
    if not (root / ".git").exists() or not branch:
        raise UsageError(
            f"cannot follow {root}: it is not the top of a git repository with a branch",
            hint="--config-repo URL --branch NAME",
        )
    return str(root), branch


def opener(source: ConfigSource) -> Callable[[], Credentials]:
    """Give what reads the key or the token at each look."""

    def credentials() -> Credentials:
        hosts = source.known_hosts or (KNOWN_HOSTS if KNOWN_HOSTS.exists() else None)
        return read_credentials(key=source.key, token=source.token_file, known_hosts=hosts)

    return credentials
