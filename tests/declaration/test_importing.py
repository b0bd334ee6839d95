"""What is imported from Ansible resolves to the same hosts, groups and variables."""

import pytest

from controller.declaration.ansible import inventory
from controller.declaration.imported import CHUNK, Imported
from controller.declaration.importing import import_ansible
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


def resolved(files: dict[str, str | bytes] | str, path: str = "hosts.ini") -> Inventory:
    """Import an inventory and check that it resolves to the same."""
    tree = MemoryTree({path: files} if isinstance(files, str) else files)
    read = inventory.read(tree, path, place=Place(file="ctl.yaml"))
    made = loaded(import_ansible(tree, path))
    assert_same(read, made)
    return made


def test_values_keep_their_types_however_they_are_spelled() -> None:
    resolved(
        {
            "hosts.yml": "all:\n  hosts:\n    h1:\n      a: 'yes'\n      b: yes\n      c: '010'\n"
            "      d: 010\n      e: '1e3'\n      f: 1.5e+3\n      g: |\n        two\n\n        lines\n"
            '      h: \' x \'\n      i: "\\u2028\\t\\"\\\\ \\U0001F600"\n      j: [[], {}, [1, [2]], {x: [y: 1]}]\n'
            "      k: '#'\n      l: '- a'\n      m: ''\n      n: null\n      o: '22:22'\n      p: 22:22\n"
            "      q: '{{ x }}'\n      r: '1.2.3.4'\n      s: |\n          x\n         y\n      t: '~'\n"
        },
        "hosts.yml",
    )


def test_where_our_order_differs_the_host_says_the_value_itself() -> None:
    made = resolved(
        "[a]\nh1\nh2\n[b]\nh1\n[a:vars]\nx=a\nansible_group_priority=5\n[b:vars]\nx=b\n"
    )
    assert made.servers["h1"].vars["x"] == "a"


def test_files_of_all_that_win_over_groups_still_win() -> None:
    resolved({"hosts.ini": "[a]\nh1\n[a:vars]\nx=a\n", "group_vars/all.yml": "x: all\n"})


def test_groups_whose_names_we_do_not_allow_keep_their_servers_and_variables() -> None:
    made = resolved("[AWS:children]\nweb\n[web]\nh1\n[AWS:vars]\nx=1\n")
    assert made.servers["h1"].vars == {"x": 1}
    assert set(made.servers["h1"].groups) == {"AWS", "web"}


def test_a_login_becomes_a_login_of_ours() -> None:
    made = resolved(
        "gate ansible_host=10.0.0.9\nhere ansible_connection=local\n[web]\n"
        "w1 ansible_port=2222 ansible_user=ops ansible_become=true\n[web:vars]\n"
        "ansible_ssh_private_key_file=~/.ssh/id_web\nansible_ssh_common_args=-J gate\n"
    )
    ssh = made.servers["w1"].ssh
    assert (ssh.user, ssh.port, ssh.jump, ssh.sudo) == ("ops", 2222, "gate", True)
    assert ssh.key == "key-id-web"


def test_what_cannot_be_translated_is_a_comment_and_a_warning_with_its_place() -> None:
    text = "all:\n  hosts:\n    h1:\n      1: a\n      big: .inf\n      pw: !vault |\n        $ANSIBLE_VAULT;1.1;AES256\n        61\n    'h 2':\n"
    imported = import_ansible(MemoryTree({"hosts.yml": text}), "hosts.yml")
    (made,) = imported.files.values()
    assert made.count("# not translated") == len(imported.diagnostics) == 4
    assert [item.place.line for item in imported.diagnostics] == [4, 5, 6, 9]
    assert list(loaded(imported).servers) == ["h1"]


def test_an_inventory_that_cannot_be_read_is_not_imported() -> None:
    imported = import_ansible(MemoryTree({"hosts.ini": "[x\n"}), "hosts.ini")
    assert imported.files == {}
    assert [item.severity for item in imported.diagnostics] == [Severity.ERROR]


def test_many_hosts_become_several_files_and_nothing_is_written_over() -> None:
    tree = MemoryTree(
        {"hosts.ini": f"h[1:400] a={'x' * 2000}\n", "inventory/hosts.yaml": "servers: {h1: {}}\n"}
    )
    imported = import_ansible(tree, "hosts.ini")
    assert len(imported.files) > 1
    assert "inventory/hosts.yaml" not in imported.files
    assert all(len(text) < 2 * CHUNK for text in imported.files.values())
    assert len(loaded(imported).servers) == 400
