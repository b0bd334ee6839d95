"""`ctl agent install --on SERVER` against a real sshd on a machine of its own, with a systemctl that starts units as processes."""

import asyncio
import json
import os
import shlex
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.agent.packing import pack_agent
from controller.agent.unit import HOLDER, PROGRAM, UNIT
from controller.clock import SystemClock
from controller.transport import loopback
from controller.transport.agents.knocking import knock_until
from tests.e2e.fleet import Fleet, Seen, finished, launched, wait_for
from tests.fakes import processes
from tests.fakes.sshd import start_sshd
from tests.fakes.systemctl import Systemctl

pytestmark = [
    pytest.mark.real,
    pytest.mark.sweep,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root installs"),
    pytest.mark.skipif(shutil.which("unshare") is None, reason="needs util-linux"),
]
SERVER = "web-1"
CONFIG, KEYS = "/etc/ctl/agent.conf", "/etc/ctl/pki"
OVERLAY = """\
set -e
mount -t tmpfs none "$0"
for one in etc usr; do
  mkdir -p "$0/$one" "$0/$one-work"
  mount -t overlay overlay -o "lowerdir=/$one,upperdir=$0/$one,workdir=$0/$one-work" "/$one"
done
"""
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A server whose /etc and /usr are its own, as it is seen from here."""

    fleet: Fleet
    systemctl: Systemctl
    port: int
    pid: int

    @property
    def conf(self) -> Path:
        return self.path(CONFIG)

    def path(self, path: str) -> Path:
        return Path(f"/proc/{self.pid}/root") / path.lstrip("/")

    def mode(self, path: str) -> int:
        return self.path(path).stat().st_mode & 0o7777

    def install(self, *more: str) -> Seen:
        words = ("--on", SERVER, "--dir", "pki", *more)
        return self.fleet.ctl("agent", "install", *words)

    def pki(self, *words: str) -> Seen:
        return self.fleet.ctl("pki", *words, "--dir", "pki").ended(0)

    def serials(self) -> list[str]:
        rows = json.loads(self.pki("list", "--all", "-o", "json").out)
        return [one["serial"] for one in rows if one["name"] == SERVER]

    @property
    def listen(self) -> tuple[str, ...]:
        return ("--listen", f"127.0.0.1:{self.port}", "--set", "state=/etc/ctl/state")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    if loopback.find_sshd() is None:
        pytest.skip("no sshd here: install openssh-server")
    systemctl = Systemctl(tmp_path / "fake")
    sshd = start_sshd(tmp_path / "sshd", SERVER, path=PATH)
    pid = str(sshd.loopback.process.pid)
    (tmp_path / "own").mkdir()
    enter = ["nsenter", "--target", pid, "--mount", "sh", "-c", OVERLAY, str(tmp_path / "own")]
    try:
        made = subprocess.run(enter, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            pytest.skip(f"no overlay here: {made.stderr}")
        with launched(tmp_path, {SERVER: sshd}) as fleet:
            fleet.declare()
            machine = Machine(
                fleet=fleet, systemctl=systemctl, port=loopback.free_port(), pid=int(pid)
            )
            machine.pki("init")
            systemctl.put_into(machine.path("/usr/bin"))
            yield machine
    finally:
        systemctl.stop()
        sshd.loopback.stop()


def test_files_are_written_whole_with_their_modes_and_the_key_never_travels(
    machine: Machine,
) -> None:
    seen = machine.install(*machine.listen, "--no-start").ended(0)
    assert f"web-1: signed {machine.serials()[0]}" in seen.err
    for path in (PROGRAM, CONFIG, f"/etc/systemd/system/{UNIT}", f"{KEYS}/{SERVER}.key"):
        assert path == f"{KEYS}/{SERVER}.key" or f"wrote {path}" in seen.err
    assert machine.mode(KEYS) == 0o700
    assert machine.mode(f"{KEYS}/{SERVER}.key") == 0o600
    assert machine.mode(PROGRAM) == 0o755
    assert not (machine.fleet.config.path / "pki" / f"{SERVER}.key").exists()
    assert sorted(one.name for one in machine.path(KEYS).iterdir()) == [
        "ca.crt",
        "denied",
        "web-1.crt",
        "web-1.key",
    ]
    assert f"listen = 127.0.0.1:{machine.port}\nname = web-1\n" in machine.path(CONFIG).read_text()
    assert machine.systemctl.calls == []
    assert not processes.marked(b"ctl-agent.pyz")


def test_a_second_time_changes_nothing_and_signs_nothing(machine: Machine) -> None:
    machine.install(*machine.listen, "--no-start").ended(0)
    seen = machine.install("--no-start").ended(0)
    assert "wrote" not in seen.err
    assert seen.err.count("found /") == 2
    assert len(machine.serials()) == 1
    machine.install("--no-start", "--renew").ended(0)
    assert len(machine.serials()) == 2


def test_a_changed_setting_keeps_the_others_and_remarks_survive_when_nothing_changes(
    machine: Machine,
) -> None:
    machine.install(*machine.listen, "--no-start").ended(0)
    conf = machine.path(CONFIG)
    conf.write_text("# by hand\nworkers = 3\n" + conf.read_text())
    machine.install("--no-start").ended(0)
    assert conf.read_text().startswith("# by hand\n")
    machine.install("--no-start", "--connect", "ctl.example.com").ended(0)
    text = conf.read_text()
    assert "connect = ctl.example.com:9444\n" in text
    assert "workers = 3\n" in text
    assert "listen" not in text


def test_a_dry_run_shows_every_file_and_writes_none(machine: Machine) -> None:
    seen = machine.install(*machine.listen, "--dry-run").ended(0)
    for path in (PROGRAM, CONFIG, f"/etc/systemd/system/{UNIT}", f"{KEYS}/{SERVER}.key"):
        assert path in seen.out
    assert "-rw-------  /etc/ctl/pki/web-1.key" in seen.out
    assert "KillMode=process" in seen.out
    assert not machine.path("/etc/ctl").exists()
    assert machine.serials() == []


def test_an_older_systemd_gets_the_unit_that_holds_attempts(machine: Machine) -> None:
    (machine.systemctl.folder / "version").write_text("252")
    machine.install(*machine.listen, "--no-start").ended(0)
    assert machine.path(f"/etc/systemd/system/{HOLDER}").exists()
    unit = machine.path(f"/etc/systemd/system/{UNIT}").read_text()
    assert "run --config=/etc/ctl/agent.conf --cgroup=/sys/fs/cgroup/system.slice/" in unit


def test_without_systemd_nothing_is_done_and_the_words_say_what_to_do(machine: Machine) -> None:
    (machine.systemctl.folder / "state").write_text("offline")
    seen = machine.install(*machine.listen).ended(1)
    assert "systemd does not run it; nothing was written" in seen.err
    assert "--no-start" in seen.err
    assert not machine.path("/etc/ctl").exists()
    assert machine.serials() == []


def test_settings_that_cannot_be_are_told_and_nothing_is_done(machine: Machine) -> None:
    seen = machine.install("--listen", "127.0.0.1:99999").ended(1)
    assert "cannot use" in seen.err
    assert not machine.path("/etc/ctl").exists()
    assert machine.serials() == []
    machine.install("--set", "workers").ended(64)
    machine.install("--set", "name=other").ended(64)


def test_a_server_that_is_not_declared_is_not_found(machine: Machine) -> None:
    seen = machine.fleet.ctl("agent", "install", "--on", "web-11", "--dir", "pki").ended(1)
    assert "web-1" in seen.err


def test_a_name_that_is_somebody_elses_is_refused(machine: Machine) -> None:
    machine.pki("issue", SERVER, "--role", "controller")
    assert "as controller" in machine.install("--no-start").ended(4).err
    assert not machine.path("/etc/ctl").exists()


def test_a_server_without_openssl_gets_a_key_that_was_made_here(machine: Machine) -> None:
    machine.path("/usr/bin/openssl").unlink()
    machine.install(*machine.listen, "--no-start").ended(0)
    assert machine.mode(f"{KEYS}/{SERVER}.key") == 0o600
    key = machine.path(f"{KEYS}/{SERVER}.key").read_bytes()
    assert key == (machine.fleet.config.path / "pki" / f"{SERVER}.key").read_bytes()
    left = [one for one in machine.fleet.base(SERVER).rglob("*") if one.is_file()]
    assert all(b"PRIVATE KEY" not in one.read_bytes() for one in left)


def test_a_server_that_lost_its_openssl_says_what_can_be_done(machine: Machine) -> None:
    machine.install(*machine.listen, "--no-start").ended(0)
    machine.path("/usr/bin/openssl").unlink()
    machine.install("--no-start").ended(0)
    assert "has no openssl for another" in machine.install("--no-start", "--renew").ended(4).err
    machine.pki("revoke", SERVER)
    machine.install("--no-start").ended(0)
    assert len(machine.serials()) == 2


def test_a_server_without_python_is_told_so(machine: Machine) -> None:
    machine.path("/usr/bin/python3").unlink()
    seen = machine.install("--no-start").ended(1)
    assert "has no Python" in seen.err


def test_it_waits_until_the_agent_answers(machine: Machine) -> None:
    seen = machine.install(*machine.listen)
    assert seen.code == 0, seen.all + machine.systemctl.log
    assert f"web-1: the agent answers at 127.0.0.1:{machine.port}" in seen.out
    assert "next: declare web-1: {agent: " in seen.err
    assert machine.systemctl.calls[:3] == [
        "daemon-reload",
        f"enable {UNIT}",
        f"restart {UNIT}",
    ]
    first = machine.systemctl.pid
    assert "running" in machine.install().ended(0).err
    assert machine.systemctl.pid == first


def test_an_agent_that_ends_at_once_is_told(machine: Machine) -> None:
    machine.path("/etc/ctl").mkdir()
    machine.path("/etc/ctl/state").write_text("no folder")
    seen = machine.install(*machine.listen).ended(1)
    assert "it ends by itself" in seen.err


def test_a_line_that_breaks_under_it_is_taken_up_again(machine: Machine) -> None:
    (machine.systemctl.folder / "slow").write_text("2")
    sshd = machine.fleet.servers[SERVER]
    seen: list[Seen] = []
    work = threading.Thread(target=lambda: seen.append(machine.install(*machine.listen)))
    work.start()
    wait_for(lambda: any("enable" in one for one in machine.systemctl.calls), seconds=30)
    sshd.kill_sessions()
    work.join()
    seen[0].ended(0)
    assert machine.systemctl.calls.count(f"restart {UNIT}") == 1
    assert seen[0].err.count(f"wrote {CONFIG}") == 1


def declare_agent(machine: Machine) -> None:
    """Let the server be reached by its agent alone, as the controller `main`."""
    machine.pki("issue", "main", "--role", "controller", "--san", "127.0.0.1")
    own = machine.fleet.home / ".config" / "ctl" / "config.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(f"pki: {{dir: {machine.fleet.config.path / 'pki'}, name: main}}\n")
    text = f"servers:\n  {SERVER}: {{address: 127.0.0.1, agent: {{port: {machine.port}}}}}\n"
    machine.fleet.declare(inventory__servers_yaml=text)
    machine.fleet.servers = {}


def test_a_server_is_upgraded_over_its_own_agent_under_a_running_job(machine: Machine) -> None:
    machine.install(*machine.listen, "--set", "workers=2").ended(0)
    declare_agent(machine)
    first, marker = machine.systemctl.pid, machine.fleet.folder / "begun"
    seen: list[Seen] = []
    command = f"touch {marker}; while [ ! -e {marker}.go ]; do sleep 0.1; done; echo still here"
    words = ("run", "--on", SERVER, "--", "sh", "-c", command)
    work = threading.Thread(target=lambda: seen.append(machine.fleet.ctl(*words)))
    work.start()
    wait_for(marker.exists, seconds=30)
    done = machine.install("--set", "workers=3").ended(0)
    assert work.is_alive(), seen
    Path(f"{marker}.go").touch()
    work.join()
    assert f"started {UNIT}" in done.err
    assert machine.systemctl.pid != first
    assert "workers = 3\n" in machine.conf.read_text()
    assert "still here" in seen[0].ended(0).all


def test_a_server_without_ssh_enrols_and_installs_itself(machine: Machine) -> None:
    """The way of the page for operators, word for word: a token, `enroll`, `install`, and the agent answers."""
    declare_agent(machine)
    at = f"127.0.0.1:{loopback.free_port()}"
    waiting = machine.fleet.spawn(
        *("pki", "invite", SERVER, "--at", at, "--listen", at),
        *("--dir", str(machine.fleet.config.path / "pki")),
    )
    assert waiting.stdout is not None
    command = next(one for one in waiting.stdout if one.startswith("ctl agent enroll"))
    packed = machine.fleet.folder / "ctl-agent.pyz"
    packed.write_bytes(pack_agent())
    enter = ("nsenter", "--target", str(machine.pid), "--mount", "/usr/bin/python3", str(packed))

    def on_server(*words: str) -> str:
        done = subprocess.run(
            [*enter, *words], capture_output=True, text=True, check=False, env={"PATH": PATH}
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "web-1.crt" in on_server(*shlex.split(command)[2:])
    told = on_server("install", *machine.listen[:2], "--state=/etc/ctl/state")
    assert f"started {UNIT}" in told
    assert "127.0.0.1 as web-1: enrolled" in finished(waiting).ended(0).err
    knocked = knock_until(
        *("127.0.0.1", machine.port, SERVER),
        trust=machine.fleet.config.path / "pki" / "ca.crt",
        clock=SystemClock(),
    )
    asyncio.run(knocked)


def test_an_upgrade_over_an_agent_waits_for_its_only_worker_and_says_so(machine: Machine) -> None:
    machine.install(*machine.listen).ended(0)
    declare_agent(machine)
    marker = machine.fleet.folder / "begun"
    command = f"touch {marker}; sleep 3"
    words = ("run", "--on", SERVER, "--", "sh", "-c", command)
    work = threading.Thread(target=lambda: machine.fleet.ctl(*words))
    work.start()
    wait_for(marker.exists, seconds=30)
    seen = machine.install()
    work.join()
    assert "waits until one of the agent's workers is free" in seen.ended(0).err


def test_without_a_certificate_the_unit_is_enabled_and_not_started(machine: Machine) -> None:
    packed = machine.fleet.folder / "ctl-agent.pyz"
    packed.write_bytes(pack_agent())
    enter = ("nsenter", "--target", str(machine.pid), "--mount", "/usr/bin/python3", str(packed))
    words = ("install", "--listen=127.0.0.1:1")
    done = subprocess.run(
        [*enter, *words], capture_output=True, text=True, check=True, env={"PATH": PATH}
    )
    assert "has no key yet" in done.stdout
    assert machine.systemctl.calls == ["daemon-reload", f"enable {UNIT}"]
