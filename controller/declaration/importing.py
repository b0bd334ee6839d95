"""`ctl import ansible`: an Ansible inventory as declarations of our own that resolve to the same.

Called by the command line. Calls the Ansible reader, then `_Plan` decides what stands where, then `import_text` writes.
Hosts, groups and merged variables stay; where our order of precedence would give another value, the host says it itself.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from controller.declaration.ansible.inventory import AnsibleInventory, read
from controller.declaration.import_text import comment, entry, flow, scalar, writable
from controller.model.diagnostic import Diagnostic, Place, Severity
from controller.model.ids import HOST_NAME, NAME
from controller.model.inventory import Group, Ssh
from controller.model.tree import Tree

CHUNK: Final = 400_000
"""Characters of one written file of servers, far below what our own reader takes."""
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_ADDRESS: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:%-]{0,254}|[0-9A-Fa-f:]{2,39}")
_USER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}\$?")
_KEY_FILE: Final = re.compile(r"(?:/|~/)[^\x00-\x1f]+")
_IMPLICIT: Final = frozenset({"all", "ungrouped"})


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


class _Family:
    """Groups as they will be declared, and what a server gets from them by our own order."""

    def __init__(self, groups: Mapping[str, Group]) -> None:
        self.kept = {name: group for name, group in groups.items() if NAME.fullmatch(name)}
        self.groups = groups
        self._parents: dict[str, list[str]] = {}
        self._above: dict[str, list[str]] = {}
        for name, group in groups.items():
            for child in group.children if name != "all" else ():
                self._above.setdefault(child, []).append(name)
                if name in self.kept:
                    self._parents.setdefault(child, []).append(name)
        self._depths: dict[str, int] = {}
        self._given: dict[tuple[str, ...], dict[str, object]] = {}
        self._named: dict[tuple[str, ...], tuple[str, ...]] = {}

    def named(self, direct: tuple[str, ...]) -> tuple[str, ...]:
        """Give the groups a server must name: its own, and those above that cannot name their children."""
        if direct not in self._named:
            found = dict.fromkeys(name for name in direct if name not in _IMPLICIT)
            above = _walk(direct, self._above)
            found.update(dict.fromkeys(name for name in above if name not in self.kept))
            self._named[direct] = tuple(name for name in found if HOST_NAME.fullmatch(name))
        return self._named[direct]

    def given(self, named: tuple[str, ...]) -> dict[str, object]:
        """Give the variables that our loader will merge for a server that names these groups."""
        if named not in self._given:
            names = [name for name in _walk(named, self._parents) if name in self.kept]
            ordered = sorted(names, key=lambda name: (self._depth(name), name))
            made: dict[str, object] = {}
            for name in ("all", *(ordered if named else ("ungrouped",))):
                made.update(declared(self.groups[name].vars))
            self._given[named] = made
        return self._given[named]

    def _depth(self, name: str) -> int:
        """Measure the longest way down; our own depths, for groups that are kept."""
        waiting = [name]
        while waiting:
            current = waiting[-1]
            above = self._parents.get(current, [])
            unknown = [parent for parent in above if parent not in self._depths]
            if unknown:
                waiting += unknown
                continue
            self._depths[current] = 1 + max((self._depths[item] for item in above), default=0)
            waiting.pop()
        return self._depths[name]


def _walk(names: tuple[str, ...], parents: Mapping[str, list[str]]) -> Sequence[str]:
    found: dict[str, None] = {}
    waiting = [name for name in names if name not in _IMPLICIT]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = None
            waiting += parents.get(name, [])
    return list(found)


def declared(variables: Mapping[str, object]) -> dict[str, object]:
    """Give the variables that a declaration can hold."""
    return {
        key: value
        for key, value in variables.items()
        if _VARIABLE.fullmatch(key) and key != "ansible_group_priority" and writable(value)
    }


def import_ansible(tree: Tree, path: str) -> Imported:
    """Write the Ansible inventory at `path` as declarations under `inventory/`.

    Args:
        tree: the files of the config repository.
        path: of the inventory, a file or folder, from the root of the tree.
    """
    inventory = read(tree, path, place=Place(file=path))
    if any(item.severity is Severity.ERROR for item in inventory.diagnostics):
        return Imported(diagnostics=inventory.diagnostics)
    writer = _Writer(inventory)
    stem = slug(posixpath.splitext(posixpath.basename(path.rstrip("/")))[0])
    heading = comment(f"From the Ansible inventory {path}.")
    servers = list(writer.servers())
    parts = [heading, *writer.secrets(), *writer.groups()]
    if any("{{" in line for line in (*parts, *(line for block in servers for line in block))):
        parts.insert(1, comment("Text with {{ }} in variables stays text: nothing renders it."))
    files = dict(split(f"inventory/{stem}", "\n".join(parts), servers, tree))
    return Imported(files=files, diagnostics=(*inventory.diagnostics, *writer.diagnostics))


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


class _Writer:
    """Writes groups, servers and secrets as lines, and gathers what cannot be written."""

    def __init__(self, inventory: AnsibleInventory) -> None:
        self.inventory = inventory
        self.family = _Family(inventory.groups)
        self.logins = Logins()
        self.diagnostics: list[Diagnostic] = []
        self.direct: dict[str, list[str]] = {name: [] for name in inventory.hosts}
        for name, group in inventory.groups.items():
            for host in group.servers:
                self.direct[host].append(name)

    def secrets(self) -> list[str]:
        """Write the key files that servers log in with; to be called after `servers`."""
        named = {name: {"file": path} for path, name in self.logins.secrets.items()}
        return ["", *entry("secrets:", named, 0)] if named else []

    def groups(self) -> list[str]:
        """Write every group that has something to say."""
        lines: list[str] = []
        for name, group in self.inventory.groups.items():
            lines += self._group(name, group)
        return ["", "groups:", *lines] if any(line.strip() for line in lines) else []

    def _group(self, name: str, group: Group) -> list[str]:
        children = [child for child in group.children if HOST_NAME.fullmatch(child)]
        variables = declared(group.vars)
        said: dict[str, object] = {}
        if children and name != "all":
            said["children"] = children
        if variables:
            said["vars"] = variables
        if name in _IMPLICIT and not said:
            return self._left(group.vars, variables, group.place, 2)
        if name not in self.family.kept:
            reason = (
                f"group {name}: not a name of ours, so its servers name it and hold its variables"
            )
            return [self._say(reason, group.place, 2)]
        return [
            *self._left(group.vars, variables, group.place, 2),
            *entry(f"{scalar(name)}:", said, 2),
        ]

    def servers(self) -> Iterator[list[str]]:
        """Write every host, one list of lines each."""
        for name in self.inventory.hosts:
            if HOST_NAME.fullmatch(name):
                yield self._server(name)
            else:
                place = self.inventory.places[name]
                yield [self._say(f"host {name}: not a name a server can have", place, 2)]

    def _server(self, name: str) -> list[str]:
        place = self.inventory.places[name]
        named = self.family.named(tuple(self.direct[name]))
        given = self.family.given(named)
        own = self.inventory.own[name]
        wanted = {
            key: value
            for key, value in self.inventory.hosts[name].items()
            if key in own or key not in given or not same(given[key], value)
        }
        variables = declared(wanted)
        said, left = self._reached(name)
        lines = self._left(own, variables, place, 4, self.inventory.origins[name])
        lines += [self._say(reason, place, 4) for reason in left]
        body = [f"    {key}: {value}" for key, value in said.items()]
        if named:
            body.append(f"    groups: {flow(list(named))}")
        if variables:
            body += entry("vars:", variables, 4)
        head = entry(f"{scalar(name)}:", {}, 2)[0]
        return [head.removesuffix(" {}") if body else head, *lines, *body]

    def _reached(self, name: str) -> tuple[dict[str, str], list[str]]:
        """Give address and login of a host, written, and what cannot be said."""
        said: dict[str, str] = {}
        left: list[str] = []
        address = self.inventory.addresses[name]
        if address != name and _ADDRESS.fullmatch(address):
            said["address"] = flow(address)
        elif address != name:
            left.append(f"address {address!r}")
        ssh = self.inventory.connections[name]
        if ssh is None:
            said["local"] = "{}"
            return said, left
        login, unsaid = self.logins.ssh(ssh, self.inventory.hosts)
        if login:
            said["ssh"] = flow(login)
        return said, left + unsaid

    def _left(
        self,
        variables: Mapping[str, object],
        kept: Mapping[str, object],
        place: Place,
        indent: int,
        places: Mapping[str, Place] | None = None,
    ) -> list[str]:
        """Write a comment for each variable that is left out."""
        return [
            self._say(f"variable {key}: {_why(key, value)}", (places or {}).get(key, place), indent)
            for key, value in variables.items()
            if key not in kept and key != "ansible_group_priority"
        ]

    def _say(self, reason: str, place: Place, indent: int) -> str:
        message = f"cannot translate {reason}"
        self.diagnostics.append(
            Diagnostic(
                severity=Severity.WARNING, code="not-translated", message=message, place=place
            )
        )
        return comment(f"not translated: {reason} ({place.file}:{place.line})", indent)


def _why(key: str, value: object) -> str:
    if not _VARIABLE.fullmatch(key):
        return "not a name a variable can have"
    if writable(value):
        return "its group cannot hold variables"
    return "closed by Ansible Vault, or a value that YAML 1.2 cannot hold"


def same(one: object, other: object) -> bool:
    """Compare values strictly: 1, 1.0 and true are three things."""
    return one is other or (one == other and repr(one) == repr(other))
