"""`ctl import ssh-config`: an ssh configuration as declared servers.

Called by the command line. A host without wildcards becomes a server, with what ssh itself would take for it: of all
blocks that match, the first that says a word wins. What has no word of ours becomes a comment. Nothing is included,
resolved or run.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import translate
from functools import lru_cache
from typing import Final

from controller.declaration.import_text import comment, entry, flow, scalar
from controller.declaration.imported import Imported, Logins, slug
from controller.model.diagnostic import Diagnostic, Place, Severity
from controller.model.ids import HOST_NAME
from controller.model.inventory import Ssh

MAX_BYTES: Final = 1 << 20
MAX_HOSTS: Final = 2_000
_LINE: Final = re.compile(r"\s*([A-Za-z0-9]+)(?:\s*=\s*|\s+)(.*?)\s*")
_KNOWN: Final = frozenset({"hostname", "user", "port", "identityfile", "proxyjump"})
_JUMP: Final = re.compile(
    r"(?:ssh://)?(?:[^@\s]+@)?(\[[^\]]+\]|[^:@\s/]+|[0-9A-Fa-f:]+)(?::\d+)?/?"
)
_HIGHEST_PORT: Final = 65535


@dataclass(slots=True, kw_only=True)
class _Word:
    """One line: a keyword and its value."""

    name: str
    value: str
    line: int


@dataclass(slots=True, kw_only=True)
class _Block:
    """What is said for the hosts that match; `patterns` is None for a condition that only ssh can judge."""

    patterns: tuple[str, ...] | None
    line: int
    words: list[_Word] = field(default_factory=list)

    def matches(self, alias: str) -> bool:
        """Say whether the block holds for a host."""
        if self.patterns is None:
            return False
        negated = any(_glob(item[1:], alias) for item in self.patterns if item.startswith("!"))
        return not negated and any(
            _glob(item, alias) for item in self.patterns if not item.startswith("!")
        )

    @property
    def aliases(self) -> tuple[str, ...]:
        """Give the hosts it names outright."""
        return tuple(item for item in self.patterns or () if not set("*?!") & set(item))


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of ssh, which knows `*` and `?` alone."""
    return re.compile(translate(re.sub(r"\*+", "*", pattern).replace("[", "[[]")), re.IGNORECASE)


def _glob(pattern: str, alias: str) -> bool:
    return _expression(pattern).fullmatch(alias) is not None


def import_ssh_config(text: str, path: str) -> Imported:
    """Write the hosts of an ssh configuration as declared servers.

    Args:
        text: the configuration.
        path: where it was read, for messages and for the name of the file.
    """
    if len(text) > MAX_BYTES:
        message = f"cannot read an ssh configuration of more than {MAX_BYTES} characters"
        return Imported(
            diagnostics=(Diagnostic(code="too-large", message=message, place=Place(file=path)),)
        )
    writer = _Writer(path)
    blocks = list(writer.blocks(text))
    lines = writer.file(blocks)
    return Imported(
        files={f"inventory/{slug(path.rsplit('/', 1)[-1])}.yaml": "\n".join(lines) + "\n"},
        diagnostics=tuple(writer.diagnostics),
    )


