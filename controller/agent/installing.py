"""Installing the agent on the machine this runs on: the packed agent, its file of settings, its units, and their start.

`main` calls it (`ctl-agent.pyz install`, `ctl agent install`), and `errands` where a controller installs from afar. Whoever
installs again upgrades: what is so already is left alone, jobs that run go on.
"""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from controller.agent import systemd
from controller.agent.compiling import compile_agent
from controller.agent.errors import InstallError, SettingsError
from controller.agent.options import OPTIONS
from controller.agent.packing import pack_agent
from controller.agent.settings import FILE, USUAL, Settings, check_run, load_settings
from controller.agent.systemd import Systemd, find_systemd
from controller.agent.unit import FLAGS, HOLDER, PROGRAM, PYTHON, UNIT, make_units
from controller.agent.writing import File, write_file
from controller.wire.record import record

UNITS = "/etc/systemd/system"
NEW_ENOUGH = "import sys; sys.exit(sys.version_info < (3, 9))"
WARM_UP = "import sys; sys.path.insert(0, sys.argv[1]); import controller.agent.answering, controller.agent.daemon"
"""Has Python write down the bytecode of what the daemon loads, so that its first start is like all others."""
PATIENCE = 30.0
DRY_RUN = "--dry-run"
SWITCHES = (DRY_RUN, "--no-start")
NO_FILE = "/nonexistent/agent.conf"
ASSUMED = 254
"""The systemd that units are shown for where there is none."""
HEAD = "# Settings of the agent; ctl-agent.pyz --help tells all. systemctl restart ctl-agent makes them hold.\n"


@record
class Wish:
    """How the agent shall be installed.

    Attributes:
        words: settings, as on its command line; where the file of settings says the same, it stays as it is.
        usual: further words, where neither `words` nor the file say how to be reached.
        python: the interpreter that will run it.
        start: start it as well.
    """

    words: tuple[str, ...] = ()
    usual: tuple[str, ...] = ()
    python: str = PYTHON
    start: bool = True


@record
class Outlook:
    """What an installation comes to: the settings, the interpreter, every file, and the units in the order of their start."""

    settings: Settings
    python: str
    files: tuple[File, ...]
    units: tuple[str, ...]


def install_here(words: Sequence[str]) -> Iterator[str]:
    """Install the agent on this machine as words say; tells each step, or with `--dry-run` each file.

    Raises:
        InstallError: it cannot run here; nothing was written.
        SettingsError: with these settings no agent can run.
    """
    flags = {word for word in words if word in SWITCHES}
    rest = tuple(word for word in words if word not in SWITCHES)
    if any(word.partition("=")[0] == "--config" for word in rest):
        raise SettingsError("cannot install with --config", hint=f"the unit reads {FILE}")
    wish = Wish(words=rest, start="--no-start" not in flags, python=find_python())
    found = find_systemd()
    if DRY_RUN in flags:
        return _told(look_ahead(wish, found, b""))
    check_here(found, start=wish.start)
    own = os.path.realpath(sys.executable) == os.path.realpath(wish.python)
    outlook = look_ahead(wish, found, packed_program(compile_too=own))
    return _installed(outlook, start=wish.start)


def look_ahead(wish: Wish, found: Systemd, program: bytes, *, file: str = FILE) -> Outlook:
    """Say what an installation would write, without writing.

    Args:
        wish: how.
        found: the systemd that will read the units.
        program: the packed agent.
        file: where its settings lie.

    Raises:
        SettingsError: with these settings no agent can run.
        FolderError: others could write the file of settings.
    """
    words = list(wish.words)
    settings = load_settings(words, usual=file)
    if settings.listen is None and settings.connect is None:
        words += wish.usual
        settings = load_settings(words, usual=file)
    if settings.listen is not None and settings.connect is not None:
        settings = _one_way(words, settings)
    check_run(settings)
    units = make_units(
        settings, systemd=found.version or ASSUMED, python=wish.python, settings_file=file
    )
    files = [File(path=PROGRAM, mode=0o755, content=program)]
    if not os.path.lexists(file) or load_settings([], usual=file) != settings:
        files.append(File(path=file, mode=0o644, content=settings_text(settings).encode()))
    files += [
        File(path=f"{UNITS}/{name}", mode=0o644, content=text.encode())
        for name, text in units.items()
    ]
    return Outlook(
        settings=settings, python=wish.python, files=tuple(files), units=tuple(sorted(units))
    )


