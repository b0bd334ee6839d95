"""The door of `ctl-agent.pyz`: what a person at the server can ask of it.

`__main__` calls it; it calls `daemon`, `settings`, `scripts`, `host` and `compiling`. What scripts say of themselves is shown with every character
that a terminal would obey written out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from controller import __version__
from controller.agent.errors import AgentError, SettingsError
from controller.agent.host import Host
from controller.agent.scripts import Scripts
from controller.agent.settings import Settings, check_run, describe, load_settings
from controller.agent.shown import shown
from controller.wire.messages.server import Script

FAILED, WRONG_USAGE = 1, 64
SHORT = 12
HELP = {"--help", "-h"}
USAGE = """\
usage: ctl-agent.pyz run --listen HOST:PORT | --connect HOST:PORT [SETTINGS]
       ctl-agent.pyz enroll --connect HOST:PORT --name NAME --ca-pin PIN --token TOKEN | --token-file FILE [SETTINGS]
       ctl-agent.pyz install [--dry-run] [--no-start] [SETTINGS]
       ctl-agent.pyz scripts list [SETTINGS]
       ctl-agent.pyz scripts inspect NAME [SETTINGS]
       ctl-agent.pyz host [SETTINGS]
       ctl-agent.pyz compile FILE
       ctl-agent.pyz --version | --help

enroll makes a key here and gets its certificate; --token-file - reads the token from standard input. install writes settings and
unit and starts it. scripts tells what is offered here, host how the machine does; compile writes itself with bytecode for this Python.
"""


def main(words: Sequence[str]) -> int:
    """Do what is asked; give the exit code."""
    try:
        if words[:1] == ["run"] and not HELP & set(words):
            return _run(list(words[1:]))
        for line in _answer(list(words)):
            print(line)
        sys.stdout.flush()
    except SettingsError as error:
        return _complain(error, WRONG_USAGE)
    except AgentError as error:
        return _complain(error, FAILED)
    except BrokenPipeError:
        # Whoever read has enough; the interpreter would flush once more at its end, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return 0


def _run(words: list[str]) -> int:
    from controller.agent.answering import Answers  # a look at scripts needs no daemon
    from controller.agent.daemon import run
    from controller.agent.machine import groups_of

    settings = load_settings(words)
    check_run(settings)
    return run(settings, Answers(settings, groups=groups_of(settings)))


def _answer(words: list[str]) -> Iterator[str]:
    if words == ["--version"]:
        return iter([f"ctl-agent {__version__}"])
    if HELP & set(words):
        return iter([f"{USAGE}\nSettings:", describe()])
    for name, verb in VERBS.items():
        parts = name.split()
        if words[: len(parts)] == parts:
            return verb(words[len(parts) :])
    asked = " ".join(words[:2])[:100]
    raise SettingsError(f'cannot do "{shown(asked)}": no such verb', hint=USAGE.rstrip())


def _list(words: list[str]) -> Iterator[str]:
    scripts = _scripts(load_settings(words))
    more, after = True, ""
    while more:
        page = scripts.page(after)
        for one in page.scripts:
            yield shown(_line(one))
            after = one.name
        more = page.more


def _inspect(words: list[str]) -> Iterator[str]:
    if not words or words[0].startswith("-"):
        raise SettingsError("cannot inspect: say which script", hint=USAGE.rstrip())
    one = _scripts(load_settings(words[1:])).inspect(words[0])
    yield f"sha256: {one.script.sha256}"
    yield from (shown(f"{name}: {value}") for name, value in sorted(one.headers.items()))
    yield ""
    for line in one.text.decode("utf-8", "backslashreplace").splitlines():
        yield shown(line.replace("\t", "    "))


def _host(words: list[str]) -> Iterator[str]:
    seen = Host(load_settings(words).disk).look()
    state = seen.state
    yield f"cpu: {state.cpu:.0%} of {state.processors} since the boot"
    yield f"memory: {state.memory_used >> 20} of {state.memory_total >> 20} MiB"
    for path, disk in seen.disks.items():
        yield f"disk {shown(path)}: {disk.used >> 20} of {disk.total >> 20} MiB"
    yield "load: " + " ".join(f"{load:.2f}" for load in state.load)
    yield f"uptime: {state.uptime:.0f} s"
    yield f"boot: {shown(seen.boot_id)}"
    yield from (f"missing: {shown(line)}" for line in seen.missing)


def _compile(words: list[str]) -> Iterator[str]:
    from controller.agent.compiling import compile_agent  # no other start needs what it needs

    if len(words) != 1:
        raise SettingsError("cannot compile: say into which file", hint=USAGE.rstrip())
    packed, out = Path(__file__).parents[2], Path(words[0])
    if not packed.is_file():
        raise AgentError(f"cannot compile {packed}: it is no packed agent")
    fresh = out.with_name(f".{out.name}.new")
    try:
        fresh.write_bytes(compile_agent(packed.read_bytes()))
        fresh.chmod(0o755)
        fresh.replace(out)
    except OSError as error:
        raise AgentError(f"cannot write {out}: {error.strerror}") from error
    yield f"{out}: {out.stat().st_size} bytes, compiled for Python {sys.version.split()[0]}"


def _enroll(words: list[str]) -> Iterator[str]:
    from controller.agent.enrolling import enroll_here

    return enroll_here(words)


def _install(words: list[str]) -> Iterator[str]:
    from controller.agent.installing import install_here

    return install_here(words)


VERBS: Mapping[str, Callable[[list[str]], Iterator[str]]] = {
    "scripts list": _list,
    "scripts inspect": _inspect,
    "host": _host,
    "enroll": _enroll,
    "install": _install,
    "compile": _compile,
}


def _scripts(settings: Settings) -> Scripts:
    if not settings.scripts:
        raise SettingsError("cannot say which scripts are offered: --scripts DIR is not set")
    return Scripts(settings.scripts)


def _line(one: Script) -> str:
    if one.problem:
        return f"{one.name:<24}  refused: it {one.problem}"
    return f"{one.name:<24}  {one.result:<6}  {one.sha256[:SHORT]}  {one.title}".rstrip()


def _complain(error: AgentError, code: int) -> int:
    print(f"ctl-agent: {error.message}", file=sys.stderr)
    if error.hint:
        print(error.hint, file=sys.stderr)
    return code
