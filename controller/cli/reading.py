"""Declarations read straight from the work tree, for verbs that need no state and no server."""

from controller.cli.context import Invocation
from controller.declaration.loader import load
from controller.errors import DeclarationError
from controller.model.declaration import Declaration
from controller.model.diagnostic import Severity
from controller.source.config import ConfigRepo, find


def declared(ctl: Invocation) -> Declaration:
    """Read what the work tree declares.

    Raises:
        NotFoundError: there is no config repository here.
        DeclarationError: it is not valid; the first finding is named.
    """
    loaded = load(ConfigRepo(find(ctl.directory)).work_tree())
    if loaded.declaration is not None:
        return loaded.declaration
    errors = [d for d in loaded.diagnostics if d.severity is Severity.ERROR]
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    raise DeclarationError(f"{first.place}: {first.message}{more}", hint="ctl validate")
