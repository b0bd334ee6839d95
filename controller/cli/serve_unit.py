"""The options of `ctl serve` as words again, and the systemd unit that says them.

Used by `serve` for `--print-unit`. Calls the writer of units in `service`.
"""

import shutil
import sys
from pathlib import Path
from typing import Final

from controller.service.options import ServeOptions
from controller.service.unit import make_unit
from controller.store.folder import folder_of, is_shared

HIDDEN: Final = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))  # noqa: S108 - what a unit does not see
"""Folders that `ProtectHome=` and `PrivateTmp=` of the unit hide (systemd.exec(5))."""
ALL: Final = "all"
"""The role of a controller that is every part at once."""


def unit_of(options: ServeOptions, role: str) -> str:
    """Write the unit of a controller that is told exactly this."""
    places = (options.doors.api, options.doors.agents)
    return make_unit(
        ("serve", *words_of(options, role)),
        program=str(program_of(options)),
        name="ctl" if role == ALL else f"ctl-{role}",
        role=role,
        ports=[place.port for place in places if place is not None],
        local=_is_local(options),
        credentials=credentials_of(options),
    ).rstrip("\n")


def program_of(options: ServeOptions) -> Path:
    """Find `ctl` as whoever asks would start it."""
    found = shutil.which("ctl", path=options.variables.get("PATH")) or sys.argv[0]
    return Path(found).absolute()


def unseen(options: ServeOptions, role: str) -> list[str]:
    """List what the unit names, or needs to start, and will not see: it lies in a home or among temporary files."""
    if _is_local(options):
        return []
    handed = set(map(str, credentials_of(options).values()))  # systemd itself reads these
    words = [word for word in words_of(options, role) if word not in handed]
    needed = (program_of(options), Path(sys.executable), *map(Path, words))
    ends = (end for one in needed if one.is_absolute() for end in (one, one.resolve()))
    hidden = (end for end in ends if any(map(end.is_relative_to, HIDDEN)))
    return list(dict.fromkeys(map(str, hidden)))


def _is_local(options: ServeOptions) -> bool:
    """Say whether jobs may run on this machine; then nothing of it is hidden."""
    return "local" in (options.allow or "").split(",")


def credentials_of(options: ServeOptions) -> dict[str, Path]:
    """Name the files that hold secrets: the unit's own user cannot read what root keeps to itself."""
    files = {
        "config-key": options.source.key,
        "config-token": options.source.token_file,
        "age-key": options.age_key,
        "tls-key": options.doors.key,
    }
    return {name: path for name, path in files.items() if path is not None}


def words_of(options: ServeOptions, role: str) -> list[str]:
    """Write options as words of a command line that mean the same from anywhere."""
    source, doors = options.source, options.doors
    said: dict[str, object] = {
        "-C": None if source.url else (source.directory or Path.cwd()).absolute(),
        "--state": None if options.state is None else _state(options.state),
        "--config-repo": source.url,
        "--branch": source.branch,
        "--config-key": source.key,
        "--config-token-file": source.token_file,
        "--config-known-hosts": source.known_hosts,
        "--config-verify": source.verify,
        "--listen": doors.api,
        "--agent-listen": doors.agents,
        "--tls-cert": doors.certificate,
        "--tls-key": doors.key,
        "--anonymous": doors.anonymous,
        "--role": None if role == ALL else role,
        "--allow": options.allow,
        "--age-key": options.age_key,
        "--pki": options.papers.folder,
        "--parallel": options.parallel,
    }
    words = [
        word for name, value in said.items() if value is not None for word in (name, str(value))
    ]
    for origin in doors.origins:
        words += ["--origin", origin]
    for network in doors.proxies:
        words += ["--proxy", str(network)]
    switches = {"--drain": options.drain, "--debug": doors.debug}
    return [*words, *(name for name, on in switches.items() if on)]


def _state(said: str) -> str:
    """Write where the state is so that it means the same from anywhere."""
    return said if is_shared(said) else str(folder_of(said).absolute())
