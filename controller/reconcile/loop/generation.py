"""The declarations in force, and the newest that were refused.

Held by `World`, changed by the reconciler of `config` alone. A generation is what a walk has seen after its first steps: a declaration,
its files, and the way to what it names.
"""

from dataclasses import dataclass
from datetime import datetime

from controller.model.declaration import Declaration
from controller.model.diagnostic import Diagnostic
from controller.model.ids import Sha
from controller.model.revision import Revision
from controller.reconcile.rooms import Reach
from controller.reconcile.walk.seen import Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """Declarations that are carried out; `seen` is what `LOOK` saw of them, `at` is since when they are in force.

    `refused` are findings that take single targets, servers or repos out of force, because this controller does not allow what
    they ask of its own machine.
    """

    seen: Seen
    revision: Revision
    at: datetime
    refused: tuple[Diagnostic, ...] = ()

    @property
    def declaration(self) -> Declaration:
        """What is declared."""
        return self.seen.declaration

    @property
    def reach(self) -> Reach:
        """The way to everything that is declared."""
        if self.seen.reach is None:
            raise ValueError("a generation is made of loaded declarations")
        return self.seen.reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalid:
    """The newest revision, refused: why, since when, and (None) by which commit, where one could be read at all."""

    sha: Sha | None
    at: datetime
    message: str
    diagnostics: tuple[Diagnostic, ...] = ()
