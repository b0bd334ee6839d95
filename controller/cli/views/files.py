"""Files of jobs for people and programs: listed, and as they were moved."""

from collections.abc import Mapping, Sequence

from controller.cli.views.style import Style
from controller.cli.views.tables import table
from controller.reconcile.exchange.answers import Moved


def files_table(sizes: Mapping[str, int], style: Style) -> str:
    """List files with their sizes."""
    return table(("NAME", "BYTES"), [(name, str(size)) for name, size in sizes.items()], style)


def files_document(sizes: Mapping[str, int]) -> list[dict[str, object]]:
    """Give files with their sizes as a document."""
    return [{"name": name, "size": size} for name, size in sizes.items()]


def moved_table(moved: Sequence[Moved], style: Style) -> str:
    """Say what was moved, with its SHA-256."""
    rows = [(str(one.size), one.sha256, str(one.path)) for one in moved]
    return table(("BYTES", "SHA-256", "PATH"), rows, style)


def moved_document(moved: Sequence[Moved]) -> list[dict[str, object]]:
    """Give what was moved as a document."""
    return [
        {
            "name": one.name,
            "path": str(one.path),
            "size": one.size,
            "sha256": one.sha256,
            "resumed_at": one.resumed,
        }
        for one in moved
    ]
