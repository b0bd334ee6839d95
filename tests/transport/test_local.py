"""The local carrier: its shell knows little, is shared, and its death is noticed although supervisors outlive it."""

import asyncio
import os
from pathlib import Path

import pytest

from controller.errors import SessionLostError, TransportError, Unreachable
from controller.model.inventory import Carrier, Server
from controller.transport.local import LocalDialer
from controller.transport.port import ProbeSpec
from tests.transport.way import local_way

HERE = Server(name="here", address="", carrier=Carrier.LOCAL)


def dialer(folder: Path, **environment: str) -> LocalDialer:
    return LocalDialer(environment={"PATH": os.environ["PATH"], "HOME": str(folder), **environment})


async def test_the_controllers_environment_stays_with_it(tmp_path: Path) -> None:
    local = dialer(tmp_path, CTL_STATE="canary", OTHER="canary")
    session = await local.open(HERE)
    seen = await session.probe(ProbeSpec(text=b"env"))
    assert b"canary" not in seen.output
    assert f"HOME={tmp_path}".encode() in seen.output
    await local.close()


async def test_a_server_has_one_session(tmp_path: Path) -> None:
    local = dialer(tmp_path)
    first, second = await asyncio.gather(local.open(HERE), local.open(HERE))
    assert first._shared is second._shared
    await local.close()


async def test_a_shell_that_is_not_there_is_told(tmp_path: Path) -> None:
    local = LocalDialer(environment={}, shell=str(tmp_path / "none"))
    with pytest.raises(TransportError) as caught:
        await local.open(HERE)
    assert caught.value.cause is Unreachable.VERSION


async def test_the_death_of_the_shell_is_noticed_though_work_goes_on(tmp_path: Path) -> None:
    with local_way(tmp_path, "sh") as way:
        session = await way.open()
        spec = way.spec("sleep 0.6; echo done")
        await session.start(spec)
        way.cut()
        with pytest.raises(SessionLostError):
            async with asyncio.timeout(5):
                await session.wait(spec.id)
        again = await way.dialers[0].open(way.server)
        assert (await again.wait(spec.id)).exit_code == 0
        await way.close()
