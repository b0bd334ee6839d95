"""The composition root: what it builds works together, holds its lock, and leaves nothing open."""

import os
from pathlib import Path

import pytest

from controller.errors import LockedError, NotFoundError, StateError
from controller.reconcile.exchange.requests import PlanRequest
from controller.service.local import open as open_service
from controller.service.options import Options
from controller.service.works import new_id, new_nonce
from tests.fakes.repositories import Repository

ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}


def options(path: Path, *, write: bool = False, state: str | None = None) -> Options:
    return Options(
        directory=path, state=state, actor="tester@example.com", write=write, variables=ENVIRONMENT
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    made = Repository(tmp_path / "config")
    made.commit({"ctl.yaml": "", "inventory/s.yaml": "servers: {away: {address: host.invalid}}\n"})
    return made.path


async def test_a_fresh_folder_gets_its_state_and_plans(config: Path) -> None:
    async with open_service(options(config)) as controller:
        plan = await controller.plan(PlanRequest(refresh=False))
    assert plan.changes == ()
    assert (config / ".ctl").stat().st_mode & 0o777 == 0o700
    assert (config / ".ctl/.gitignore").read_text().split() == ["*"]


async def test_the_repository_is_found_from_a_folder_inside(config: Path) -> None:
    async with open_service(options(config / "inventory")) as controller:
        assert controller.state == str(config / ".ctl")


async def test_without_a_config_repository_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        async with open_service(options(tmp_path)):
            pass
    assert os.listdir(tmp_path) == []  # noqa: PTH208


async def test_one_writer_at_a_time_and_readers_beside_it(config: Path) -> None:
    async with open_service(options(config, write=True)):
        with pytest.raises(LockedError, match=r"tester@example\.com"):
            async with open_service(options(config, write=True)):
                pass
        async with open_service(options(config)) as reader:
            await reader.plan(PlanRequest(refresh=False))
    async with open_service(options(config, write=True)):
        pass


async def test_a_controller_that_fails_to_open_gives_its_lock_back(config: Path) -> None:
    async with open_service(options(config)):
        pass
    (config / ".ctl/state.db").write_bytes(b"no database" * 500)
    with pytest.raises(StateError):
        async with open_service(options(config, write=True)):
            pass
    (config / ".ctl/state.db").unlink()
    async with open_service(options(config, write=True)):
        pass


async def test_opening_and_closing_leaves_no_file_open(config: Path) -> None:
    async def once() -> None:
        async with open_service(options(config, write=True)) as controller:
            await controller.plan(PlanRequest(refresh=False))

    await once()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    await once()
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208


def test_ids_and_nonces_are_fresh() -> None:
    assert len({new_id() for _ in range(1000)}) == 1000
    assert len({new_nonce() for _ in range(1000)}) == 1000
    assert all(new_nonce().isalnum() for _ in range(10))
