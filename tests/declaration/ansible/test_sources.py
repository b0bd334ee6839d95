"""Which files make up an inventory, and in which language each is read."""

from controller.declaration.ansible import inventory
from tests.declaration.ansible.reading import HERE, errors, good, read
from tests.fakes.trees import LINK, PROGRAM, MemoryTree


def test_the_files_of_a_folder_are_read_in_order_of_name_and_become_one() -> None:
    found = good({"inv/b.ini": "h1 a=b\n", "inv/a.yml": "web: {hosts: {h1: {a: a, c: 1}}}"}, "inv")
    assert found.hosts == {"h1": {"a": "b", "c": 1}}
    assert found.groups["web"].servers == ("h1",)


def test_folders_within_are_read_but_notes_backups_and_hidden_files_are_not() -> None:
    ignored = ("a.txt", "a.md", "a.cfg", "a.bak", "a~", "a.orig", "a.retry", ".hidden", ".git/x")
    files: dict[str, str | bytes] = {f"inv/{name}": "wrong [\n" for name in ignored}
    found = good({**files, "inv/sub/hosts": "h1\n", "inv/z.ini": "h2\n"}, "inv")
    assert list(found.hosts) == ["h1", "h2"]


def test_a_file_without_extension_is_yaml_if_it_can_be_and_else_ini() -> None:
    assert list(good("web:\n  hosts:\n    h1:\n", "hosts").hosts) == ["h1"]
    assert list(good("[web]\nh1\n", "hosts").hosts) == ["h1"]
    assert list(good("h1", "hosts.yml").hosts) == ["h1"]


def test_what_is_neither_is_told_in_the_likelier_language() -> None:
    assert errors(read("web:\n  hosts: [h1]\n", "hosts")) == [
        "hosts:2 cannot read 'hosts' of group 'web': a map is expected"
    ]
    assert errors(read("[web]\nh1 x\n", "hosts")) == [
        "hosts:2 cannot read 'x': a host takes KEY=VALUE"
    ]


def test_a_program_is_never_run() -> None:
    tree = MemoryTree({"inv.sh": "#!/bin/sh\necho h1\n"}, {"inv.sh": PROGRAM})
    (finding,) = inventory.read(tree, "inv.sh", place=HERE).diagnostics
    assert finding.code == "executable-inventory"
    assert finding.place.file == "inv.sh"
    assert "ansible-inventory" in str(finding.hint)


def test_an_executable_file_that_is_no_program_is_read() -> None:
    tree = MemoryTree({"hosts": "h1\n"}, {"hosts": PROGRAM})
    assert list(inventory.read(tree, "hosts", place=HERE).hosts) == ["h1"]


def test_a_wholly_vaulted_inventory_is_refused() -> None:
    (finding,) = read("$ANSIBLE_VAULT;1.1;AES256\n61\n").diagnostics
    assert finding.code == "vaulted-file"


def test_a_path_that_is_not_there_is_told_where_it_is_named() -> None:
    (finding,) = read({"x": ""}, "hosts").diagnostics
    assert (finding.code, finding.place) == ("not-found", HERE)


def test_text_that_is_not_utf_8_is_told_with_its_line() -> None:
    assert errors(read({"hosts.ini": b"h1\nh2 a=\xff\n"})) == [
        "hosts.ini:2 cannot read byte 8: the file is not UTF-8"
    ]


def test_links_are_followed_inside_the_repository_only() -> None:
    files = {"real/hosts.ini": "h1\n", "real/group_vars/all": "a: 1\n", "inv": "real"}
    tree = MemoryTree(files, {"inv": LINK})
    assert inventory.read(tree, "inv", place=HERE).hosts == {"h1": {"a": 1}}
    for target in ("../etc", "/etc", "inv"):
        away = MemoryTree({"inv": target}, {"inv": LINK})
        (finding,) = inventory.read(away, "inv", place=HERE).diagnostics
        assert finding.code == "bad-link"


def test_a_link_that_was_checked_out_as_text_still_leads_to_its_folder() -> None:
    files: dict[str, str | bytes] = {
        "local/hosts.ini": "h1\n",
        "local/group_vars": "../sample/group_vars",
        "sample/group_vars/all/x.yml": "a: 1\n",
    }
    assert good(files, "local/hosts.ini").hosts == {"h1": {"a": 1}}
