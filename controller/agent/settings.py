"""How an agent was told to behave: its command line, its file, and the defaults, in this order. Never the environment.

The file has lines `name = value`, with the names of the command line; a line that begins with `#` is a remark. It decides
what root does, so only root and the agent's own user may be able to write it. All findings are told at once, each with
its place. `main` and the daemon call it; it calls `options` and `trust`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import cast

from controller.agent.errors import SettingsError
from controller.agent.options import BY_NAME, DAY, OPTIONS, Option
from controller.agent.trust import read_file
from controller.agent.values import Address, path
from controller.wire.record import record

FILE = "/etc/ctl/agent.conf"
MOST = 64 << 10
"""Bytes of the file."""
SHOWN = 100
Said = tuple[str, str, "str | None"]
"""Where something was said, the name of a setting, and its value; None is a name alone."""


@record
class Settings:
    """What `options` tells of; times are seconds."""

    listen: Address | None = None
    connect: Address | None = None
    proxy: Address | None = None
    name: str = ""
    pki: str = "/etc/ctl/pki"
    state: str = "/var/lib/ctl-agent"
    base: str = ""
    cgroup: str = ""
    scripts: str = ""
    scripts_only: bool = False
    scripts_from_controller: bool = False
    workers: int = 1
    keep: int = 2 * DAY
    disk: tuple[str, ...] = ("/",)
    drain: bool = False

    def arguments(self) -> list[str]:
        """Give the command line that reads as these settings, leaving out what is so anyway."""
        words: list[str] = []
        for option in OPTIONS:
            value = getattr(self, option.field)
            if value != getattr(USUAL, option.field):
                several = value if option.many else (value,)
                words += [f"--{option.name}={option.write(one)}" for one in several]
        return words


USUAL = Settings()


def load_settings(words: Sequence[str], *, usual: str = FILE) -> Settings:
    """Read the command line, and the file it names by `--config`.

    Args:
        words: name and value, in one word or two.
        usual: the file that is read where none is named; it may be missing.

    Raises:
        SettingsError: something asked for cannot be.
        FolderError: others could write the file.
    """
    said, findings = _read_words(words)
    files = [value for _, name, value in said if name == "config" and value]
    place = files[-1] if files else usual
    try:
        place = path(place)
        text = read_file(place, most=MOST).decode()
    except FileNotFoundError:
        if files:
            findings.append(f"--config: cannot read {place}: no such file")
        text = ""
    except UnicodeDecodeError as error:
        raise SettingsError(f"{place}: cannot read it: byte {error.start} is no UTF-8") from error
    except ValueError as error:
        raise SettingsError(f'--config: cannot use "{place[:SHOWN]}": {error}') from error
    found = _values(_read_lines(text, place, findings), findings)
    found.update(_values((one for one in said if one[1] != "config"), findings))
    _refuse(findings)
    return Settings(**found)  # type: ignore[arg-type]


def check_run(settings: Settings) -> None:
    """Refuse settings with which no daemon can run, though each alone is good.

    Raises:
        SettingsError: they do not go together.
    """
    findings = []
    if (settings.listen is None) == (settings.connect is None):
        findings.append(
            "cannot run: give exactly one of --listen HOST:PORT and --connect HOST:PORT"
        )
    if settings.proxy is not None and settings.connect is None:
        findings.append("cannot use --proxy: only --connect dials")
    if settings.scripts_only and not settings.scripts:
        findings.append("cannot use --scripts-only: --scripts DIR says which")
    if settings.scripts_from_controller and not settings.scripts_only:
        findings.append("cannot use --scripts-from-controller: it loosens --scripts-only")
    if settings.base == settings.state:
        findings.append(f"cannot use {settings.base} as --base and as --state: each needs its own")
    _refuse(findings)


def describe() -> str:
    """Tell every setting, a line each, for a help text."""
    heads = [f"--{one.name} {one.metavar}".rstrip() for one in OPTIONS]
    width = max(map(len, heads)) + 2
    lines = [f"  {head:<{width}}{one.help}" for head, one in zip(heads, OPTIONS)]
    return "\n".join(
        [*lines, f"  {'--config FILE':<{width}}lines `name = value`; {FILE} where there is one"]
    )


def _read_words(words: Sequence[str]) -> tuple[list[Said], list[str]]:
    said: list[Said] = []
    findings: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        name, equals, value = word[2:].partition("=")
        if not word.startswith("--") or not name:
            findings.append(f'cannot read "{word[:SHOWN]}": settings are --name VALUE')
        elif equals:
            said.append((f"--{name}", name, value))
        elif _alone(name) or not left or left[0].startswith("--"):
            said.append((f"--{name}", name, None))
        else:
            said.append((f"--{name}", name, left.pop(0)))
        if said and said[-1][1:] == ("config", None):
            findings.append("--config: needs a value: FILE")
    return said, findings


def _alone(name: str) -> bool:
    """Say whether a name takes no value beside it; of unknown ones that is not known."""
    return name in BY_NAME and not BY_NAME[name].metavar


def _read_lines(text: str, place: str, findings: list[str]) -> Iterator[Said]:
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        column = len(line) - len(line.lstrip()) + 1
        if equals:
            yield f"{place}:{number}:{column}", name.strip(), value.strip()
        else:
            findings.append(
                f'{place}:{number}:{column}: cannot read "{stripped[:SHOWN]}": lines are name = value'
            )


def _values(said: Iterable[Said], findings: list[str]) -> dict[str, object]:
    """Give the values by field, of those that are good."""
    found: dict[str, object] = {}
    for place, name, text in said:
        option = BY_NAME.get(name)
        if option is None:
            findings.append(
                f'{place}: cannot set "{name[:SHOWN]}": no such setting{_nearest(name)}'
            )
        elif option.field in found and not option.many:
            findings.append(f"{place}: cannot set {name} twice")
        else:
            _take(option, text, place, found, findings)
    return found


def _take(
    option: Option, text: str | None, place: str, found: dict[str, object], findings: list[str]
) -> None:
    if text is None and option.metavar:
        findings.append(f"{place}: needs a value: {option.metavar}")
        return
    try:
        value = option.read("yes" if text is None else text)
    except ValueError as error:
        findings.append(f'{place}: cannot use "{(text or "")[:SHOWN]}" as {option.name}: {error}')
        return
    if option.many:
        value = (*cast("tuple[object, ...]", found.get(option.field, ())), value)
    found[option.field] = value


def _nearest(name: str) -> str:
    import difflib  # noqa: PLC0415 — only a mistake needs it, and a daemon would keep it

    near = difflib.get_close_matches(name, [*BY_NAME, "config"], n=1)
    return f", did you mean {near[0]}?" if near else ""


def _refuse(findings: list[str]) -> None:
    if findings:
        shown = [
            line.encode("unicode_escape").decode() if not line.isprintable() else line
            for line in findings
        ]
        raise SettingsError("\n".join(shown), hint="ctl-agent.pyz --help names every setting")


if {option.field for option in OPTIONS} != {one.name for one in fields(Settings)}:
    raise AssertionError("the table of options and the settings have not the same names")
