"""`ctl agent` and `ctl pki invite`: the agent's own words pass through, and tokens are shown once."""

import json
import re
import shlex
from pathlib import Path

import pytest

from controller.agent.enrolling import read_wish
from controller.cli.views.agents import install_document, installed_text, outlook_text
from controller.cli.views.style import PLAIN
from controller.reconcile.exchange.installs import (
    Installed,
    InstallRequest,
    RemoteFile,
    Sight,
    Signed,
    Tell,
    read_sight,
)
from tests.cli.stage import NOW, Seen, Stage

SIGHT = Sight(
    openssl=True,
    systemd=252,
    runs=True,
    certificate="",
    keys="/etc/ctl/pki",
    listen=9443,
    connect="",
    files=(RemoteFile(path="/etc/ctl/agent.conf", mode=0o644, text="name = web-1\x1b[2J\n"),),
)


class Installer:
    """A controller that only installs, and keeps what it was asked."""

    def __init__(self) -> None:
        self.requests: list[InstallRequest] = []

    async def look_install(self, request: InstallRequest, tell: Tell) -> Sight:
        self.requests.append(request)
        return SIGHT

    async def install_agent(self, request: InstallRequest, tell: Tell) -> Installed:
        self.requests.append(request)
        tell("web-1: wrote /etc/ctl/agent.conf")
        signed = Signed(serial="AB", not_after=NOW, key_travelled=False)
        return Installed(server="web-1", sight=SIGHT, issued=signed, address="192.0.2.1:9443")


