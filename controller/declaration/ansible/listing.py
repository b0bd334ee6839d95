"""The JSON of an executable inventory, as `ansible-inventory --list [--export]` prints it too.

Called by the command line for `ctl inventory --list|--host NAME`. Values of a vault stay closed.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from controller.declaration.ansible import connection
from controller.declaration.ansible.inventory import AnsibleInventory
from controller.declaration.ansible.scalars import Unsafe
from controller.model.inventory import Carrier, Group, Inventory, Server, Vaulted

_TOP: Final = frozenset({"all", "ungrouped"})


def listing(inventory: Inventory) -> dict[str, object]:
    """Give all servers and groups, declared or read, as `--list` of an executable inventory prints them."""
    servers = inventory.servers.values()
    return _whole(
        _grouped(inventory), {server.name: variables(server, inventory) for server in servers}
    )


def host(inventory: Inventory, name: str) -> dict[str, object]:
    """Give the variables of one server as `--host NAME` prints them; empty when nobody knows it."""
    server = inventory.servers.get(name)
    return {} if server is None else _shown_map(variables(server, inventory))


def ansible(inventory: AnsibleInventory, *, export: bool = False) -> dict[str, object]:
    """Give what `ansible-inventory --list` prints of an Ansible inventory, or with `--export`.

    Args:
        inventory: as it was read.
        export: leave variables with the groups that have them instead of merging them into the hosts.
    """
    hosts = inventory.own if export else inventory.hosts
    return _whole(inventory.groups, hosts, with_vars=export)


def variables(server: Server, inventory: Inventory) -> dict[str, object]:
    """Give the variables of a server, and those that tell Ansible how to reach it unless they are there."""
    found = dict(server.vars)
    for names, value in _reached(server, inventory):
        if value is not None and not any(name in found for name in names):
            found[names[-1]] = value
    return found


def _reached(
    server: Server, inventory: Inventory
) -> Iterable[tuple[tuple[str, ...], object | None]]:
    address = None if server.address == server.name else server.address
    yield connection.ADDRESS, address
    if server.carrier is Carrier.LOCAL:
        yield ("ansible_connection",), "local"
        return
    ssh = server.ssh
    yield connection.PORT, None if ssh.port == 22 else ssh.port  # noqa: PLR2004 - the port of ssh
    yield connection.USER, ssh.user
    yield connection.KEY_FILE, ssh.key_file
    yield ("ansible_become",), True if ssh.sudo else None
    jump = inventory.servers.get(ssh.jump) if ssh.jump else None
    if jump is not None:
        login = f"{jump.ssh.user}@" if jump.ssh.user else ""
        port = "" if jump.ssh.port == 22 else f":{jump.ssh.port}"  # noqa: PLR2004
        yield connection.ARGUMENTS[1:] + connection.ARGUMENTS[:1], f"-J {login}{jump.address}{port}"


def _grouped(inventory: Inventory) -> dict[str, Group]:
    """Add `all` and `ungrouped`, which declarations leave out."""
    groups = {name: group for name, group in inventory.groups.items() if name not in _TOP}
    below = {child for group in groups.values() for child in group.children}
    in_groups = {server for group in groups.values() for server in group.servers}
    alone = tuple(name for name in inventory.servers if name not in in_groups)
    tops = tuple(name for name in groups if name not in below)
    return {
        "all": Group(name="all", children=("ungrouped", *tops)),
        "ungrouped": Group(name="ungrouped", servers=alone),
        **groups,
    }


def _whole(
    groups: Mapping[str, Group],
    hosts: Mapping[str, Mapping[str, object]],
    *,
    with_vars: bool = False,
) -> dict[str, object]:
    made: dict[str, object] = {}
    for name, group in groups.items():
        parts: dict[str, object] = {
            "children": list(group.children),
            "hosts": [] if name == "all" else list(group.servers),
            "vars": _shown_map(group.vars) if with_vars else {},
        }
        kept = {key: value for key, value in parts.items() if value}
        if kept:
            made[name] = kept
    shown = {name: _shown_map(values) for name, values in hosts.items() if values}
    made["_meta"] = {"hostvars": shown, "profile": "inventory_legacy"}
    return made


def _shown_map(values: Mapping[str, object]) -> dict[str, object]:
    return {key: _shown(value) for key, value in values.items()}


def _shown(value: object) -> object:
    """Give a value as JSON: what is closed or unsafe in Ansible's own words."""
    for kind, show in _WORDS.items():
        if isinstance(value, kind):
            return show(value)
    if isinstance(value, Mapping):
        return {str(key): _shown(item) for key, item in value.items()}
    return [_shown(item) for item in value] if isinstance(value, list | tuple) else value


_WORDS: Final[Mapping[type, Callable[[object], object]]] = {
    Vaulted: lambda value: {"__ansible_vault": getattr(value, "ciphertext", "")},
    Unsafe: lambda value: {"__ansible_unsafe": str(value)},
}
