"""The text of the agent's systemd units, each line with its reason.

Pure: `ctl agent install` writes what this gives, and with `--dry-run` shows it. What the directives mean is told in
systemd.service(5), systemd.exec(5), systemd.kill(5) and systemd.resource-control(5).

The agent is the root of its server for whoever its certificates allow, and what it starts inherits its confinement. So the
unit takes away only what no job of an administrator needs. Above all it uses nothing that needs a mount namespace
(ProtectSystem, PrivateTmp, ProtectKernel…, PrivateDevices …): a job that mounts a disk or upgrades a package would do so
where nobody else sees it, and an attempt that outlives the agent would live in another world than the next one.

Attempts outlive the agent, with their limits, so the cgroup that holds them must outlive it too. From systemd 254 on
`DelegateSubgroup` puts a restarted agent beside them. Before, systemd would put it into the delegated folder itself, which
the kernel refuses while limits are handed out there; so a second unit holds that folder, and never restarts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from controller.agent.errors import SettingsError
from controller.agent.settings import Settings
from controller.agent.unit_words import quoted

UNIT = "ctl-agent.service"
HOLDER = "ctl-agent-attempts.service"
PYTHON = "/usr/bin/python3"
PROGRAM = "/usr/local/lib/ctl/ctl-agent.pyz"
CACHE = "/var/cache/ctl-agent"
FLAGS = ("-I", "-S", "-OO", "-X", f"pycache_prefix={CACHE}")
"""How the interpreter is started. Isolated, and without the texts that only people read in the standard library's sources:
half a megabyte of memory, for which it keeps bytecode of its own."""
SUBGROUP_SINCE = 254
"""The first systemd that knows DelegateSubgroup."""
TREE = "/sys/fs/cgroup/system.slice"

_AGENT = """\
[Unit]
Description=Agent of Tillerman: runs jobs on this server
# More can be taken away by a drop-in (systemctl edit ctl-agent) on a server whose jobs are known to need less.
# Names and addresses of controllers resolve from here on; a lost network later is the agent's own affair.
After=network-online.target{after}
Wants=network-online.target{wants}
# A server without its agent can't be helped from afar: never give up starting it.
StartLimitIntervalSec=0

[Service]
# "Started" means the program is there and could be executed.
Type=exec
# Isolated from PYTHON… variables, the working folder and packages of this server, and without docstrings, for its memory.
ExecStart={command}
# Where Python keeps bytecode of its own modules that has none.
CacheDirectory=ctl-agent
CacheDirectoryMode=0700
# Whatever ended it, a server has to be reached again; a moment later, so that what broke it can pass.
Restart=always
RestartSec=2s
# A stop takes as long as goodbyes do, or, told to drain, as long as what runs.
TimeoutStopSec={stop}

# Attempts outlive the agent: a stop, restart or upgrade of this unit signals the daemon alone, and their supervisors
# go on to drain output and record the end. "mixed" and "control-group" would kill every running job instead.
KillMode=process
# Memory that a job has too much of ends that job, not the agent.
OOMPolicy=continue
# When the whole machine has none left, the agent goes late; commands get 0 back before they start.
OOMScoreAdjust=-500
{delegation}
# Every attempt, its supervisor and its command count here; attempts have limits of their own.
TasksMax=infinity
# A few descriptors for each attempt and connection. The hard limit is the usual one, for jobs that raise theirs.
LimitNOFILE=16384:524288

# What it writes — its state, the output of jobs — is for root alone; a step has a umask of its own.
UMask=0077
# Memory of the agent, with secrets of jobs in it, is never written to a core file.
LimitCORE=0
# A keyring of its own, not root's.
KeyringMode=private
# Steps run as other users use sudo, su, ping and crontab as they do in a login; this would break them all. Steps
# become their user for good, all ids and groups at once, before they start.
NoNewPrivileges=no
# What no job of an administrator needs: to wake the machine or keep it awake, to account processes, to read the
# audit log of others.
CapabilityBoundingSet=~CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_SYS_PACCT CAP_AUDIT_READ
# System calls that are gone from the kernel or emulate old processors: only exploits ask for them.
SystemCallFilter=~@obsolete @cpu-emulation
SystemCallErrorNumber=ENOSYS
# Network protocols of the past, whose modules would be loaded at the first use.
RestrictAddressFamilies=~AF_APPLETALK AF_ATMPVC AF_AX25 AF_IPX AF_NETROM AF_ROSE AF_X25 AF_RDS AF_TIPC
# No change of the kernel's personality, which turns randomised addresses off.
LockPersonality=yes

[Install]
WantedBy=multi-user.target
"""
_DELEGATION = """\
# The agent may make cgroups below its own, one for each attempt, with limits of cpu, memory, io and pids.
Delegate=yes
# The daemon starts in a leaf beside them: the kernel lets no process into a folder whose branches have limits."""
_HOLDER = """\
[Unit]
Description=Holds the cgroups of attempts of the agent of Tillerman

[Service]
Type=exec
# Only holds the folder: steps into a leaf, for the kernel lets no process stay where branches have limits, and sleeps.
ExecStart=/bin/sh -c 'leaf=/sys/fs/cgroup$$(sed -n s/^0:://p /proc/self/cgroup)/agent; mkdir -p "$$leaf" && echo $$$$ >"$$leaf/cgroup.procs"; exec sleep infinity'
# One cgroup for each attempt is made here by the agent, with limits of cpu, memory, io and pids.
Delegate=yes
# Attempts do not end with their holder.
KillMode=process
# Nor does one that needs too much memory end the others; and the holder itself is never chosen.
OOMPolicy=continue
OOMScoreAdjust=-1000
# Every attempt, its supervisor and its command count here; attempts have limits of their own.
TasksMax=infinity

[Install]
WantedBy=multi-user.target
"""


def make_units(
    settings: Settings,
    *,
    systemd: int,
    python: str = PYTHON,
    program: str = PROGRAM,
    settings_file: str = "",
) -> Mapping[str, str]:
    """Write the units of an agent.

    Args:
        settings: what it runs with; whatever is not the default stands on its command line, unless a file says it.
        systemd: version of the one that will read them, e.g. 252.
        python: the interpreter, an absolute path.
        program: the packed agent, an absolute path.
        settings_file: holds all these settings but the folder of the second unit.

    Returns:
        text by file name, the agent's own first.

    Raises:
        SettingsError: a word can't stand in a unit.
    """
    held = systemd >= SUBGROUP_SINCE or bool(settings.cgroup)
    own = settings if held else replace(settings, cgroup=f"{TREE}/{HOLDER}")
    words = own.arguments()
    if settings_file:
        words = [
            f"--config={settings_file}",
            *(one for one in words if not held and one.startswith("--cgroup=")),
        ]
    beside = "" if held else f" {HOLDER}"
    text = _AGENT.format(
        after=beside,
        wants=beside,
        command=_command([python, *FLAGS, program, "run", *words]),
        stop="infinity" if settings.drain else "30s",
        delegation=f"{_DELEGATION}\nDelegateSubgroup=agent\n" if systemd >= SUBGROUP_SINCE else "",
    )
    return {UNIT: text} if held else {UNIT: text, HOLDER: _HOLDER}


def _command(words: Sequence[str]) -> str:
    try:
        return " ".join(map(quoted, words))
    except ValueError as error:
        raise SettingsError(str(error)) from None