def test_the_agents_own_words_and_help_pass_through(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    stage = Stage()
    assert "usage: ctl-agent.pyz" in stage("agent", "run", "--help").out + capfd.readouterr().out
    seen = stage("agent", "run", "--listen", "127.0.0.1:1", "--connect", "x:1")
    assert seen.code == 64
    assert "exactly one of --listen" in capfd.readouterr().err
    assert stage("agent", "enroll", f"--pki={tmp_path}", "--name", "web-1").code == 64
    assert "cannot enroll without --connect HOST:PORT, --token" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_installing_here_is_what_the_packed_agent_does(capfd: pytest.CaptureFixture[str]) -> None:
    seen = Stage()("agent", "install", "--listen", "192.0.2.1", "--set", "workers=3", "--dry-run")
    assert seen.code == 0
    out = seen.out + capfd.readouterr().out
    assert "listen = 192.0.2.1:9443" in out
    assert "workers = 3" in out
    assert "/etc/systemd/system/ctl-agent.service" in out


def test_a_server_is_installed_with_what_was_said_and_the_next_step_is_told() -> None:
    installer = Installer()
    stage = Stage(controller=installer, cwd=Path("/work-tree"))
    words = "--scripts /opt/s --scripts-only --set workers=3 --days 30 --dir pki --renew --no-start"
    seen = stage("agent", "install", "--on", "web-1", *words.split())
    assert seen.code == 0, seen.err
    assert seen.out == "web-1: the agent answers at 192.0.2.1:9443, certificate until 2026-03-01\n"
    assert "web-1: wrote /etc/ctl/agent.conf\n" in seen.err
    assert "next: declare web-1: {agent: {port: 9443}} instead of ssh" in seen.err
    assert installer.requests == [
        InstallRequest(
            server="web-1",
            authority=Path("/work-tree/pki"),
            words=("--scripts=/opt/s", "--workers=3", "--scripts-only"),
            days=30,
            renew=True,
            start=False,
        )
    ]


def test_a_dry_run_shows_files_as_text_only() -> None:
    seen = Stage(controller=Installer())("agent", "install", "--on", "web-1", "--dry-run")
    assert "-rw-------  /etc/ctl/pki/web-1.key" in seen.out
    assert "-rw-r--r--  /etc/ctl/agent.conf\n    name = web-1" in seen.out
    assert "\x1b" not in seen.out
    seen = Stage(controller=Installer())("agent", "install", "--on", "x", "--dry-run", "-o", "json")
    assert json.loads(seen.out)["installed"] is False


def test_documents_say_where_the_key_was_made() -> None:
    signed = Signed(serial="AB", not_after=NOW, key_travelled=True)
    done = Installed(server="web-1", sight=SIGHT, issued=signed)
    document = json.loads(json.dumps(install_document("web-1", SIGHT, done), default=str))
    assert document["certificate"]["key"] == "here"
    assert installed_text(done) == "web-1: the agent is installed, certificate until 2026-03-01"
    assert outlook_text("web-1", SIGHT, PLAIN).count("/etc/ctl/pki/") == 4


def test_what_a_server_says_of_itself_is_read_without_trust() -> None:
    assert read_sight({}) == read_sight({"listen": True, "files": [1, "x"], "pki": 3})
    assert read_sight({"files": [{"path": "/a", "mode": -1}]}).files == (
        RemoteFile(path="/a", mode=0),
    )


@pytest.mark.parametrize(
    "words",
    [
        ("--renew",),
        ("--days", "3"),
        ("--dir", "pki"),
        ("--set", "workers"),
        ("--on", "web-1", "--set", "name=x"),
        ("--on", "web-1", "--set", "config=/x"),
        ("--on", "web-1", "-o", "md"),
    ],
)
def test_words_that_say_nothing_here_are_refused(words: tuple[str, ...]) -> None:
    installer = Installer()
    assert Stage(controller=installer)("agent", "install", *words).code == 64
    assert installer.requests == []


class Inviting:
    """`ctl pki invite` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stage = Stage(cwd=folder)
        assert self.stage("pki", "init", "--dir", "pki").code == 0

    def __call__(self, *words: str) -> Seen:
        return self.stage("pki", "invite", *words, "--dir", "pki")


@pytest.fixture
def invite(tmp_path: Path) -> Inviting:
    return Inviting(tmp_path)


def test_the_command_that_is_shown_is_one_the_agent_reads(invite: Inviting) -> None:
    seen = invite("web-1", "--at", "ctl.example.com:9444")
    assert seen.code == 0, seen.err
    words = shlex.split(seen.out.splitlines()[-1])
    assert words[:3] == ["ctl", "agent", "enroll"]
    wish = read_wish(words[3:])
    assert (wish.name, str(wish.way.to)) == ("web-1", "ctl.example.com:9444")
    assert wish.pin in invite.stage("pki", "show", "ca", "--dir", "pki").out
    assert "2026-03-02 12:00 UTC" in seen.out


def test_a_token_is_never_shown_again(invite: Inviting) -> None:
    made = json.loads(invite("web-1", "--valid", "30m", "--san", "10.0.0.5", "-o", "json").out)
    listed = invite("--list")
    assert re.search(r"web-1 +open +2026-03-01 12:30 UTC", listed.out)
    everything = listed.out + invite("--list", "-o", "json").out
    assert made["token"].split("_")[2] not in everything
    assert made["alternatives"] == ["DNS:web-1", "IP:10.0.0.5"]
    assert invite("web-1", "--withdraw").code == 0
    assert "web-1" not in invite("--list").out


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--withdraw",),
        ("web-1", "--list"),
        ("web-1", "--valid", "soon"),
        ("web-1", "--valid", "31d"),
        ("web-1", "--listen", "nowhere:x"),
        ("web-1", "--withdraw", "--listen", "127.0.0.1:0"),
        ("../web-1",),
    ],
)
def test_an_invitation_that_says_nothing_is_refused(
    invite: Inviting, words: tuple[str, ...]
) -> None:
    assert invite(*words).code == 64


def test_a_name_with_a_certificate_needs_a_word_for_it(invite: Inviting) -> None:
    invite.stage("pki", "issue", "web-1", "--role", "agent", "--dir", "pki")
    seen = invite("web-1")
    assert seen.code == 4
    assert "--renew" in seen.err
    assert invite("web-1", "--renew").code == 0
    assert invite("web-2", "--renew").code == 1


def test_who_cannot_answer_makes_no_token(invite: Inviting) -> None:
    seen = invite("web-1", "--listen", "127.0.0.1:0")
    assert seen.code in {1, 4}
    assert seen.out == ""
    invite.stage("pki", "issue", "ops", "--role", "admin", "--dir", "pki")
    assert "cannot listen for agents as admin" in invite("web-1", "--listen", "127.0.0.1:0").err
    assert "web-1" not in invite("--list").out
