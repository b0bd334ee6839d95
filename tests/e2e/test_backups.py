"""A state goes into one file and comes back, and what comes back starts nothing by itself."""

import io
import json
import sqlite3
import tarfile
from pathlib import Path

import pytest

from tests.e2e.fleet import Fleet, finished, wait_for

SLOW = "tasks: {a: {run: 'echo begun >> LOG; sleep 3; echo ended >> LOG'}}\n"
TARGET = "targets: {t: {servers: here, task: a}}\n"


def declare(fleet: Fleet, text: str) -> Path:
    log = fleet.folder / "log"
    fleet.declare(text.replace("LOG", str(log)) + TARGET)
    return log


def backed_up(fleet: Fleet) -> Path:
    file = fleet.folder / "state.tar.gz"
    fleet.ctl("backup", str(file)).ended(0)
    return file


def test_a_restored_state_knows_what_it_knew_and_starts_nothing_until_told(fleet: Fleet) -> None:
    log = declare(fleet, "tasks: {a: {run: echo one >> LOG}}\n")
    fleet.ctl("apply", "-y").ended(0)
    (job,) = fleet.jobs()
    file = backed_up(fleet)
    assert file.stat().st_mode & 0o777 == 0o600
    other = fleet.folder / "other"
    told = fleet.ctl("restore", str(file), "--state", str(other), "-o", "json").ended(0).json
    assert (told["cancelled"], told["interrupted"]) == (0, 0)

    assert fleet.jobs(other) == [job]
    said = fleet.ctl("jobs", "logs", str(job["id"]), "--state", str(other)).ended(0).out
    assert said == fleet.ctl("jobs", "logs", str(job["id"])).ended(0).out
    fleet.ctl("logs", "verify", "--state", str(other)).ended(0)
    fleet.ctl("plan", "--detailed-exitcode", "--state", str(other)).ended(0)

    declare(fleet, "tasks: {a: {run: echo two >> LOG}}\n")
    refused = fleet.ctl("apply", "-y", "--state", str(other)).ended(4)
    assert "restored from a backup" in refused.all
    assert "ctl restore --release" in refused.all
    fleet.ctl("run", "a", "--on", "here", "--state", str(other)).ended(4)
    assert log.read_text() == "one\n"

    fleet.ctl("restore", "--release", "--state", str(other)).ended(64)
    fleet.ctl("restore", "--release", "--reason", "looked", "--state", str(other)).ended(0)
    fleet.ctl("apply", "-y", "--state", str(other)).ended(0)
    assert log.read_text() == "one\ntwo\n"
    events = [line["event"] for line in fleet.events(other)]
    assert events.index("restored") < events.index("dispatch-released")


def test_a_file_that_is_not_there_is_no_damaged_backup(fleet: Fleet) -> None:
    refused = fleet.ctl("restore", "gone.tar.gz", "--state", str(fleet.folder / "other")).ended(1)
    assert "gone.tar.gz: No such file or directory" in refused.all
    assert "damaged" not in refused.all
    assert not (fleet.folder / "other").exists()


@pytest.mark.parametrize(
    "words", [("backup", "state.tar.gz"), ("restore", "--release", "--reason", "looked")]
)
def test_a_state_that_is_not_there_is_not_made_to_be_backed_up_or_released(
    fleet: Fleet, words: tuple[str, ...]
) -> None:
    fleet.declare(TARGET + SLOW)
    for more in (("--state", str(fleet.folder / "gone")), ()):
        refused = fleet.ctl(*words, *more).ended(1)
        assert "cannot find a state in" in refused.all
    assert not (fleet.folder / "gone").exists()
    assert not fleet.state.exists()
    assert not (fleet.config.path / "state.tar.gz").exists()


