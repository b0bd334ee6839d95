"""YAML inventories: groups, hosts, children, and the short forms."""

import pytest

from tests.declaration.ansible.reading import errors, good, read, warnings


def test_groups_hosts_and_variables_are_read_at_every_depth() -> None:
    found = good(
        "all:\n  vars: {a: 1}\n  hosts:\n    h[1:2]: {b: 2}\n  children:\n"
        "    web:\n      vars: {a: 3}\n      hosts:\n        h2:\n        h3:22:\n",
        "hosts.yml",
    )
    assert found.hosts == {
        "h1": {"a": 1, "b": 2},
        "h2": {"a": 3, "b": 2},
        "h3": {"a": 3, "ansible_port": 22},
    }
    assert found.groups["all"].children == ("ungrouped", "web")


def test_a_name_alone_stands_for_one_host_or_child() -> None:
    found = good("web: {hosts: h1, children: db}\ndb: {hosts: h2}\n", "hosts.yml")
    assert found.groups["web"].servers == ("h1",)
    assert found.groups["web"].children == ("db",)


def test_json_and_toml_are_read_the_same_way() -> None:
    made = good('{"web": {"hosts": {"h1": {"a": 1}}}}', "hosts.json")
    toml = good("[web.hosts.h1]\na = 1\n[web]\nchildren = ['db']\n[db]\n", "hosts.toml")
    assert made.hosts == toml.hosts == {"h1": {"a": 1}}
    assert toml.groups["web"].children == ("db",)


def test_what_is_not_read_is_warned_about() -> None:
    found = good("web: {other: {}, x: 1}\nversion: 2\n", "hosts.yml")
    assert [item.split(" ", 1)[0] for item in warnings(found)] == ["hosts.yml:1"] * 2 + [
        "hosts.yml:2"
    ]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("web:\n  hosts: [h1]\n", "hosts.yml:2 cannot read 'hosts' of group 'web'"),
        ("web:\n  hosts: {10: }\n", "hosts.yml:2 cannot use 10 as a host pattern"),
        ("web:\n  hosts:\n    h1: text\n", "hosts.yml:3 cannot read the variables of 'h1'"),
        ("web:\n  children:\n    db: [1]\n", "hosts.yml:3 cannot find the child group 'db'"),
        ("10:\n  hosts: {h1: }\n", "hosts.yml:1 cannot use 10 as a group name"),
        ("plugin: aws_ec2\n", "hosts.yml:1 cannot read 'aws_ec2'"),
        ("- h1\n", "hosts.yml:1 cannot read an inventory: a map of groups is expected"),
        ("web: {hosts: {h1: {a: !!python/name:os.system }}}\n", "hosts.yml:1 cannot read a value"),
        ("a:\n  children: {b: {children: {a: }}}\n", "hosts.yml:2 cannot make 'a' a child of 'b'"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text: str, wrong: str) -> None:
    assert [item[: len(wrong)] for item in errors(read(text, "hosts.yml"))] == [wrong]
