"""Which of several values holds."""

from controller.model.diagnostic import Place
from tests.declaration.ansible.reading import good


def test_the_deeper_group_wins_then_the_higher_priority_then_the_later_name() -> None:
    deep = "[p:children]\nz\n[a]\nh1\n[z]\nh1\n[z:vars]\nx=z\n[a:vars]\nx=a\n"
    assert good(deep).hosts["h1"]["x"] == "z"
    flat = "[a]\nh1\n[b]\nh1\n[a:vars]\nx=a\n[b:vars]\nx=b\n"
    assert good(flat).hosts["h1"] == {"x": "b"}
    assert good(f"{flat}[a:vars]\nansible_group_priority=9\n").hosts["h1"] == {"x": "a"}


def test_files_of_all_win_over_what_the_inventory_says_of_a_group() -> None:
    files = {
        "hosts.ini": "[web]\nh1 e=host\n[web:vars]\na=w\nb=w\nc=w\ne=w\n[all:vars]\na=all\nd=all\n",
        "group_vars/all": "b: all file\nc: all file\n",
        "group_vars/web": "c: web file\n",
        "host_vars/h1": "f: host file\n",
    }
    assert good(files).hosts["h1"] == {
        "a": "w",
        "b": "all file",
        "c": "web file",
        "d": "all",
        "e": "host",
        "f": "host file",
    }


def test_maps_are_replaced_not_mixed() -> None:
    found = good("all: {vars: {m: {a: 1}}, hosts: {h1: {m: {b: 2}}}}", "hosts.yml")
    assert found.hosts["h1"] == {"m": {"b": 2}}


def test_names_that_ansible_sets_itself_are_left_out() -> None:
    assert good("h1 groups=1 inventory_hostname=x a=1\n").hosts["h1"] == {"a": 1}


def test_every_value_knows_where_it_comes_from() -> None:
    found = good({"hosts.ini": "[g]\nh1 a=1\n[g:vars]\nb=1\n", "group_vars/g": "\nc: 1\n"})
    assert found.origins["h1"] == {
        "a": Place(file="hosts.ini", line=2),
        "b": Place(file="hosts.ini", line=4),
        "c": Place(file="group_vars/g", line=2),
    }
    assert found.places["h1"] == Place(file="hosts.ini", line=2)


def test_variables_of_ungrouped_hold_for_hosts_without_groups() -> None:
    found = good("h1\n[all]\nh2\n[g]\nh3\n[ungrouped:vars]\na=1\n")
    assert found.hosts == {"h1": {"a": 1}, "h2": {"a": 1}, "h3": {}}