class _Writer:
    """Reads the blocks of one configuration and writes its servers."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.diagnostics: list[Diagnostic] = []
        self.logins = Logins()

    def blocks(self, text: str) -> Iterator[_Block]:
        """Cut a configuration into blocks; what stands before the first holds for every host."""
        block = _Block(patterns=("*",), line=1)
        for number, line in enumerate(text.split("\n"), start=1):
            match = _LINE.fullmatch(line)
            if not match:
                if line.strip() and not line.lstrip().startswith("#"):
                    self.say(f"the line {line.strip()[:80]!r}", number)
                continue
            name, value = match[1].lower(), match[2]
            if name in {"host", "match"}:
                yield block
                block = _Block(patterns=self._patterns(name, value, number), line=number)
            else:
                block.words.append(_Word(name=name, value=value, line=number))
        yield block

    def _patterns(self, name: str, value: str, line: int) -> tuple[str, ...] | None:
        words = tuple(self._split(value, line))
        if name == "host":
            return words
        if [word.lower() for word in words] == ["all"]:
            return ("*",)
        self.say(f"the condition Match {value[:80]!r}", line)
        return None

    def _split(self, value: str, line: int) -> list[str]:
        try:
            return shlex.split(value, comments=True, posix=True)
        except ValueError:
            self.say(f"the value {value[:80]!r}", line)
            return []

    def say(self, what: str, line: int) -> None:
        """Keep a remark about something that is left out."""
        self.diagnostics.append(
            Diagnostic(
                severity=Severity.WARNING,
                code="not-translated",
                message=f"cannot translate {what}",
                place=Place(file=self.path, line=line),
            )
        )

    def file(self, blocks: list[_Block]) -> list[str]:
        """Write the whole file."""
        aliases: dict[str, int] = {}
        for block in blocks:
            for alias in block.aliases:
                aliases.setdefault(alias, block.line)
        for alias, line in list(aliases.items())[MAX_HOSTS:]:
            self.say(f"the host {alias[:80]!r}: more than {MAX_HOSTS}", line)
            del aliases[alias]
        servers: list[str] = []
        for alias, line in aliases.items():
            if HOST_NAME.fullmatch(alias):
                servers += self._server(alias, blocks, aliases)
            else:
                self.say(f"the host {alias[:80]!r}: not a name a server can have", line)
        shared = [word for block in blocks if not block.aliases for word in block.words]
        secrets = {name: {"file": file} for file, name in self.logins.secrets.items()}
        return [
            comment(f"From the ssh configuration {self.path}."),
            *self._unknown(shared, 0),
            *(["", *entry("secrets:", secrets, 0)] if secrets else []),
            *(["", "servers:", *servers] if servers else []),
        ]

    def _unknown(self, words: list[_Word], indent: int) -> list[str]:
        """Write a comment for each word that we have no word for."""
        return [
            comment(f"not translated: {word.name} {word.value} (line {word.line})", indent)
            for word in words
            if word.name not in _KNOWN
        ]

    def _server(self, alias: str, blocks: list[_Block], aliases: Mapping[str, int]) -> list[str]:
        said: dict[str, _Word] = {}
        lines: list[str] = []
        for block in blocks:
            if not block.matches(alias):
                continue
            for word in block.words:
                said.setdefault(word.name, word)
            if alias in block.aliases:
                lines += self._unknown(block.words, 4)
        address = self._address(alias, said.get("hostname"))
        ssh = self._ssh(alias, said, aliases)
        login, left = self.logins.ssh(ssh, aliases)
        for what in left:
            self.say(f"{what} of {alias}", aliases[alias])
            lines.append(comment(f"not translated: {what}", 4))
        body = [f"    address: {flow(address)}"] if address != alias else []
        body += [f"    ssh: {flow(login)}"] if login else []
        head = entry(f"{scalar(alias)}:", {}, 2)[0]
        return [head.removesuffix(" {}") if body else head, *lines, *body]

    def _value(self, word: _Word | None) -> str | None:
        words = self._split(word.value, word.line) if word else []
        return words[0] if words else None

    def _address(self, alias: str, word: _Word | None) -> str:
        value = self._value(word)
        if word is None or value is None:
            return alias
        address = value.replace("%%", "\0").replace("%h", alias).replace("\0", "%")
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.:%-]{0,254}|[0-9A-Fa-f:]{2,39}", address):
            self.say(f"the host name {value[:80]!r}", word.line)
            return alias
        return address

    def _ssh(self, alias: str, said: Mapping[str, _Word], aliases: Mapping[str, int]) -> Ssh:
        port, key = self._value(said.get("port")), self._value(said.get("identityfile"))
        number = int(port) if port and port.isascii() and port.isdigit() and len(port) < 6 else 0  # noqa: PLR2004
        if port is not None and not 1 <= number <= _HIGHEST_PORT:
            self.say(f"the port {port[:20]!r}", said["port"].line)
            number = 0
        return Ssh(
            user=self._value(said.get("user")),
            port=number or Ssh().port,
            key_file=None if key is None or key.lower() == "none" else key,
            jump=self._jump(alias, said.get("proxyjump"), aliases),
        )

    def _jump(self, alias: str, word: _Word | None, aliases: Mapping[str, int]) -> str | None:
        value = self._value(word)
        if word is None or value is None or value.lower() == "none":
            return None
        *before, last = value.split(",")
        match = _JUMP.fullmatch(last.strip())
        name = match[1].strip("[]") if match else last
        if before:
            self.say(f"the hosts before {name} in the jump of {alias}: let {name} jump", word.line)
        if name == alias:
            return None  # `Host *` with a jump through one of its own hosts
        return (
            name if name in aliases and HOST_NAME.fullmatch(name) else f"{name[:80]}, no host here"
        )