def install(outlook: Outlook, *, start: bool) -> Iterator[str]:
    """Write what is not there yet, and have systemd run it; tells each step.

    Whoever runs already reads new certificates by itself, and is started again only where its program or settings change.

    Args:
        outlook: what is written.
        start: start it as well, or only at the next boot.

    Raises:
        FolderError: something cannot be written.
        InstallError: systemd does not start it, or it does not stay up.
    """
    changed = False
    for file in outlook.files:
        written = write_file(file)
        changed = changed or written
        yield f"{'wrote' if written else 'found'} {file.path}"
    if not start:
        return
    warm_up([outlook.python, *FLAGS], PROGRAM)
    systemd.enable(outlook.units)
    yield f"enabled {' '.join(outlook.units)}"
    if HOLDER in outlook.units:
        systemd.start(HOLDER)
    if changed or not systemd.is_active(UNIT):
        systemd.restart(UNIT)
        systemd.watch(UNIT)
        yield f"started {UNIT}"
    else:
        yield f"found {UNIT} running"


def check_here(found: Systemd, *, start: bool) -> None:
    """Refuse a machine on which nothing could be installed, before anything is written.

    Raises:
        InstallError: it is one.
    """
    if os.geteuid() != 0:
        raise InstallError("cannot install: only root can", hint="run it as root, or by sudo")
    if start and not found.runs:
        raise InstallError(
            "cannot install: systemd does not run this machine",
            hint="--no-start writes the files; have what runs the machine start: "
            f"{PYTHON} {' '.join(FLAGS)} {PROGRAM} run",
        )


def find_python() -> str:
    """Give the interpreter that will run the agent: the system's own, else the one this runs by.

    Raises:
        InstallError: neither is new enough, or there.
    """
    for one in (PYTHON, sys.executable):
        try:
            done = subprocess.run(
                [one, "-I", "-S", "-c", NEW_ENOUGH],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=PATIENCE,
            )
        except (OSError, subprocess.SubprocessError):
            continue  # it is not there, or does not run
        if done.returncode == 0:
            return one
    raise InstallError(f"cannot install: {PYTHON} is not Python 3.9 or newer")


def warm_up(command: Sequence[str], program: str) -> None:
    """Load once what the daemon loads; without it the first start takes a little longer, and nothing else.

    Args:
        command: the interpreter, and how it is started.
        program: the packed agent.
    """
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            [*command, "-c", WARM_UP, program],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=PATIENCE,
        )


def packed_program(*, compile_too: bool) -> bytes:
    """Give the packed agent: the one this runs from, or one made from the sources it runs from.

    Args:
        compile_too: add bytecode of the interpreter this runs by.
    """
    above = sys.modules[__name__].__spec__
    archive = getattr(getattr(above, "loader", None), "archive", None)
    packed = pack_agent() if archive is None else Path(archive).read_bytes()
    return compile_agent(packed) if compile_too else packed


def _told(outlook: Outlook) -> Iterator[str]:
    for file in outlook.files:
        yield f"{stat.filemode(stat.S_IFREG | file.mode)}  {file.path}"
        if file.path != PROGRAM:
            yield from (f"    {line}".rstrip() for line in file.content.decode().splitlines())


def _installed(outlook: Outlook, *, start: bool) -> Iterator[str]:
    """Install, but start only who has a certificate: without one a daemon would end at once, again and again."""
    settings = outlook.settings
    ready = any(Path(settings.pki).glob(f"{settings.name or '*'}.key"))
    yield from install(outlook, start=start and ready)
    if start and not ready:
        systemd.enable(outlook.units)
        yield f"enabled {' '.join(outlook.units)}"
        yield f"next: ctl-agent.pyz enroll, then systemctl start {UNIT}: {settings.pki} has no key yet"


def settings_text(settings: Settings) -> str:
    """Write settings as the file that reads as them, leaving out what is so anyway."""
    lines = [HEAD]
    for option in OPTIONS:
        value = getattr(settings, option.field)
        if value != getattr(USUAL, option.field):
            several = value if option.many else (value,)
            lines += [f"{option.name} = {option.write(one)}\n" for one in several]
    return "".join(lines)


def _one_way(words: Sequence[str], settings: Settings) -> Settings:
    """Let words that say how to be reached win over a file that says the other way."""
    said = load_settings(words, usual=NO_FILE)
    if (said.listen is None) == (said.connect is None):
        return settings  # `check_run` tells of it
    return replace(
        settings,
        listen=said.listen,
        connect=said.connect,
        proxy=settings.proxy if said.connect else None,
    )
