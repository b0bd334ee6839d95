"""`ctl import ansible`: an Ansible inventory as declarations of our own that resolve to the same.

Called by the command line. Calls the Ansible reader; `import_groups` says what servers get from groups, `import_text` writes.
Hosts, groups and merged variables stay; where our order of precedence would give another value, the host says it itself.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Final

from controller.declaration.ansible.inventory import AnsibleInventory, read
from controller.declaration.import_groups import IMPLICIT, VARIABLE, Family, declared
from controller.declaration.import_text import comment, entry, flow, scalar, writable
from controller.declaration.imported import Imported, Logins, slug, split
from controller.model.diagnostic import Diagnostic, Place, Severity
from controller.model.ids import HOST_NAME
from controller.model.inventory import Group
from controller.model.tree import Tree

_ADDRESS: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:%-]{0,254}|[0-9A-Fa-f:]{2,39}")


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


class _Writer:
    """Writes groups, servers and secrets as lines, and gathers what cannot be written."""

    def __init__(self, inventory: AnsibleInventory) -> None:
        self.inventory = inventory
        self.family = Family(inventory.groups)
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
        if name in IMPLICIT and not said:
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
    if not VARIABLE.fullmatch(key):
        return "not a name a variable can have"
    if writable(value):
        return "its group cannot hold variables"
    return "closed by Ansible Vault, or a value that YAML 1.2 cannot hold"


def same(one: object, other: object) -> bool:
    """Compare values strictly: 1, 1.0 and true are three things."""
    return one is other or (one == other and repr(one) == repr(other))
