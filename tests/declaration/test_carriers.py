"""How servers are reached: one carrier each, by what they, their groups or the settings say."""

import pytest

from controller.model.inventory import Agent, Carrier, Server, Ssh
from tests.declaration.trees import declared, findings, loaded


def server(text: str, *, groups: str = "", settings: str = "") -> Server:
    files = {"inventory/all.yaml": f"servers: {{a: {{{text}}}}}\ngroups: {{{groups}}}\n"}
    if settings:
        files["ctl.yaml"] = f"settings: {{defaults: {{servers: {{{settings}}}}}}}\n"
    return declared(files).inventory.servers["a"]


@pytest.mark.parametrize(
    ("text", "carrier", "port"),
    [
        ("", Carrier.SSH, 9443),
        ("ssh: {user: x}", Carrier.SSH, 9443),
        ("agent: {}", Carrier.AGENT, 9443),
        ("agent: null", Carrier.AGENT, 9443),
        ("agent: {port: 1234}", Carrier.AGENT, 1234),
        ("agent: {port: 1234.0}", Carrier.AGENT, 1234),
        ("pull: {}", Carrier.PULL, 9443),
        ("local: {}", Carrier.LOCAL, 9443),
    ],
)
def test_a_server_says_how_it_is_reached(text: str, carrier: Carrier, port: int) -> None:
    made = server(text)
    assert (made.carrier, made.agent) == (carrier, Agent(port=port))


def test_what_a_server_says_replaces_its_groups_and_they_the_settings() -> None:
    assert server("", settings="agent: {port: 5}").carrier is Carrier.AGENT
    assert server("", settings="agent: {port: 5}").agent == Agent(port=5)
    own = server("ssh: {user: x}", settings="agent: {}", groups="all: {defaults: {pull: {}}}")
    assert (own.carrier, own.ssh) == (Carrier.SSH, Ssh(user="x"))
    assert server("", settings="ssh: {user: x}", groups="all: {defaults: {pull: {}}}") == server(
        "pull: {}", groups="all: {}"
    )
    family = "top: {children: [low], defaults: {ssh: {user: x}}}, low: {defaults: {agent: {}}}"
    assert server("groups: [low]", groups=family).carrier is Carrier.AGENT
    merged = server("agent: {}", groups="all: {defaults: {agent: {port: 7}}}")
    assert merged.agent == Agent(port=7)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ssh: {}, agent: {}", "1:24 two-carriers"),
        ("agent: {}, ssh: {}", "1:26 two-carriers"),
        ("pull: {}, agent: {}", "1:25 two-carriers"),
        ("local: {}, pull: {}", "1:26 two-carriers"),
        ("agent: {port: 0}", "1:29 wrong-value"),
        ("agent: {port: 65536}", "1:29 wrong-value"),
        ("agent: {port: '9443'}", "1:29 wrong-type"),
        ("agent: {prot: 1}", "1:23 unknown-key"),
        ("agent: 9443", "1:22 wrong-type"),
        ("pull: {port: 1}", "1:21 wrong-value"),
    ],
)
def test_two_ways_at_once_and_nonsense_are_told_at_their_place(text: str, expected: str) -> None:
    result = loaded(f"servers: {{a: {{{text}}}}}\n")
    assert findings(result) == [f"inventory/all.yaml:{expected}"]


def test_the_error_says_which_two() -> None:
    (one,) = loaded("servers: {a: {ssh: {}, agent: {}}}\n").diagnostics
    assert one.message == "cannot reach a by ssh and agent at once"
    assert one.hint == "keep one of ssh, agent, pull, local"


def test_a_group_that_gives_two_ways_is_told_of_at_the_server() -> None:
    text = "servers:\n  a: {}\ngroups: {all: {defaults: {ssh: {}, agent: {}}}}\n"
    assert findings(loaded(text)) == ["inventory/all.yaml:2:3 two-carriers"]
