import subprocess
import sys

import pytest

from controller.errors import TransportError, Unreachable
from controller.model.inventory import Carrier, Server
from controller.transport.dialer import CarrierDialer
from controller.transport.port import Dialer, Session


class Recorder:
    """A dialer that reaches nobody and remembers who was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.closed = 0

    async def open(self, server: Server) -> Session:
        self.asked.append(server.name)
        raise TransportError("cannot reach anybody", cause=Unreachable.TCP)

    async def fresh(self, server: Server) -> Session:
        self.asked.append(f"{server.name} anew")
        raise TransportError("cannot reach anybody", cause=Unreachable.TCP)

    async def close(self) -> None:
        self.closed += 1


async def test_a_server_goes_to_its_own_carrier_which_is_made_once() -> None:
    made: list[Carrier] = []
    recorders = {carrier: Recorder() for carrier in (Carrier.SSH, Carrier.LOCAL)}

    def maker(carrier: Carrier) -> Dialer:
        made.append(carrier)
        return recorders[carrier]

    dialer = CarrierDialer(
        {
            Carrier.SSH: lambda: maker(Carrier.SSH),
            Carrier.LOCAL: lambda: maker(Carrier.LOCAL),
        }
    )
    assert made == []
    for name in ("a", "b"):
        with pytest.raises(TransportError):
            await dialer.open(Server(name=name, address=name))
    assert made == [Carrier.SSH]
    with pytest.raises(TransportError):
        await dialer.open(Server(name="here", address="", carrier=Carrier.LOCAL))
    with pytest.raises(TransportError):
        await dialer.fresh(Server(name="here", address="", carrier=Carrier.LOCAL))
    assert recorders[Carrier.SSH].asked == ["a", "b"]
    assert recorders[Carrier.LOCAL].asked == ["here", "here anew"]
    await dialer.close()
    await dialer.close()
    assert [one.closed for one in recorders.values()] == [1, 1]


@pytest.mark.real
def test_ssh_is_loaded_only_by_those_who_use_it() -> None:
    names = [
        "channel",
        "dialer",
        "keys",
        "lent",
        "line",
        "lines",
        "local",
        "port",
        "protocol",
        "quoting",
        "session",
        "targets",
    ]
    text = f"""
import importlib, sys
for name in {names!r}:
    importlib.import_module("controller.transport." + name)
sys.exit("asyncssh" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", text], check=False).returncode == 0
