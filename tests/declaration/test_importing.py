"""What is imported from Ansible resolves to the same hosts, groups and variables."""

import pytest

from controller.declaration.ansible import inventory
from controller.declaration.importing import Imported, import_ansible
from controller.declaration.loader import load
from controller.model.diagnostic import Place, Severity
from controller.model.inventory import Carrier, Inventory
from tests.declaration.ansible.cases import ROOT, Case, all_cases
from tests.fakes.trees import MemoryTree, folder_tree

READABLE = [case for case in all_cases() if not case.refused]


def loaded(imported: Imported) -> Inventory:
    found = load(MemoryTree({"ctl.yaml": "", **imported.files}))
    errors = [item for item in found.diagnostics if item.severity is Severity.ERROR]
    assert errors == []
    assert found.declaration is not None
    return found.declaration.inventory


def members(read: inventory.AnsibleInventory, name: str) -> set[str]:
    group = read.groups[name]
    return set(group.servers).union(*(members(read, child) for child in group.children))


def assert_same(read: inventory.AnsibleInventory, made: Inventory) -> None:
    assert set(made.servers) == set(read.hosts)
    for name, values in read.hosts.items():
        assert made.servers[name].vars == values, name
        assert made.servers[name].address == read.addresses[name]
        assert (made.servers[name].carrier is Carrier.LOCAL) is (read.connections[name] is None)
    for name in read.groups.keys() - {"all", "ungrouped"}:
        held = {server.name for server in made.servers.values() if name in server.groups}
        assert held == members(read, name), name


@pytest.mark.skipif(not READABLE, reason=f"no cases in {ROOT}")
@pytest.mark.parametrize("case", READABLE, ids=str)
def test_an_imported_inventory_resolves_to_what_ansible_made_of_it(case: Case) -> None:
    tree = folder_tree(case.source)
    read = inventory.read(tree, case.path, place=Place(file="ctl.yaml"))
    assert_same(read, loaded(import_ansible(tree, case.path)))
