"""How people name agents that are not declared, and what a command may use."""

import pytest

from controller.cli.agents import one_way, read_address, read_limits
from controller.errors import UsageError
from controller.model.task import Limits
from controller.reconcile.exchange.requests import Address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("db-1", "db-1", 9443),
        ("db-1:1", "db-1", 1),
        ("10.0.0.1:9999", "10.0.0.1", 9999),
        ("[::1]:9999", "::1", 9999),
        ("[::1]", "::1", 9443),
        ("::1", "::1", 9443),
    ],
)
def test_an_address_is_read_as_people_write_it(text: str, host: str, port: int) -> None:
    assert read_address(text) == Address(host=host, port=port)


@pytest.mark.parametrize("text", ["", ":1", "db-1:", "db-1:0", "db-1:65536", "db-1:x", "db-1:٣"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_address(text)


@pytest.mark.parametrize(("on", "addr"), [(None, None), ("all", "db-1:9443")])
def test_exactly_one_way_names_the_servers(on: str | None, addr: str | None) -> None:
    with pytest.raises(UsageError):
        one_way(on, addr)


def test_limits_are_read_as_declared_ones_are() -> None:
    assert read_limits(["cpu=50%", "memory=512M", "pids=100", "io=20M"]) == Limits(
        cpu=0.5, memory=512 << 20, pids=100, io=20 << 20
    )


@pytest.mark.parametrize(
    "texts", [["cpu"], ["cpu="], ["disk=1"], ["cpu=1", "cpu=2"], ["memory=much"], ["pids=-"]]
)
def test_what_is_no_limit_is_refused(texts: list[str]) -> None:
    with pytest.raises(UsageError):
        read_limits(texts)
