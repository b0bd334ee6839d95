"""Three machines on one: a controller's on the open network, a router, and one behind it that nobody outside can reach.

Made of network namespaces and pairs of virtual wires, which go with their namespaces; this machine's own network is left alone.
Addresses are of the ranges for documentation and for private networks. Needs root and iproute2; nftables for `nat`.
"""

import contextlib
import ctypes
import os
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.scenes.conftest import program

CLONE_NEWNET = 0x40000000
HUB = "203.0.113.1"
"""The controller's address."""
GATE = "203.0.113.2"
"""The router's address outside, as whom everybody behind it appears."""
INSIDE = "192.168.77.1"
EDGE = "192.168.77.2"
MASQUERADE = """\
table ip nat {
  chain outward {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "outside" masquerade
  }
}
table ip filter {
  chain through {
    type filter hook forward priority filter; policy drop;
    iifname "inside" accept
    ct state established,related accept
  }
}
"""
CUT = "table ip cut { chain through { type filter hook forward priority -10; policy drop; }; }"


@dataclass(frozen=True, slots=True)
class Host:
    """A machine of its own, as far as its network goes."""

    name: str

    def run(self, *words: str, stdin: str = "") -> str:
        """Run a command there, which must go well."""
        done = subprocess.run(
            ["nsenter", f"--net=/run/netns/{self.name}", *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Be there with this thread; processes and threads that it starts stay there."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(there)
            try:
                yield
            finally:
                _enter(before)
        finally:
            os.close(there)
            os.close(before)


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "cannot enter a network namespace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """The three machines."""

    hub: Host
    gate: Host
    edge: Host

    def nat(self) -> None:
        """Have the router lead outwards, with its own address in the place of whoever is behind it; nobody is led inwards."""
        nft = program("nft", "nftables")
        self.gate.run(nft, "-f", "-", stdin=MASQUERADE)
        self.gate.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")

    def cut(self) -> None:
        """Lose every packet at the router, so that neither end hears of it."""
        self.gate.run("nft", "-f", "-", stdin=CUT)

    def mend(self) -> None:
        """Lose none any more."""
        self.gate.run("nft", "delete", "table", "ip", "cut")

    def move(self, address: str) -> None:
        """Give the router another address outside: it forgets every connection, as lines at home do each night."""
        self.gate.run("ip", "address", "flush", "dev", "outside")
        self.gate.run("ip", "address", "add", f"{address}/24", "dev", "outside")


@contextlib.contextmanager
def made() -> Iterator[Networks]:
    """Make the machines, and take them away."""
    ip, mark = program("ip", "iproute2"), secrets.token_hex(3)
    hosts = [Host(f"ctl-{mark}-{name}") for name in ("hub", "gate", "edge")]
    try:
        for one in hosts:
            _add(ip, one)
        hub, gate, edge = hosts
        _wire(ip, (hub, "outside", HUB), (gate, "outside", GATE))
        _wire(ip, (gate, "inside", INSIDE), (edge, "inside", EDGE))
        edge.run(ip, "route", "add", "default", "via", INSIDE)
        yield Networks(hub=hub, gate=gate, edge=edge)
    finally:
        for one in hosts:
            subprocess.run([ip, "netns", "del", one.name], capture_output=True, check=False)


def _add(ip: str, host: Host) -> None:
    done = subprocess.run(
        [ip, "netns", "add", host.name], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"no network namespaces here: {done.stderr.strip()}")
    host.run(ip, "link", "set", "lo", "up")


def _wire(ip: str, one: tuple[Host, str, str], other: tuple[Host, str, str]) -> None:
    """Lay a wire between two machines; each end has a name and an address."""
    far = ("peer", "name", other[1], "netns", other[0].name)
    one[0].run(ip, "link", "add", one[1], "type", "veth", *far)
    for host, name, address in (one, other):
        host.run(ip, "address", "add", f"{address}/24", "dev", name)
        host.run(ip, "link", "set", name, "up")
