"""The text of a systemd unit for `ctl serve`, each line with its reason.

Pure: `ctl serve … --print-unit` prints what this gives. What the directives mean is told in systemd.service(5), systemd.exec(5)
and systemd.resource-control(5). Unlike an agent, a controller needs nothing of its machine but its state, git, ssh and the
network: everything else is taken away. Only `--allow local` needs the machine, and then these lines are left out.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from controller.agent.unit_words import plain, quoted
from controller.errors import UsageError

UNIT: Final = """\
[Unit]
Description=Controller of Tillerman{role}
After=network-online.target
Wants=network-online.target
# Servers without their controller drift: never give up starting it.
StartLimitIntervalSec=0

[Service]
# It says itself when it is ready, and that it lives.
Type=notify
WatchdogSec=120
ExecStart={command}
# A reload looks at the config repository and all repos now.
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=2s
# A start may find a large state of an older form.
TimeoutStartSec=10min
# A stop leaves jobs running on the servers and takes seconds; with --drain it waits for them.
TimeoutStopSec={stop}
# A second signal means: now.
KillMode=mixed

# A user of its own, made for as long as it runs; what it keeps is in /var/lib/{folder}, 0700, apart from what jobs keep in /var/lib/ctl.
DynamicUser=yes
StateDirectory={folder}
StateDirectoryMode=0700
CacheDirectory={folder}
# The age key and other secrets come as credentials, readable by this unit alone (systemd.exec(5)):
{credentials}UMask=0077
LimitCORE=0
KeyringMode=private
# Descriptors for connections to servers and agents.
LimitNOFILE=65536
{confinement}
[Install]
WantedBy=multi-user.target
"""
CONFINEMENT: Final = """\
# Nothing of this machine may be changed, and little of it seen.
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectProc=invisible
ProcSubset=pid
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
NoNewPrivileges=yes
CapabilityBoundingSet={capability}
{ambient}RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
# The network, and sockets of this machine such as the one systemd listens on.
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
# The renderer of templates limits itself, for which it needs @resources.
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""
NO_CREDENTIALS: Final = "#LoadCredential=age-key:/etc/ctl/age.txt\n"
CREDENTIALS: Final = "${CREDENTIALS_DIRECTORY}/"
"""Where systemd puts them; the only thing in a command line that it replaces."""
PRIVILEGED: Final = 1024
"""Ports below it need a capability."""


def make_unit(
    words: Sequence[str],
    *,
    program: str,
    name: str = "ctl",
    role: str = "all",
    ports: Sequence[int] = (),
    local: bool = False,
    credentials: Mapping[str, Path] = MappingProxyType({}),
) -> str:
    """Write the unit of a serving controller.

    Args:
        words: the command line after `ctl`, as typed.
        program: `ctl`, an absolute path.
        name: of the unit, without `.service`.
        role: which part of a controller it is.
        ports: where it listens.
        local: whether jobs may run on this machine; then nothing of it is taken away.
        credentials: files among the words that only root may read, by the names that systemd hands them over under.

    Raises:
        UsageError: a word cannot stand in a unit.
    """
    handed = {str(path): credential for credential, path in credentials.items()}
    bind = any(port < PRIVILEGED for port in ports)
    confinement = CONFINEMENT.format(
        capability="CAP_NET_BIND_SERVICE" if bind else "",
        ambient="AmbientCapabilities=CAP_NET_BIND_SERVICE\n" if bind else "",
    )
    text = UNIT.format(
        role="" if role == "all" else f": {role}",
        folder=f"{name}-serve" if role == "all" else name,
        command=" ".join(
            f"{CREDENTIALS}{handed[word]}" if word in handed else _word(word)
            for word in (program, *words)
        ),
        credentials="".join(
            f"LoadCredential={credential}:{_path(path)}\n"
            for credential, path in credentials.items()
        )
        or NO_CREDENTIALS,
        stop="infinity" if "--drain" in words else "60s",
        confinement="" if local else confinement,
    )
    if local:  # jobs run here, as whoever they say
        text = text.replace("DynamicUser=yes\n", "")
    return text


def _word(word: str) -> str:
    """Write a word of the command line."""
    try:
        return quoted(word)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _path(path: Path) -> str:
    """Write a path where systemd reads the rest of a line."""
    try:
        text = plain(str(path))
    except ValueError as error:
        raise UsageError(str(error)) from None
    if not path.is_absolute():
        raise UsageError(f"cannot write {str(path)!r} into a unit: it starts from nowhere")
    return text
