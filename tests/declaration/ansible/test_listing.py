"""The JSON of an executable inventory."""

from controller.declaration.ansible import listing
from controller.model.inventory import Carrier, Group, Inventory, Server, Ssh, Vaulted
from tests.declaration.ansible.reading import good


def declared() -> Inventory:
    gate = Server(name="gate", address="10.0.0.9", ssh=Ssh(user="ops", port=2222))
    web = Server(
        name="web-1",
        address="web-1",
        groups=("prod", "web"),
        vars={"tier": "gold", "pw": Vaulted(name="vault-1", ciphertext="$ANSIBLE_VAULT;x")},
        ssh=Ssh(user="deploy", jump="gate", sudo=True),
    )
    here = Server(name="here", address="here", carrier=Carrier.LOCAL, groups=("web",))
    return Inventory(
        servers={"gate": gate, "here": here, "web-1": web},
        groups={
            "prod": Group(name="prod", children=("web",)),
            "web": Group(name="web", servers=("here", "web-1")),
        },
    )


def test_declared_servers_are_listed_with_what_ansible_needs_to_reach_them() -> None:
    assert listing.listing(declared()) == {
        "_meta": {
            "hostvars": {
                "gate": {"ansible_host": "10.0.0.9", "ansible_port": 2222, "ansible_user": "ops"},
                "here": {"ansible_connection": "local"},
                "web-1": {
                    "tier": "gold",
                    "pw": {"__ansible_vault": "$ANSIBLE_VAULT;x"},
                    "ansible_user": "deploy",
                    "ansible_become": True,
                    "ansible_ssh_common_args": "-J ops@10.0.0.9:2222",
                },
            },
            "profile": "inventory_legacy",
        },
        "all": {"children": ["ungrouped", "prod"]},
        "ungrouped": {"hosts": ["gate"]},
        "prod": {"children": ["web"]},
        "web": {"hosts": ["here", "web-1"]},
    }


def test_one_server_is_listed_as_in_the_whole() -> None:
    whole = listing.listing(declared())["_meta"]
    assert isinstance(whole, dict)
    assert listing.host(declared(), "web-1") == whole["hostvars"]["web-1"]
    assert listing.host(declared(), "nobody") == {}


def test_what_an_ansible_inventory_says_is_not_said_twice() -> None:
    read = good("h1 ansible_ssh_host=10.0.0.1 ansible_ssh_user=ops ansible_become=true\n")
    ssh = read.connections["h1"]
    assert ssh is not None
    server = Server(name="h1", address=read.addresses["h1"], ssh=ssh, vars=read.hosts["h1"])
    assert listing.host(Inventory(servers={"h1": server}), "h1") == read.hosts["h1"]


def test_closed_and_unsafe_values_are_shown_in_the_words_of_ansible() -> None:
    text = "all:\n  hosts:\n    h1:\n      a: [!unsafe '{{ x }}']\n      b: !vault |\n        $ANSIBLE_VAULT;1.1;AES256\n        61\n"
    found = good(text, "hosts.yml")
    shown = listing.ansible(found)["_meta"]
    assert isinstance(shown, dict)
    assert shown["hostvars"]["h1"] == {
        "a": [{"__ansible_unsafe": "{{ x }}"}],
        "b": {"__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256\n61\n"},
    }
    assert [item.source for item in found.secrets] == ["hosts.yml:5"]
