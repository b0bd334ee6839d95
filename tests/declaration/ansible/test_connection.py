"""What the variables of a host say about reaching it."""

import pytest

from controller.declaration.ansible.connection import jump_host
from controller.model.inventory import Ssh
from tests.declaration.ansible.reading import good, warnings


def test_a_login_is_read_under_all_its_names() -> None:
    found = good(
        "h1 ansible_host=10.0.0.1 ansible_port=2222 ansible_user=ops "
        "ansible_ssh_private_key_file=~/.ssh/id ansible_become=yes\n"
        "h2 ansible_ssh_host=10.0.0.2 ansible_ssh_port='23' ansible_ssh_user=old\n"
        "h3 ansible_connection=local\nh4\n"
    )
    assert found.connections == {
        "h1": Ssh(user="ops", port=2222, key_file="~/.ssh/id", sudo=True),
        "h2": Ssh(user="old", port=23),
        "h3": None,
        "h4": Ssh(),
    }
    assert found.addresses == {"h1": "10.0.0.1", "h2": "10.0.0.2", "h3": "h3", "h4": "h4"}
    assert found.diagnostics == ()


@pytest.mark.parametrize(
    ("arguments", "host"),
    [
        ("-J gate", "gate"),
        ("-Jops@gate:2222", "gate"),
        ("-o ProxyJump=ops@gate", "gate"),
        ("-oProxyJump=a,b", "b"),
        ("-o StrictHostKeyChecking=no -o ProxyJump=ssh://ops@gate:22", "gate"),
        ("-o ProxyCommand='ssh -W %h:%p -q ops@gate'", "gate"),
        ('-o ProxyCommand="ssh -q -W %h:%p gate"', "gate"),
        ("-J [2001:db8::1]:22", "2001:db8::1"),
        ("-o ProxyJump=none", None),
        ("-o ProxyCommand='nc %h %p'", None),
        ("-C -o ControlMaster=auto", None),
        ("-J", None),
        ("-o 'unclosed", None),
    ],
)
def test_a_jump_is_found_in_the_arguments_of_ssh(arguments: str, host: str | None) -> None:
    assert jump_host(arguments) == host


def test_a_jump_goes_through_a_host_of_the_inventory_by_name_or_address() -> None:
    found = good(
        "gate ansible_host=10.0.0.9\n[in]\nh1\n"
        "[in:vars]\nansible_ssh_common_args=-o ProxyJump=ops@10.0.0.9\n"
    )
    ssh = found.connections["h1"]
    assert ssh is not None
    assert ssh.jump == "gate"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("ansible_connection=winrm", "ansible_connection is 'winrm', which is not supported"),
        ("ansible_password=x", "ansible_password is not used"),
        ("ansible_port=99999", "ansible_port is '99999', which is no port"),
        ("ansible_port=[1]", "ansible_port is not plain text"),
        ("ansible_host='{{ x }}'", "ansible_host is not plain text"),
        ("ansible_become=true ansible_become_user=db", "ansible_become_user is 'db'"),
        ("ansible_become=true ansible_become_method=su", "ansible_become_method is 'su'"),
        ("ansible_ssh_common_args='-J far'", "ansible_ssh_common_args goes through 'far'"),
    ],
)
def test_what_cannot_be_followed_is_warned_about_where_it_is_said(said: str, told: str) -> None:
    found = good(f"h1\n[g]\nh2 {said}\n")
    (warning,) = warnings(found)
    assert warning.startswith(f"hosts.ini:3 {told}")


def test_what_a_group_says_is_warned_about_once() -> None:
    found = good("[g]\nh[1:50]\n[g:vars]\nansible_password=x\n")
    assert len(warnings(found)) == 1
