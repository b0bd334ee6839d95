"""What a look found: declarations, servers, repos, the config repository, host keys, this installation.

Made by `checking`, `trusting`, `health` and the facade, shown by the faces, which show text from outside through `safe_text`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from controller.errors import DeclarationError
from controller.model.declaration import Declaration
from controller.model.diagnostic import Diagnostic, Severity
from controller.model.ids import Sha
from controller.model.observation import RepoSeen, ServerSeen


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """All findings of one pass; `declaration` is None when one of them is an error."""

    diagnostics: tuple[Diagnostic, ...] = ()
    declaration: Declaration | None = None
    files: int = 0
    """How many files were read."""
    sources: Mapping[str, bytes] = field(default_factory=dict)
    """The bytes of every file a diagnostic names, for code frames."""


class InvalidDeclarationError(DeclarationError):
    """The declarations hold errors; all findings are told at once."""

    reference = "declarations-invalid"

    def __init__(self, diagnostics: tuple[Diagnostic, ...], sources: Mapping[str, bytes]) -> None:
        count = sum(1 for finding in diagnostics if finding.severity is Severity.ERROR)
        super().__init__(
            f"the declarations hold {count} error{'' if count == 1 else 's'}", hint="ctl validate"
        )
        self.diagnostics = diagnostics
        self.sources = sources


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCheck:
    """`ctl check server`: what was seen, and what `uptime` said there (empty when not reached)."""

    seen: ServerSeen
    exit_code: int | None = None
    output: bytes = b""
    took: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoCheck:
    """`ctl check repo`: what was fetched. `branches` maps names to commits."""

    seen: RepoSeen
    previous: Sha | None = None
    subject: str = ""
    author: str = ""
    branches: Mapping[str, Sha] = field(default_factory=dict)
    new_commits: int = 0
    signer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigCheck:
    """`ctl check config`: which commit is in force now and was before, and which is the newest that was let in.

    `error` says why the newest is not in force. `waiting`: nobody has looked in time; the wish stands.
    """

    in_force: Sha | None = None
    previous: Sha | None = None
    commit: Sha | None = None
    error: str | None = None
    error_code: str | None = None
    hint: str | None = None
    waiting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOffer:
    """A host key as a server shows it now, not trusted by that; `line` is the known_hosts line to be added."""

    name: str
    address: str
    port: int
    line: str
    fingerprint: str
    known: bool = False
    conflicts: bool = False
    """Another key of this type is already pinned for the name."""


class Verdict(StrEnum):
    """How a check of `ctl doctor` ended."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check of `ctl doctor`; `remedy` is a sentence or a command."""

    name: str
    verdict: Verdict
    message: str
    remedy: str | None = None
