"""How this program was told to behave: one tree, resolved once, and the only reader of the environment.

Called by the faces at start; calls nobody. Flags come before the environment, the environment before the project's settings,
those before the person's (`~/.config/ctl/config.yaml`, parsed by `declaration`), those before the defaults.
"""

import os
import pwd
import socket
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

from controller.errors import UsageError

DEFAULT_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
"""Where programs are looked for when PATH is not set."""
LOCALTIME: Final = Path("/etc/localtime")
CONTEXTS: Final = "such as contexts: {prod: {url: https://ctl.example.com, token_file: ~/.ctl-token}}, or with certificate: FILE, key: FILE"
PATHS: Final = ("token_file", "ca", "certificate", "key")
"""What a context says besides its address."""
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"", "0", "false", "no", "off"})


class Color(StrEnum):
    """When to use colours."""

    AUTO = "auto"  # on a terminal that can show them
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A controller that the person's settings name: `contexts: {NAME: {url: URL, token_file: FILE, ca: FILE}}`.

    `ca` is trusted for it instead of this machine's own authorities. `certificate` and `key` are shown to it, and say who asks where
    there is no token.
    """

    url: str
    token_file: Path | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What to work on, and through whom."""

    directory: Path | None = None
    """Config repository; None: look upwards from the working directory. `-C`, CTL_DIR."""
    state: str | None = None
    """State folder or URL; None: `.ctl` in the config repository. `--state`, CTL_STATE."""
    controller: str | None = None
    """URL of a running controller to talk to. `--controller`, CTL_CONTROLLER."""
    context: str | None = None
    """Name of a controller and its token in the person's settings. CTL_CONTEXT, `context`."""
    contexts: Mapping[str, Context] = field(default_factory=dict)
    """All that the person's settings name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """Where the token for a controller comes from; its value is never shown."""

    value: str | None = field(default=None, repr=False)
    """The token itself. CTL_TOKEN."""
    file: Path | None = None
    """A file that holds it. CTL_TOKEN_FILE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """How to speak with the person."""

    color: Color = Color.AUTO
    """When to use colours. `--color`, CTL_COLOR; NO_COLOR and TERM=dumb mean never."""
    no_input: bool = False
    """Never ask; what would have been asked is refused. `--no-input`, CTL_NO_INPUT."""
    hints: bool = True
    """Say what could be done next. CTL_HINTS."""
    debug: bool = False
    """Show tracebacks. `--debug`, CTL_DEBUG."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who runs this, and where their own files are."""

    name: str
    """Login name."""
    host: str
    """Name of this machine."""
    home: Path
    """Home folder. HOME."""
    config: Path
    """Folder of their settings. XDG_CONFIG_HOME, default `~/.config`; ours is `ctl` inside."""
    cache: Path
    """Folder of what may be thrown away. XDG_CACHE_HOME, default `~/.cache`; ours is `ctl` inside."""
    ssh_agent: Path | None = None
    """Socket of their ssh agent, used only where a server says so. SSH_AUTH_SOCK."""
    path: str = DEFAULT_PATH
    """Where git and ssh are looked for. PATH."""
    timezone: str = "UTC"
    """Their zone, for times in sentences. TZ, else /etc/localtime."""

    @property
    def actor(self) -> str:
        """Who did it, as the logs and the locks write it."""
        return f"{self.name}@{self.host}"

    @property
    def settings_file(self) -> Path:
        """The person's own settings."""
        return self.config / "ctl" / "config.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """Who the person is towards agents. `--pki`, and `pki: {dir: DIR, name: NAME}` of their own file."""

    folder: Path = Path("/etc/ctl/pki")
    """Holds NAME.crt, NAME.key and ca.crt."""
    name: str | None = None
    """Whose certificate; None: the one that may act, a controller's before an admin's before a user's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole tree."""

    where: Where = field(default_factory=Where)
    token: Token = field(default_factory=Token)
    speech: Speech = field(default_factory=Speech)
    papers: Papers = field(default_factory=Papers)
    person: Person


def environment() -> Mapping[str, str]:
    """Read the environment of this process, once."""
    return dict(os.environ)


def actor(variables: Mapping[str, str]) -> str:
    """Say who acts, as user@host."""
    return person(variables).actor


def person(variables: Mapping[str, str]) -> Person:
    """Find out who runs this; a machine without a name for the user id still has the id."""
    home = Path(variables.get("HOME") or "~").expanduser()
    agent = variables.get("SSH_AUTH_SOCK")
    return Person(
        name=_login(variables),
        host=socket.gethostname() or "localhost",
        home=home,
        config=_absolute(variables.get("XDG_CONFIG_HOME"), home / ".config"),
        cache=_absolute(variables.get("XDG_CACHE_HOME"), home / ".cache"),
        ssh_agent=Path(agent) if agent else None,
        path=variables.get("PATH") or DEFAULT_PATH,
        timezone=_timezone(variables),
    )


def _timezone(variables: Mapping[str, str]) -> str:
    """Name the person's time zone, "UTC" where nobody knows it."""
    said = variables.get("TZ", "").removeprefix(":")
    if not said:
        try:
            said = str(LOCALTIME.readlink()).partition("zoneinfo/")[2]
        except OSError:
            said = ""  # a machine without a local time keeps UTC
    return said if said and said in _timezones() else "UTC"


@cache
def _timezones() -> frozenset[str]:
    """Read once which time zones there are: a walk over some hundred folders and files."""
    return frozenset(zoneinfo.available_timezones())


