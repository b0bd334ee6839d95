"""The inventory that Ansible would see: the record, and `read`, its one door.

Called by the loader for each path under `inventories:` and by `imports`. Calls `sources` for the files, `vars` for the
folders beside them, `merge` for what holds for each host and `connection` for how it is reached.
"""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.declaration.ansible import connection, merge, sources, vault
from controller.declaration.ansible.draft import Draft, DraftGroup, DraftHost, Values
from controller.declaration.ansible.files import Files
from controller.declaration.ansible.findings import Findings, Refusal
from controller.declaration.ansible.vars import VarsFolders
from controller.model.declaration import Secret
from controller.model.diagnostic import Diagnostic, Place
from controller.model.inventory import Group, Ssh
from controller.model.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsibleInventory:
    """What one Ansible inventory says, in the order in which Ansible met it.

    `hosts` holds the merged variables of each host and `origins` the place of each of them; `own` holds only what is
    said of the host itself. `groups` holds every group, `all` and `ungrouped` included, with its own variables,
    unmerged, group_vars included. `connections` is None for a host that is reached without ssh. `places` are those of
    the hosts. A vaulted value is a `Vaulted` in the variables and a secret in `secrets`. When `diagnostics` holds an
    error, the rest is empty.
    """

    hosts: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    origins: Mapping[str, Mapping[str, Place]] = field(default_factory=dict)
    own: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    connections: Mapping[str, Ssh | None] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    secrets: tuple[Secret, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


def read(tree: Tree, path: str, *, place: Place) -> AnsibleInventory:
    """Read the inventory at `path`, a file or a folder of `tree`, by Ansible's rules.

    Nothing is raised: what cannot be read is a located diagnostic of severity error.

    Args:
        tree: the files of the config repository.
        path: from the root of the tree.
        place: where the inventory is named; findings about the path itself point there.
    """
    findings = Findings()
    try:
        made = _read(Files(tree), posixpath.normpath(path), place, findings)
    except Refusal as refusal:
        findings.add(refusal.diagnostic)
        made = None
    if made is None or findings.errors:
        return AnsibleInventory(diagnostics=tuple(findings.items))
    return made


def _read(files: Files, path: str, place: Place, findings: Findings) -> AnsibleInventory | None:
    draft = Draft(place)
    found = sources.collect(files, "" if path == "." else path, place)
    for source in found:
        sources.read(files, source, draft, findings)
    if findings.errors:
        return None
    merge.settle(draft)
    base = path if files.is_folder(files.resolve(path, place)) else posixpath.dirname(path)
    folders = VarsFolders(files, base, findings)
    folders.fill(draft, place)
    return _finish(draft, folders, findings)


def _finish(draft: Draft, folders: VarsFolders, findings: Findings) -> AnsibleInventory:
    merger = merge.Merger(draft)
    merged = {name: merger.merged(host) for name, host in draft.hosts.items()}
    reached = _connections(draft, merged, findings)
    groups = {name: merge.of_group(group) for name, group in draft.groups.items()}
    secrets = _secrets(draft, folders)
    return AnsibleInventory(
        hosts={name: values.values for name, values in merged.items()},
        origins={name: values.places for name, values in merged.items()},
        own={name: merge.own(host).values for name, host in draft.hosts.items()},
        groups={
            name: Group(
                name=name,
                servers=tuple(group.hosts),
                children=tuple(group.children),
                vars=groups[name].values,
                place=group.place,
            )
            for name, group in draft.groups.items()
        },
        connections={name: ssh for name, (ssh, _) in reached.items()},
        addresses={name: address for name, (_, address) in reached.items()},
        places={name: host.place for name, host in draft.hosts.items()},
        secrets=secrets,
        diagnostics=tuple(findings.items),
    )


def _connections(
    draft: Draft, merged: Mapping[str, Values], findings: Findings
) -> dict[str, tuple[Ssh | None, str]]:
    """Give connection and address of each host; a jump is found by name first, then by address."""
    servers: dict[str, str] = {}
    for name, values in merged.items():
        said = connection.Said(values.values, values.places, draft.hosts[name].place, findings)
        servers.setdefault(connection.address_of(name, said), name)
    servers.update({name: name for name in merged})
    return {
        name: connection.read(name, values, draft.hosts[name].place, servers, findings)
        for name, values in merged.items()
    }


def _secrets(draft: Draft, folders: VarsFolders) -> tuple[Secret, ...]:
    """Name every closed value once, in order of name."""
    found = {item.name: vault.secret(item, place) for item, place in folders.closed}
    holders: list[DraftGroup | DraftHost] = [*draft.groups.values(), *draft.hosts.values()]
    for holder in holders:
        for values in (holder.said, holder.filed):
            for key, value in values.values.items():
                for item in vault.within([value]):
                    found.setdefault(item.name, vault.secret(item, values.places[key]))
    return tuple(found[name] for name in sorted(found))
