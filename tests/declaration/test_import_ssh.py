"""An ssh configuration becomes declared servers, as ssh itself would read it."""

from controller.declaration.import_ssh import import_ssh_config
from controller.declaration.imported import Imported
from controller.declaration.loader import load
from controller.model.diagnostic import Severity
from controller.model.inventory import Inventory, Ssh
from tests.fakes.trees import MemoryTree

CONFIG = """
User early
Host gate
  HostName gate.example.com
  Port 2222
  IdentityFile ~/.ssh/id_gate
Host web-1 web-2 *.internal !web-9
  HostName=%h.example.com
  ProxyJump ops@gate:2222
  LocalForward 8080 localhost:80
Host *
  User late
  IdentityFile "~/.ssh/my key"
"""


def loaded(imported: Imported) -> Inventory:
    found = load(MemoryTree({"ctl.yaml": "", **imported.files}))
    assert [item for item in found.diagnostics if item.severity is Severity.ERROR] == []
    assert found.declaration is not None
    return found.declaration.inventory


def test_each_host_gets_what_ssh_would_take_for_it() -> None:
    servers = loaded(import_ssh_config(CONFIG, "config")).servers
    assert {name: server.address for name, server in servers.items()} == {
        "gate": "gate.example.com",
        "web-1": "web-1.example.com",
        "web-2": "web-2.example.com",
    }
    assert servers["gate"].ssh == Ssh(user="early", port=2222, key="key-id-gate")
    assert servers["web-1"].ssh == Ssh(user="early", key="key-my-key", jump="gate")


def test_what_has_no_word_of_ours_is_a_comment() -> None:
    (text,) = import_ssh_config(CONFIG, "config").files.values()
    assert text.count("# not translated: localforward 8080 localhost:80 (line 10)") == 2


def test_the_first_word_wins_and_negated_patterns_hold() -> None:
    text = "Host a* !ab\n User one\nHost aa ab\n User two\n"
    servers = loaded(import_ssh_config(text, "config")).servers
    assert {name: server.ssh.user for name, server in servers.items()} == {"aa": "one", "ab": "two"}


def test_what_cannot_be_judged_is_left_out_with_a_warning() -> None:
    text = (
        "Match exec true\n User x\nHost a\n Port 0\n ProxyJump b,far\n"
        'Host "bad name"\nHost c\n HostName %k\n garbage\n User "x\n'
    )
    imported = import_ssh_config(text, "config")
    assert {"a", "c"} == set(loaded(imported).servers)
    assert {item.place.line for item in imported.diagnostics} == {1, 3, 4, 5, 6, 8, 9, 10}


def test_nothing_becomes_nothing() -> None:
    assert loaded(import_ssh_config("# only this\n", "config")).servers == {}


def test_a_configuration_without_end_is_refused() -> None:
    imported = import_ssh_config("x" * ((1 << 20) + 1), "config")
    assert imported.files == {}
    assert [item.code for item in imported.diagnostics] == ["too-large"]


def test_control_characters_never_reach_the_file() -> None:
    (text,) = import_ssh_config("Host a\n SendEnv \x1b[31m\u202e\n", "config").files.values()
    assert text.replace("\n", "").isprintable()
