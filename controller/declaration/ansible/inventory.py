"""The inventory that Ansible would see: the record, and `read`, its one door.

Called by the loader for each path under `inventories:` and by `importing`. Calls `sources` for the files, `merge` for
the variables and `connection` for what they say about reaching a host.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.model.declaration import Secret
from controller.model.diagnostic import Diagnostic, Place
from controller.model.inventory import Group, Ssh
from controller.model.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsibleInventory:
    """What one Ansible inventory says, in the order in which Ansible met it.

    `hosts` holds the merged variables of each host and `origins` the place of each of them; `own` holds only what is
    said of the host itself. `groups` holds every group, `all` and `ungrouped` included, with its own variables,
    unmerged, group_vars included. `connections` is None for a host that is reached without ssh. A vaulted value is a
    `Vaulted` in the variables and a secret in `secrets`. When `diagnostics` holds an error, the rest is incomplete.
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
    """Read the inventory at `path`, a file or a folder of `tree`.

    Args:
        tree: the files of the config repository.
        path: from the root of the tree.
        place: where the inventory is named; findings about the path itself point there.
    """
    raise NotImplementedError
