"""The unit that `ctl serve --print-unit` writes, as systemd runs it: ready when it says so, and confined.

The config repository is on the machine, too, reached by ssh with a key that only root can read.
"""

import re

import pytest

from tests.vm.conftest import PLAIN
from tests.vm.machine import Machine
from tests.vm.packed import pack

pytestmark = pytest.mark.vm

EXPOSURE = 2.0
"""What `systemd-analyze security` may say of the unit at most; 10 is a unit that says nothing."""
SLOW = 300.0
"""Seconds for a start on a machine that is emulated."""
REPOSITORY = f"/home/{PLAIN}/fleet"
ASK = """\
import json, sys, urllib.request
token = open("/var/lib/ctl-serve/admin-token").read().strip()
asked = urllib.request.Request("http://127.0.0.1:8420" + sys.argv[1], headers={"authorization": "Bearer " + token})
print(urllib.request.urlopen(asked, timeout=60).read().decode())
"""
DROP_IN = """\
[Service]
LoadCredential=login:/etc/ctl/login
"""


def commit(machine: Machine, run: str) -> None:
    """Declare one target on the machine itself."""
    declared = (
        f'servers: {{vm: {{address: 127.0.0.1, ssh: {{user: {PLAIN}, key: login, host_key: "{machine.image.host_key}"}}}}}}\n'
        "secrets: {login: {credential: login}}\n"
        f"tasks: {{a: {{run: '{run}'}}}}\n"
        "targets: {t: {servers: vm, task: a}}\n"
    )
    git = f"git -C {REPOSITORY} -c user.name=Operations -c user.email=operations@example.com"
    machine.run(
        f"cat >/tmp/declared && su {PLAIN} -c 'mkdir -p {REPOSITORY}/pipelines && cd {REPOSITORY}"
        ' && { test -d .git || git init -q -b main; } && echo "settings: {name: vm}" >ctl.yaml'
        f" && cp /tmp/declared pipelines/main.yaml && {git} add -A && {git} commit -q -m declare'",
        stdin=declared.encode(),
    )


def shown(machine: Machine, *names: str) -> dict[str, str]:
    """Ask systemd about the unit."""
    told = machine.run(f"systemctl show ctl {' '.join(f'-p {name}' for name in names)}")
    return dict(line.split("=", 1) for line in told.splitlines())


@pytest.fixture(scope="module")
def served(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """The machine with the unit installed and begun, as the documents say."""
    machine.run("mkdir -p /opt/ctl && python3 -m venv --without-pip /opt/ctl")
    machine.run("tar xzf - -C /opt/ctl", stdin=pack(tmp_path_factory.mktemp("packed")))
    machine.put("/opt/ask.py", ASK.encode())
    for name in ("config-key", "login"):
        machine.put(f"/etc/ctl/{name}", machine.image.login.read_bytes(), mode=0o600)
    machine.put("/etc/ctl/known_hosts", f"127.0.0.1 {machine.image.host_key}\n".encode())
    commit(machine, "true")
    machine.run(
        f"PATH=/opt/ctl/bin:$PATH ctl serve --config-repo ssh://{PLAIN}@127.0.0.1{REPOSITORY}"
        " --config-key /etc/ctl/config-key --config-known-hosts /etc/ctl/known_hosts"
        " --drain --print-unit >/etc/systemd/system/ctl.service",
        seconds=SLOW,
    )
    machine.put("/etc/systemd/system/ctl.service.d/more.conf", DROP_IN.encode())
    done = machine.ssh("systemctl daemon-reload && systemctl start ctl", seconds=SLOW)
    assert done.code == 0, machine.run("journalctl -u ctl --no-pager | tail -50")
    return machine


def test_it_is_ready_when_it_says_so_and_reads_its_repository_with_the_key_it_was_handed(
    served: Machine,
) -> None:
    told = shown(served, "ActiveState", "SubState", "StatusText", "Type")
    assert told == {
        "ActiveState": "active",
        "SubState": "running",
        "StatusText": "serving http://127.0.0.1:8420",
        "Type": "notify",
    }
    served.wait("python3 /opt/ask.py /api/v1/status | grep -q '\"in_force\":{'")


def test_it_is_confined_and_keeps_its_state_to_itself(served: Machine) -> None:
    said = served.run("systemd-analyze security --no-pager ctl.service")
    (exposure,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert float(exposure) <= EXPOSURE, said
    pid = shown(served, "MainPID")["MainPID"]
    assert served.run(f"stat -c %U /proc/{pid}") == "ctl\n", "a user that exists while it runs"
    assert served.run("stat -L -c '%a %U' /var/lib/ctl-serve/.") == "700 ctl\n"
    assert served.run("stat -L -c %a /var/lib/ctl-serve/admin-token") == "600\n"
