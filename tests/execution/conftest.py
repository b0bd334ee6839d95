"""Rooms to run attempts in: with cgroups where this machine has them, and without."""

import asyncio
import itertools
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.execution import linux
from controller.execution.cgroup import Group
from controller.execution.groups import Groups
from tests.execution.room import Room

numbers = itertools.count()


def make_groups() -> Groups:
    """A delegated folder of this test's own."""
    mount = linux.unified_mount()
    if mount is None:
        pytest.skip("no cgroup version 2 tree here")
    base = Path(mount) / f"ctl-test-{os.getpid()}-{next(numbers)}"
    try:
        base.mkdir()
    except OSError:
        pytest.skip("no right to make cgroups here")
    return Groups(str(base))


@pytest.fixture(params=["cgroup", "descent"])
async def room(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Room]:
    """Every promise holds with and without cgroups."""
    groups = make_groups() if request.param == "cgroup" else None
    made = Room(folder=tmp_path / "room", groups=groups)
    yield made
    await finish(made)


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[Room]:
    """Without cgroups."""
    made = Room(folder=tmp_path / "room", groups=None)
    yield made
    await finish(made)


@pytest.fixture
async def open_room() -> AsyncIterator[Room]:
    """Where other users may pass through, which they may not in the folders of pytest."""
    with tempfile.TemporaryDirectory(prefix="ctl-room-") as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101, S103 — no wait worth a thread
        made = Room(folder=Path(folder) / "room", groups=None)
        yield made
        await finish(made)


@pytest.fixture
async def grouped(tmp_path: Path) -> AsyncIterator[Room]:
    """With cgroups."""
    made = Room(folder=tmp_path / "room", groups=make_groups())
    yield made
    await finish(made)


async def finish(room: Room) -> None:
    await room.clear()
    if room.groups is not None:
        base = Group(room.groups.base)
        base.kill()
        for _ in range(200):
            if base.remove():
                break
            await asyncio.sleep(0.01)
        assert base.remove(), f"{base.members()} live on in {base.path}"
