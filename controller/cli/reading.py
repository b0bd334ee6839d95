"""Declarations read straight from the work tree, for verbs that need no state and no server.

Where there is a state, its cache of parsed files is used; a state is never made for that.
"""

from pathlib import Path

from controller.cli.context import Invocation
from controller.declaration.loader import load
from controller.errors import DeclarationError
from controller.model.declaration import Declaration
from controller.model.diagnostic import Severity
from controller.source.config import ConfigRepo
from controller.source.place import find
from controller.store.folder import CACHE_FILE, STATE_FOLDER, folder_of, is_shared, shared_folder
from controller.store.forms import FormsCache


def declared(ctl: Invocation) -> Declaration:
    """Read what the work tree declares.

    Raises:
        NotFoundError: there is no config repository here.
        DeclarationError: it is not valid; the first finding is named.
    """
    root = find(ctl.directory)
    loaded = load(ConfigRepo(root).work_tree(), forms=_forms(ctl, root))
    if loaded.declaration is not None:
        return loaded.declaration
    errors = [d for d in loaded.diagnostics if d.severity is Severity.ERROR]
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    raise DeclarationError(f"{first.place}: {first.message}{more}", hint="ctl validate")


def _forms(ctl: Invocation, root: Path) -> FormsCache | None:
    state = ctl.settings.where.state
    if is_shared(state):
        folder = shared_folder(ctl.surroundings.environment, ctl.settings.person.home)
    else:
        folder = folder_of(state) if state else root / STATE_FOLDER
    return FormsCache(folder / CACHE_FILE) if folder.is_dir() else None
