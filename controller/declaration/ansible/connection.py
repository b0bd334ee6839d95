"""What the variables of a host say about reaching it: address and login.

Called by `inventory` for each host. A value with `{{ }}` is never evaluated: it counts as not said, with a warning.
"""

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from controller.declaration.ansible.draft import Values
from controller.declaration.ansible.findings import Findings
from controller.model.diagnostic import Place
from controller.model.inventory import Ssh

ADDRESS: Final = ("ansible_ssh_host", "ansible_host")
PORT: Final = ("ansible_ssh_port", "ansible_port")
USER: Final = ("ansible_ssh_user", "ansible_user")
KEY_FILE: Final = ("ansible_private_key_file", "ansible_ssh_private_key_file")
ARGUMENTS: Final = ("ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args")
_SSH: Final = frozenset({"ssh", "smart", "paramiko", "paramiko_ssh", "ansible.builtin.ssh"})
_LOCAL: Final = frozenset({"local", "ansible.builtin.local"})
_PASSWORDS: Final = (
    "ansible_password",
    "ansible_ssh_pass",
    "ansible_ssh_password",
    "ansible_become_pass",
    "ansible_become_password",
)
_TRUE: Final = frozenset({"true", "yes", "on", "1", "y", "t"})
_TEMPLATE: Final = re.compile(r"\{\{|\{%")
_CODE: Final = "ansible-connection"
_HIGHEST_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class Said:
    """The variables of one host, asked by meaning."""

    values: Mapping[str, object]
    places: Mapping[str, Place]
    place: Place
    findings: Findings

    def text(self, names: Iterable[str]) -> str | None:
        """Give the first of `names` that says something, as text."""
        for name in names:
            value = self.values.get(name)
            if value is None or value == "":
                continue
            if not isinstance(value, str | int | float) or _TEMPLATE.search(str(value)):
                self.warn(name, "is not plain text and counts as not said", None)
                continue
            return str(value)
        return None

    def warn(self, name: str, message: str, hint: str | None) -> None:
        """Say something about one variable, at its place."""
        place = self.places.get(name, self.place)
        self.findings.warn(f"{name} {message}", place, code=_CODE, hint=hint)


def read(
    name: str, values: Values, place: Place, servers: Mapping[str, str], findings: Findings
) -> tuple[Ssh | None, str]:
    """Give how the host `name` is reached, None for without ssh, and its address.

    Args:
        name: the host.
        values: its merged variables.
        place: where the host is named.
        servers: names of hosts by name and by address, to find the one that a jump goes through.
        findings: takes what cannot be followed.
    """
    said = Said(values.values, values.places, place, findings)
    address = address_of(name, said)
    kind = said.text(["ansible_connection"])
    if kind in _LOCAL:
        return None, address
    if kind is not None and kind not in _SSH:
        said.warn("ansible_connection", f"is {kind!r}, which is not supported: ssh is used", None)
    for password in _PASSWORDS:
        if password in values.values:
            said.warn(password, "is not used", "log in by key, and allow sudo without a password")
    ssh = Ssh(
        user=said.text(USER),
        port=_port(said),
        key_file=said.text(KEY_FILE),
        jump=_jump(said, name, servers),
        sudo=_sudo(said),
    )
    return ssh, address


def address_of(name: str, said: Said) -> str:
    """Give where a host is: what its variables say, else its name."""
    return said.text(ADDRESS) or name


def _port(said: Said) -> int:
    text = said.text(PORT)
    if text is None:
        return 22
    if text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= _HIGHEST_PORT:
        return int(text[:6])
    name = next(name for name in PORT if said.values.get(name) not in {None, ""})
    said.warn(name, f"is {text[:20]!r}, which is no port: 22 is used", None)
    return 22


def _sudo(said: Said) -> bool:
    become = said.text(["ansible_become"])
    if become is None or become.lower() not in _TRUE:
        return False
    method = said.text(["ansible_become_method"])
    user = said.text(["ansible_become_user"])
    if method not in {None, "sudo", "ansible.builtin.sudo"}:
        said.warn("ansible_become_method", f"is {method!r}: only sudo is supported", None)
        return False
    if user not in {None, "root"}:
        said.warn("ansible_become_user", f"is {user!r}: only root is supported", "use `user:`")
        return False
    return True


def _jump(said: Said, name: str, servers: Mapping[str, str]) -> str | None:
    for variable in ARGUMENTS:
        text = said.text([variable]) if variable in said.values else None
        host = jump_host(text) if text else None
        if host is None:
            continue
        found = servers.get(host)
        if found is not None and found != name:
            return found
        said.warn(
            variable,
            f"goes through {host!r}, which is no host of this inventory: the jump is left out",
            "name it in the inventory",
        )
    return None


def jump_host(arguments: str) -> str | None:
    """Find the host that ssh's arguments jump through, without user and port."""
    try:
        words = shlex.split(arguments)
    except ValueError:
        return None
    found = _option(words)
    if not found or found.lower() == "none":
        return None
    last = found.split(",")[-1].removeprefix("ssh://").rpartition("@")[2]
    match = re.fullmatch(r"\[(.+)\](?::\d+)?|([^:]+)(?::\d+)?|(.+)", last)
    return next(filter(None, match.groups()), None) if match else None


def _option(words: list[str]) -> str | None:
    """Find -J HOST, -o ProxyJump=HOST, or the last word of -o ProxyCommand='ssh -W %h:%p HOST'."""
    for position, word in enumerate(words):
        following = words[position + 1] if position + 1 < len(words) else ""
        if word.startswith("-J"):
            return word[2:] or following
        if not word.startswith("-o"):
            continue
        key, _, value = (word[2:] or following).strip().partition("=")
        if key.strip().lower() == "proxyjump":
            return value.strip()
        if key.strip().lower() == "proxycommand" and "-W" in value:
            plain = [part for part in value.split()[1:] if not part.startswith(("-", "%"))]
            return plain[-1].strip("\"'") if plain else None
    return None