@pytest.mark.sweep
def test_work_that_was_under_way_is_never_begun_again_by_a_restored_state(fleet: Fleet) -> None:
    log = declare(fleet, SLOW)
    process = fleet.spawn("apply", "-y")
    wait_for(log.exists)
    file = backed_up(fleet)
    finished(process).ended(0)
    other = fleet.folder / "other"
    told = fleet.ctl("restore", str(file), "--state", str(other), "-o", "json").ended(0).json
    assert told["interrupted"] == 1
    (job,) = fleet.jobs(other)
    assert job["state"] == "interrupted"
    fleet.ctl("restore", "--release", "--reason", "looked", "--state", str(other)).ended(0)
    fleet.ctl("apply", "-y", "--state", str(other)).ended(0)  # its marker says that it is applied
    assert log.read_text() == "begun\nended\n"


def test_a_backup_while_others_write_is_of_one_moment(fleet: Fleet) -> None:
    declare(fleet, "tasks: {a: {steps: {x: {run: 'seq 1 50000'}, y: {run: 'seq 1 50000'}}}}\n")
    process = fleet.spawn("apply", "-y")
    wait_for((fleet.state / "state.db").exists)
    files = []
    for number in range(4):
        files.append(fleet.folder / f"{number}.tar.gz")
        fleet.ctl("backup", str(files[-1])).ended(0)
    finished(process).ended(0)
    for number, file in enumerate(files):
        state = fleet.folder / f"state-{number}"
        fleet.ctl("restore", str(file), "--state", str(state)).ended(0)
        fleet.ctl("logs", "verify", "--state", str(state)).ended(0)
        with sqlite3.connect(state / "state.db") as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_nothing_is_written_over(fleet: Fleet) -> None:
    declare(fleet, "tasks: {a: {run: 'true'}}\n")
    fleet.ctl("apply", "-y").ended(0)
    file = backed_up(fleet)
    before = file.read_bytes()
    assert "there already" in fleet.ctl("backup", str(file)).ended(1).all
    assert file.read_bytes() == before
    assert "not empty" in fleet.ctl("restore", str(file)).ended(4).all


def test_a_damaged_backup_leaves_nothing_behind(fleet: Fleet) -> None:
    declare(fleet, "tasks: {a: {run: 'true'}}\n")
    fleet.ctl("apply", "-y").ended(0)
    file = backed_up(fleet)
    cut = fleet.folder / "cut.tar.gz"
    cut.write_bytes(file.read_bytes()[:-2000])
    evil = fleet.folder / "evil.tar.gz"
    with tarfile.open(evil, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("logs/../../out"))
    changed = fleet.folder / "changed.tar.gz"
    rewrite(file, changed)
    strange = fleet.folder / "strange"
    strange.write_text("hello")
    before = sorted(path.name for path in fleet.folder.iterdir())
    for one in (cut, evil, changed, strange):
        said = fleet.ctl("restore", str(one), "--state", str(fleet.folder / "new")).ended(1)
        assert "damaged" in said.all
    assert sorted(path.name for path in fleet.folder.iterdir()) == before


def rewrite(file: Path, goal: Path) -> None:
    """Copy a backup with one byte of a log changed, and nothing said of it."""
    with tarfile.open(file) as old, tarfile.open(goal, "w:gz") as new:
        for member in old:
            content = old.extractfile(member)
            assert content is not None
            data = content.read()
            if member.name.startswith("logs/activity-"):
                data = data.replace(b'"actor"', b'"actoR"', 1)
            new.addfile(member, io.BytesIO(data))


def test_a_backup_of_a_newer_program_is_refused(fleet: Fleet) -> None:
    declare(fleet, "tasks: {a: {run: 'true'}}\n")
    fleet.ctl("apply", "-y").ended(0)
    file = backed_up(fleet)
    newer = fleet.folder / "newer.tar.gz"
    with tarfile.open(file) as old, tarfile.open(newer, "w:gz") as new:
        for member in old:
            content = old.extractfile(member)
            assert content is not None
            data = content.read()
            if member.name == "backup.json":
                data = json.dumps({**json.loads(data), "format": 99}).encode()
                member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    said = fleet.ctl("restore", str(newer), "--state", str(fleet.folder / "new")).ended(1)
    assert "newer ctl" in said.all