def resolve(
    variables: Mapping[str, str],
    *,
    flags: Mapping[str, object] | None = None,
    project: Mapping[str, object] | None = None,
    user: Mapping[str, object] | None = None,
) -> Settings:
    """Lay the sources over each other.

    Args:
        variables: the environment.
        flags: what the command line says, by name: directory, state, controller, context, color, no_input, hints, debug.
        project: what the config repository says, by the same names.
        user: what the person's own file says, by the same names.

    Raises:
        UsageError: a value is not one of those allowed, or a name is unknown.
    """
    told = _Told(flags or {}, _of_environment(variables), project or {}, user or {})
    directory = told.text("directory")
    token_file = variables.get("CTL_TOKEN_FILE")
    return Settings(
        where=Where(
            directory=None if directory is None else Path(directory).expanduser(),
            state=told.text("state"),
            controller=told.text("controller"),
            context=told.text("context"),
            contexts=_contexts(told.first("contexts"), person(variables).home),
        ),
        token=Token(
            value=variables.get("CTL_TOKEN") or None,
            file=Path(token_file).expanduser() if token_file else None,
        ),
        speech=Speech(
            color=_color(told, variables),
            no_input=told.truth("no_input", default=False),
            hints=told.truth("hints", default=True),
            debug=told.truth("debug", default=False),
        ),
        papers=_papers(told.first("pki"), person(variables).home),
        person=person(variables),
    )


def _papers(said: object, home: Path) -> Papers:
    """Read who the person is towards agents.

    Raises:
        UsageError: it is no mapping of dir and name.
    """
    if said is None:
        return Papers()
    if (
        not isinstance(said, Mapping)
        or not said.keys() <= {"dir", "name"}
        or not all(isinstance(one, str) and one for one in said.values())
    ):
        raise UsageError(
            f"cannot use pki {said!r}", hint="such as pki: {dir: /etc/ctl/pki, name: main}"
        )
    folder = said.get("dir")
    if folder is not None and folder.startswith("~/"):
        folder = str(home / folder[2:])
    return Papers(folder=Papers().folder if folder is None else Path(folder), name=said.get("name"))


def _contexts(said: object, home: Path) -> Mapping[str, Context]:
    """Read the controllers that a person knows by name.

    Raises:
        UsageError: one of them is no mapping of url, token_file, ca, certificate and key.
    """
    if said is None:
        return {}
    if not isinstance(said, Mapping):
        raise UsageError(f"cannot use contexts {said!r}", hint=CONTEXTS)
    return {str(name): _context(str(name), one, home) for name, one in said.items()}


def _context(name: str, said: object, home: Path) -> Context:
    if (
        not isinstance(said, Mapping)
        or not {"url"} <= said.keys() <= {"url", *PATHS}
        or not all(isinstance(one, str) and one for one in said.values())
        or ("certificate" in said) is not ("key" in said)
    ):
        raise UsageError(f"cannot use the context {name}: {said!r}", hint=CONTEXTS)
    paths = {key: home / said[key].removeprefix("~/") for key in PATHS if key in said}
    return Context(url=said["url"], **paths)


class _Told:
    """What the sources say, the nearest first; None means that a source says nothing."""

    NAMES = frozenset({
        "directory", "state", "controller", "context", "contexts", "color", "no_input", "hints", "debug",
        "pki",
    })  # fmt: skip

    def __init__(self, *sources: Mapping[str, object]) -> None:
        for source in sources:
            for name in source:
                if name not in self.NAMES:
                    raise UsageError(
                        f"cannot use the setting {name!r}: there is none of that name",
                        hint=f"known: {', '.join(sorted(self.NAMES))}",
                    )
        self._sources = sources

    def first(self, name: str) -> object:
        """Find the nearest value."""
        values = (source.get(name) for source in self._sources)
        return next((value for value in values if value is not None), None)

    def text(self, name: str) -> str | None:
        """Find a text; an empty one says nothing."""
        value = self.first(name)
        return str(value) if value not in {None, ""} else None

    def truth(self, name: str, *, default: bool) -> bool:
        """Find a yes or no."""
        value = self.first(name)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        word = str(value).strip().lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        raise UsageError(f"cannot read {name} = {word!r}: it is neither true nor false")


def _of_environment(variables: Mapping[str, str]) -> Mapping[str, object]:
    """Pick our variables; an empty one says nothing."""
    ours = {
        "directory": "CTL_DIR",
        "state": "CTL_STATE",
        "controller": "CTL_CONTROLLER",
        "context": "CTL_CONTEXT",
        "color": "CTL_COLOR",
        "no_input": "CTL_NO_INPUT",
        "hints": "CTL_HINTS",
        "debug": "CTL_DEBUG",
    }
    return {name: variables[key] for name, key in ours.items() if variables.get(key)}


def _color(told: _Told, variables: Mapping[str, str]) -> Color:
    """Choose colours: a wish wins over NO_COLOR (https://no-color.org) and a dumb terminal."""
    wish = told.text("color")
    if wish is None:
        plain = variables.get("NO_COLOR") or variables.get("TERM") == "dumb"
        return Color.NEVER if plain else Color.AUTO
    try:
        return Color(wish)
    except ValueError as error:
        raise UsageError(
            f"cannot use color {wish!r}", hint=f"one of: {', '.join(Color)}"
        ) from error


def _login(variables: Mapping[str, str]) -> str:
    """Name the user by the user id; USER can be set to anything and is only asked where the id has no name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return variables.get("USER") or f"uid-{os.geteuid()}"


def _absolute(value: str | None, default: Path) -> Path:
    """Take a folder; relative ones are to be ignored (XDG Base Directory Specification 0.8)."""
    return Path(value) if value and Path(value).is_absolute() else default
