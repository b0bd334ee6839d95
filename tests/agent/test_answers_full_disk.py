"""An agent whose disk is full: every answer is clear, nothing that was accepted is lost, and it goes on when there is room."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.agent.errors import AgentError
from controller.execution.errors import ExecutionError
from controller.wire.messages.attempts import Attempt, AttemptPage, GetAttempt, ListAttempts
from controller.wire.messages.streams import OpenUpload
from tests.agent.answers_room import Line, Room, until

pytestmark = pytest.mark.real


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("no right to mount here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path) -> None:
    """Leave no room."""
    try:
        with (disk / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
    except OSError:
        return


async def test_a_full_disk_refuses_clearly_and_loses_nothing(
    small_disk: Path, closed: Room
) -> None:
    await closed.open(state=str(small_disk / "state"))
    before = await closed.run("echo before; exit 3")
    going = await closed.start("sleep 1; echo late; exit 4")
    fill(small_disk)
    flood = OpenUpload(purpose="workspace", job=closed.job, path="f", size=1 << 20)
    with pytest.raises(ExecutionError):
        await closed.serve(flood, Line().give(b"x" * (1 << 20)))
    for _ in range(20):
        with pytest.raises((AgentError, ExecutionError)):
            await closed.upload(b"x" * (5 << 20))
    told = [await started(closed) for _ in range(5)]
    assert (await closed.wait(going.id)).exit_code == 4
    assert closed.answers is not None
    answers = closed.answers
    await until(lambda: answers.state().idle)
    assert await closed.output(before.id) == b"before\n"
    (small_disk / "filler").unlink()
    assert (await closed.run("exit 5")).exit_code == 5
    await closed.again()
    assert (await closed.ask(GetAttempt(attempt=going.id), Attempt)).exit_code == 4
    page = await closed.ask(ListAttempts(job=closed.job), AttemptPage)
    known = {one.id for one in page.attempts}
    assert {name for name in told if name} <= known


async def started(room: Room) -> str:
    """Start something and wait for its end, if it is taken; a refusal is an answer, too."""
    try:
        one = await room.start("true")
    except (AgentError, ExecutionError) as error:
        return "" if error.message else "a refusal without words"
    ended = await room.wait(one.id)
    assert ended.ending in ("exit", "start", "unstarted")
    return one.id
