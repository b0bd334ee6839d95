"""An agent of the version before, and one of the version after: whatever one of them does not know, jobs run and nothing is lost."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.agent.packing import FIRST_LINE, entry, pack_agent
from tests.e2e.agents import AgentHost, Authority, agent_on, declared
from tests.e2e.fleet import Fleet

Change = tuple[str, str, str]
"""A file of the packed agent, and what stands there instead of what."""
WIRE = "controller/wire/messages"
OLDER: tuple[Change, ...] = (
    ("controller/__init__.py", '"0.1.0"', '"0.0.9"'),
    # it knows nothing of the attempt digest of scripts,
    (f"{WIRE}/attempts.py", '    attempt_digest: str = ""\n', ""),
    (f"{WIRE}/attempts.py", '    salt: bytes = b""\n\n\n@record\nclass GetAttempt', "\n\n@record\nclass GetAttempt"),
    ("controller/agent/specs.py", "        salt=asked.salt,\n    )\n\n\ndef make_script_spec", "    )\n\n\ndef make_script_spec"),
    ("controller/agent/starts.py", "        self._check_planned(asked, bodies)\n", ""),
    # says less of itself and of attempts,
    (f"{WIRE}/greetings.py", "    scripts_only: bool = False\n    workers: int = 1\n", ""),
    ("controller/agent/machine.py", "            scripts_only=self._settings.scripts_only,\n            workers=pool.workers,\n", ""),
    # does not ask for its next certificate,
    ("controller/agent/daemon.py", "            features=(FEATURE,),\n", ""),
    (f"{WIRE}/table.py", '    _request("renew", renewal.Renew, renewal.Renewed, To.CONTROLLER),\n', ""),
    (f"{WIRE}/table.py", '    _reply("renewed", renewal.Renewed, To.AGENT),\n', ""),
    # and makes no reports.
    (f"{WIRE}/table.py", '    _request("get-report", server.GetReport, server.Report),\n', ""),
)  # fmt: skip
NEWER: tuple[Change, ...] = (
    ("controller/__init__.py", '"0.1.0"', '"9.0.0"'),
    ("controller/wire/handshake.py", "    most: int = VERSION\n", "    most: int = VERSION + 1\n"),
    ("controller/agent/daemon.py", "            features=(FEATURE,),\n", '            features=(FEATURE, "colours"),\n'),
    (f"{WIRE}/greetings.py", "    workers: int = 1\n", '    workers: int = 1\n    colour: str = ""\n'),
    ("controller/agent/machine.py", "            workers=pool.workers,\n", '            workers=pool.workers,\n            colour="blue",\n'),
    (f"{WIRE}/attempts.py", '    outputs: bytes = b""\n', '    mood: str = ""\n    outputs: bytes = b""\n    extra: bytes = b""\n'),
    ("controller/agent/statuses.py", "        outputs=status.outputs,\n", '        outputs=status.outputs,\n        mood="fine",\n        extra=b"more",\n'),
)  # fmt: skip


def changed(path: Path, changes: tuple[Change, ...]) -> Path:
    """Pack an agent of another version; every change must find its place."""
    made = io.BytesIO(FIRST_LINE)
    made.seek(0, io.SEEK_END)
    with (
        zipfile.ZipFile(io.BytesIO(pack_agent())) as plain,
        zipfile.ZipFile(made, "a") as other,
    ):
        for name in plain.namelist():
            text = plain.read(name).decode()
            for _, old, new in [one for one in changes if one[0] == name]:
                assert text.count(old) == 1, (name, old)
                text = text.replace(old, new)
            other.writestr(entry(name), text)
    path.write_bytes(made.getvalue())
    return path


@pytest.fixture(params=["older", pytest.param("newer", marks=pytest.mark.sweep)])
def app(
    request: pytest.FixtureRequest, fleet: Fleet, authority: Authority, tmp_path: Path
) -> Iterator[AgentHost]:
    """A server whose agent has another version than we have."""
    changes = OLDER if request.param == "older" else NEWER
    program = ("-I", "-S", str(changed(tmp_path / "other.pyz", changes)))
    with agent_on(fleet, authority, "app-1", program=program) as host:
        fleet.declare(
            f"tasks: {{a: {{run: 'echo ran >> {fleet.folder}/log; seq 1 20000'}}, b: {{run: exit 7}}}}\n"
            "targets: {t: {servers: app-1, task: a}}\n",
            inventory__servers_yaml=declared(host),
        )
        yield host


def test_an_agent_of_another_version_runs_jobs(fleet: Fleet, app: AgentHost) -> None:
    fleet.ctl("apply", "-y").ended(0)
    fleet.ctl("plan", "--detailed-exitcode").ended(0)
    assert (fleet.folder / "log").read_text() == "ran\n"
    out = fleet.ctl("jobs", "logs", "@last").ended(0).out
    assert [row for row in out.splitlines() if row.isdecimal()] == [str(n) for n in range(1, 20001)]
    fleet.ctl("run", "b", "--on", "app-1").ended(2)
    assert fleet.jobs()[0]["exit_code"] == 7
    assert app.process is not None
    assert app.process.poll() is None, app.log


def test_an_agent_of_another_version_runs_scripts_of_the_controller(
    fleet: Fleet, app: AgentHost
) -> None:
    path = fleet.config.path / "scripts/greet"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n#::CTL::title=Greet\necho hello $1\n")
    path.chmod(0o755)
    said = fleet.ctl("run", "greet", "--on", "app-1", "--", "you").ended(0)
    assert "hello you" in said.out + fleet.ctl("jobs", "logs", "@last").out
    assert "Traceback" not in app.log
