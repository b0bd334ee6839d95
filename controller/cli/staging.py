"""The stage of `ctl demo`: two ssh servers, an application repository and a config repository made from the examples.

Called by `demo`. Everything lies in one folder of its own, and everything that was started is stopped.
"""

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from controller.errors import StateError
from controller.transport import loopback
from controller.transport.loopback import Loopback

SERVERS: Final = ("web-1", "web-2")
EXAMPLE_URL: Final = "https://git.example.com/acme/shop.git"
EXAMPLE_KEY: Final = "~/.ssh/id_ed25519"
LOCAL: Final = "  here:\n    local: {}                        # the machine that runs ctl\n    labels: {env: dev}\n"
FOR_SERVE: Final = shutil.ignore_patterns("serving.yaml")
"""Declarations that only a controller that stays carries out; by hand they would stand in every plan as blocked."""
GIT: Final = ("git", "-c", "init.defaultBranch=main", "-c", "commit.gpgSign=false")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What the story is played on."""

    folder: Path
    servers: tuple[Loopback, ...]

    @property
    def config(self) -> Path:
        """The config repository."""
        return self.folder / "config"

    @property
    def shop(self) -> Path:
        """The application repository."""
        return self.folder / "shop"

    def home(self, server: str) -> Path:
        """The home folder of the login on a server."""
        return next(one.home for one in self.servers if one.name == server)

    def variables(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The environment for `ctl`: the secret that the shop wants, and none of the person's CTL_*."""
        kept = {name: value for name, value in environment.items() if not name.startswith("CTL_")}
        return {**kept, "SHOP_DB_PASSWORD": "correct-horse-battery"}

    def commit(self, repository: Path, who: str, message: str, **changed: str) -> str:
        """Write files and commit them; give the commit."""
        for name, content in changed.items():
            path = repository / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        git(repository, "add", "--all")
        identity = ("-c", f"user.name={who}", "-c", f"user.email={who}@example.com")
        git(repository, *identity, "commit", "--quiet", "--message", message)
        return git(repository, "rev-parse", "HEAD").strip()


def git(repository: Path, *arguments: str) -> str:
    """Run git in a repository of the stage."""
    done = subprocess.run(
        [*GIT, "-C", str(repository), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise StateError(f"cannot prepare the demo: git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


@contextmanager
def stage(*, keep: bool) -> Iterator[Stage]:
    """Build the stage, and take it down again unless it is to be kept."""
    folder = Path(tempfile.mkdtemp(prefix="ctl-demo-"))
    servers: list[Loopback] = []
    try:
        authorized = loopback.make_key(folder / "deploy-key")
        user = getpass.getuser()
        for name in SERVERS:
            server = loopback.start(name, folder / name, user=user, authorized=authorized)
            servers.append(server)
        made = Stage(folder=folder, servers=tuple(servers))
        build_shop(made)
        build_config(made)
        yield made
    finally:
        if not keep:
            for server in servers:
                server.stop()
            shutil.rmtree(folder, ignore_errors=True)


def build_shop(made: Stage) -> None:
    """Make the application repository with its first commit."""
    made.shop.mkdir()
    git(made.shop, "init", "--quiet")
    made.commit(
        made.shop, "shop-team", "Open the shop", app__version_txt="1\n", README_md="# Shop\n"
    )


def build_config(made: Stage) -> None:
    """Make the config repository from the examples, with this stage's servers, key and repository in it."""
    made.config.mkdir()
    git(made.config, "init", "--quiet")
    with as_file(examples()) as source:
        for part in ("inventory", "pipelines"):
            shutil.copytree(source / part, made.config / part, ignore=FOR_SERVE)
    replaced(made.config / "inventory/servers.yaml", changes_of_servers(made))
    replaced(made.config / "pipelines/shop.yaml", {EXAMPLE_URL: str(made.shop)})
    made.commit(made.config, "operations", "Declare the fleet", ctl_yaml="settings: {name: demo}\n")


def changes_of_servers(made: Stage) -> dict[str, str]:
    """Say what of the example inventory is different here."""
    changes = {EXAMPLE_KEY: str(made.folder / "deploy-key"), LOCAL: ""}
    for server, port in zip(made.servers, (2201, 2202), strict=True):
        changes[f"ssh: {{port: {port}}}"] = (
            f'ssh: {{port: {server.port}, user: {server.user}, host_key: "{server.host_key}"}}'
        )
    return changes


def replaced(path: Path, changes: Mapping[str, str]) -> None:
    """Replace texts in a file, each of which must be there."""
    text = path.read_text()
    for old, new in changes.items():
        if old not in text:
            raise StateError(f"cannot prepare the demo: the example {path.name} has no {old!r}")
        text = text.replace(old, new)
    path.write_text(text)


def examples() -> Path:
    """Find the examples: in the wheel, or at the root of a checkout."""
    packaged = files("controller") / "examples"
    if packaged.is_dir():
        return Path(os.fspath(packaged))  # type: ignore[call-overload]
    return Path(os.fspath(files("controller"))).parent / "examples"  # type: ignore[call-overload]
