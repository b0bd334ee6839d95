"""The runner's own promises: what it leaves on a server, what it needs, and what it does when things die."""

import asyncio
import hashlib
import os
import shutil
import signal
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.errors import LockedError, TransportError, Unreachable
from controller.model.ids import Digest
from controller.model.inventory import Carrier, Server
from controller.model.observation import Holder
from controller.transport import lines
from controller.transport.local import LocalDialer
from controller.transport.port import Ending, Phase
from tests.transport.way import Way

HERE = Server(name="here", address="", carrier=Carrier.LOCAL)


@pytest.fixture
def way(runner_way: Way) -> Way:
    """Only ways with a runner: agents keep things elsewhere."""
    return runner_way


def holder(run: str) -> Holder:
    return Holder(
        run=run,
        who="ops@example.com",
        controller="one",
        boot_id="b",
        since=datetime(2026, 1, 1, tzinfo=UTC),
    )


def digest(data: bytes) -> Digest:
    return Digest(hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_every_shell_can_read_the_runner(shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} here")
    words = [program, "ash"] if shell == "busybox" else [program]
    done = subprocess.run(
        [*words, "-n"], input=lines.runner_text(), capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_every_part_of_the_runner_is_sent() -> None:
    folder = Path(lines.__file__).parent / "runner"
    assert sorted(file.stem for file in folder.iterdir()) == sorted(lines.PARTS)
    assert lines.runner_text().count(b"main() {") == 1


def test_the_runner_is_sent_without_its_comments() -> None:
    assert not any(line.startswith(b"#") for line in lines.runner_text().split(b"\n"))


async def test_the_state_folder_is_closed_to_others(way: Way) -> None:
    await way.run("true")
    for folder in (way.base / "attempts", way.base / "incoming"):
        assert folder.stat().st_mode & 0o777 == 0o700


async def test_the_environment_is_never_on_disk(way: Way) -> None:
    canary = f"canary-{way.job}"
    ended, output = await way.run('printf %s "$SECRET"', env={"SECRET": canary})
    assert output == canary.encode()
    kept = [
        file
        for file in way.folder(ended.id).iterdir()
        if not file.name.startswith("o.") and canary.encode() in file.read_bytes()
    ]
    assert kept == []


async def test_a_descendant_that_holds_the_output_does_not_hide_the_end(way: Way) -> None:
    async with asyncio.timeout(5):
        ended, output = await way.run("sleep 30 & echo done")
    assert (ended.ending, ended.exit_code, output) == (Ending.EXIT, 0, b"done\n")
    assert "left running" in ended.message
    assert ended.sha256 == digest(b"done\n")
    assert way.running()


async def test_a_supervisor_that_was_killed_leaves_an_interrupted_attempt(way: Way) -> None:
    session = await way.open()
    spec = way.spec("exec sleep 30")
    await session.start(spec)
    command = int(await content(way.folder(spec.id) / "pg"))
    lead = int(said_by(Path(f"/proc/{command}/stat")).rpartition(")")[2].split()[1])
    pump = int(said_by(way.folder(spec.id) / "pid").split()[0])
    for pid in (lead, pump, command):
        os.kill(pid, signal.SIGKILL)
    other = await way.open()
    assert (await other.wait(spec.id)).phase is Phase.INTERRUPTED
    again = await session.start(spec)
    assert (again.phase, again.fresh) == (Phase.INTERRUPTED, False)


async def test_an_attempt_of_an_earlier_boot_is_interrupted(way: Way) -> None:
    session = await way.open()
    spec = way.spec("true")
    await session.start(spec)
    await session.wait(spec.id)
    age(way.folder(spec.id))
    assert (await (await way.open()).status(spec.id)).phase is Phase.INTERRUPTED


def age(folder: Path) -> None:
    """Make an attempt look as if the power had gone while it ran."""
    claim = folder / "claim"
    claim.write_text("another-boot\n" + claim.read_text().partition("\n")[2])
    (folder / "exit").unlink()


async def test_a_lock_is_held_between_the_steps_of_a_run(way: Way) -> None:
    first, second = await way.open(), await way.open()
    claim = await first.claim_target(
        way.project, "web", holder=holder("r1"), expect=None, marker=b"{}"
    )
    assert claim.taken
    spec = way.spec("true")
    await first.start(spec)
    await first.wait(spec.id)
    other = await second.claim_target(
        way.project, "web", holder=holder("r2"), expect=digest(b"{}"), marker=b"[]"
    )
    assert (other.taken, other.holder) == (False, holder("r1"))
    assert await second.markers(way.project) == {"web": b"{}"}


async def test_a_lock_whose_work_still_runs_outlives_its_controller(way: Way) -> None:
    first = await way.open()
    await first.claim_target(way.project, "web", holder=holder("r1"), expect=None, marker=b"{}")
    spec = way.spec("exec sleep 30")
    await first.start(spec)
    await way.dialers[0].close()
    second = await way.open()
    assert await second.locks(way.project) == {"web": holder("r1")}
    await second.stop(spec.id, grace=0.2)
    assert await second.locks(way.project) == {}
    claim = await second.claim_target(
        way.project, "web", holder=holder("r2"), expect=digest(b"{}"), marker=b"[]"
    )
    assert (claim.taken, claim.took_over) == (True, holder("r1"))


async def test_a_line_that_dies_between_lock_and_answer_gives_the_lock_back(way: Way) -> None:
    opened = await way.open()
    first = opened._shared  # type: ignore[attr-defined]
    line = await first._lines.data()
    request = b"project='%s' target='web' run='r1' holder='{}' " % way.project.encode()
    reply = await line.ask(request + first._lines.keeper + b"; do_lock")
    assert reply.text("state") == "got"
    await line.close()
    second = await way.open()
    claim = await second.claim_target(
        way.project, "web", holder=holder("r2"), expect=None, marker=b"{}"
    )
    assert claim.taken


async def test_one_of_many_gets_the_lock(way: Way) -> None:
    sessions = [await way.open() for _ in range(4)]
    claims = await asyncio.gather(
        *(
            one.claim_target(
                way.project, "web", holder=holder(f"r{number}"), expect=None, marker=b"{}"
            )
            for number, one in enumerate(sessions)
        )
    )
    assert sum(claim.taken for claim in claims) == 1


async def test_a_run_without_the_lock_writes_no_marker(way: Way) -> None:
    session = await way.open()
    await session.claim_target(way.project, "web", holder=holder("r1"), expect=None, marker=b"{}")
    with pytest.raises(LockedError):
        await session.release_target(way.project, "web", run="r2", marker=b"[]")
    await session.release_target(way.project, "web", run="r1", marker=b"[1]")
    await session.release_target(way.project, "web", run="r1", marker=b"[1]")
    assert await session.markers(way.project) == {"web": b"[1]"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_a_home_that_cannot_be_written_is_told() -> None:
    dialer = LocalDialer(environment={"PATH": os.defpath, "HOME": "/proc/self"})
    with pytest.raises(TransportError) as caught:
        await dialer.open(HERE)
    assert caught.value.cause is Unreachable.STATE


def link_tools(folder: Path, *names: str) -> None:
    """Make a folder of these programs."""
    for name in names:
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)


async def test_a_server_without_a_needed_tool_is_told(tmp_path: Path) -> None:
    link_tools(tmp_path, "mkdir", "mv", "rm", "cat", "tr", "grep", "kill", "sleep", "chmod", "sh")
    dialer = LocalDialer(
        environment={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        shell=str(tmp_path / "sh"),
    )
    with pytest.raises(TransportError, match="has no dd") as caught:
        await dialer.open(HERE)
    assert caught.value.cause is Unreachable.VERSION
    assert caught.value.hint is not None


async def content(file: Path) -> str:
    """Wait for a file that a process is about to write."""
    for _ in range(500):
        if text := said_by(file):
            return text
        await asyncio.sleep(0.01)
    raise AssertionError(f"nobody wrote {file}")


def said_by(file: Path) -> str:
    """What a file says; nothing when it is not there."""
    return file.read_text().strip() if file.is_file() else ""
