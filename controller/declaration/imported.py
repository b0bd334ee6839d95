"""What every import makes: files of bounded size, what is to be said about them, and names for the keys that servers are reached with.

Called by `importing` and `import_ssh`. Pure.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from controller.model.diagnostic import Diagnostic
from controller.model.inventory import Ssh
from controller.model.tree import Tree

CHUNK: Final = 400_000
"""Characters of one written file of servers, far below what our own reader takes."""
_USER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}\$?")
_KEY_FILE: Final = re.compile(r"(?:/|~/)[^\x00-\x1f]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Files to write, by path from the root of the config repository, and what is to be said about them."""

    files: Mapping[str, str] = field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(slots=True)
class Logins:
    """Names of secrets for the key files that were met."""

    secrets: dict[str, str] = field(default_factory=dict)

    def key(self, path: str) -> str:
        """Give the name of the secret that holds the key in a file."""
        if path not in self.secrets:
            stem = f"key-{slug(posixpath.basename(path))}"[:50]
            taken = set(self.secrets.values())
            names = (stem if not count else f"{stem}-{count}" for count in range(len(taken) + 1))
            self.secrets[path] = next(name for name in names if name not in taken)
        return self.secrets[path]

    def ssh(self, ssh: Ssh, servers: Mapping[str, object]) -> tuple[dict[str, object], list[str]]:
        """Give the `ssh` of a server as a map, and what cannot be said."""
        said: dict[str, object] = {}
        left: list[str] = []
        if ssh.user is not None:
            _take(said, left, "user", ssh.user, fits=bool(_USER.fullmatch(ssh.user)))
        if ssh.port != Ssh().port:
            said["port"] = ssh.port
        if ssh.key_file is not None and _KEY_FILE.fullmatch(ssh.key_file):
            said["key"] = self.key(ssh.key_file)
        elif ssh.key_file is not None:
            left.append(f"key file {ssh.key_file!r}: an absolute path or one with ~/ is needed")
        if ssh.jump is not None:
            _take(said, left, "jump", ssh.jump, fits=ssh.jump in servers)
        if ssh.sudo:
            said["sudo"] = True
        return said, left


def _take(said: dict[str, object], left: list[str], key: str, value: str, *, fits: bool) -> None:
    if fits:
        said[key] = value
    else:
        left.append(f"{key} {value!r}")


def slug(text: str) -> str:
    """Turn a text into part of a name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "imported"


def split(stem: str, head: str, servers: list[list[str]], tree: Tree) -> Iterator[tuple[str, str]]:
    """Give files of bounded size: the first with what stands before the servers.

    Args:
        stem: path of the file without number and extension.
        head: what stands before the servers.
        servers: the lines of each server.
        tree: files that are there already are not written over.
    """
    number, body, size = 1, [head], len(head)
    body += ["", "servers:"] if servers else []
    for lines in servers:
        if size > CHUNK:
            yield _free(stem, number, tree), "\n".join(body) + "\n"
            number, body, size = number + 1, ["servers:"], 0
        body += lines
        size += sum(map(len, lines)) + len(lines)
    yield _free(stem, number, tree), "\n".join(body) + "\n"


def _free(stem: str, number: int, tree: Tree) -> str:
    suffix = "" if number == 1 else f"-{number}"
    path = f"{stem}{suffix}.yaml"
    return f"{stem}-imported{suffix}.yaml" if path in tree.entries else path
