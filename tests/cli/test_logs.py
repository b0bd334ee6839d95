"""`ctl logs`: lines for people, documents, and a chain that is checked; real files."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from controller.journal.log import Log
from tests.cli.stage import NOW, Stage


class Ticking:
    """A clock that moves a minute at every look."""

    def __init__(self) -> None:
        self._now = NOW - timedelta(hours=1)

    def now(self) -> datetime:
        self._now += timedelta(minutes=1)
        return self._now

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody waits here")


@pytest.fixture
async def repo(tmp_path: Path) -> Path:
    (tmp_path / "ctl.yaml").write_text("")
    folder = tmp_path / ".ctl" / "logs"
    folder.mkdir(parents=True)
    log = Log(folder, "activity", clock=Ticking())
    for number in range(12):
        await log.append("run-submitted", "ops@host", run=f"r{number}", reason=None)
    await log.append("note", "x\x1b[2J", text='two words\n"forged" line')
    return tmp_path


def test_the_last_ten_lines_are_shown_newest_last(repo: Path) -> None:
    rows = Stage(cwd=repo)("logs", "activity").out.splitlines()
    assert len(rows) == 10
    assert rows[0] == "2026-03-01 11:04:00Z run-submitted ops@host run=r3"
    assert rows[-1].startswith("2026-03-01 11:13:00Z note x")


def test_nothing_in_a_line_can_forge_another(repo: Path) -> None:
    out = Stage(cwd=repo)("logs", "activity", "-n", "1").out
    assert len(out.splitlines()) == 1
    assert "\x1b" not in out


def test_since_takes_a_duration_or_a_time(repo: Path) -> None:
    stage = Stage(cwd=repo)
    assert len(stage("logs", "activity", "--since", "50m").out.splitlines()) == 4
    assert len(stage("logs", "activity", "--since", "2026-03-01T11:12:00Z").out.splitlines()) == 2
    assert stage("logs", "activity", "--since", "yesterday").code == 64


def test_lines_are_documents_too(repo: Path) -> None:
    stage = Stage(cwd=repo)
    document = json.loads(stage("logs", "activity", "-n", "2", "-o", "json").out)
    assert [entry["seq"] for entry in document] == [12, 13]
    lines = stage("logs", "activity", "-n", "2", "-o", "jsonl").out.splitlines()
    assert [json.loads(row) for row in lines] == document


def test_a_state_elsewhere_has_its_logs_there(repo: Path, tmp_path: Path) -> None:
    stage = Stage(cwd=Path("/"))
    assert stage("logs", "activity", "--state", str(repo / ".ctl"), "-n", "1").out
    assert stage("logs", "connectivity", "--state", str(tmp_path / "none")).out == ""


def test_verify_is_one_when_a_line_was_altered(repo: Path) -> None:
    stage = Stage(cwd=repo)
    assert stage("logs", "verify").code == 0
    path = repo / ".ctl" / "logs" / "activity-2026.log"
    path.write_bytes(path.read_bytes().replace(b'"r4"', b'"r5"'))
    seen = stage("logs", "verify")
    assert seen.code == 1
    assert "activity: the chain does not hold" in seen.out
    document = json.loads(stage("logs", "verify", "-o", "json").out)
    assert document["logs"]["activity"]["holds"] is False
    assert document["logs"]["connectivity"]["holds"] is True
