"""A table of rows with keys that changes under a person's eyes without losing the place of the cursor.

Used by `screen`.
"""

from collections.abc import Sequence

from rich.text import Text
from textual.widgets import DataTable

from controller.cli.top.sights import Row


class Sheet(DataTable[Text]):
    """One of the three tables."""

    def __init__(self, columns: Sequence[str], *, id: str) -> None:  # noqa: A002  # Textual's word
        super().__init__(id=id, cursor_type="row", zebra_stripes=True)
        self._names = columns
        self._shown: dict[str, tuple[str, ...]] = {}

    def on_mount(self) -> None:
        """Write the heads."""
        for name in self._names:
            self.add_column(name, key=name)

    @property
    def chosen(self) -> str | None:
        """Give the key under the cursor."""
        keys = list(self._shown)
        return keys[self.cursor_row] if 0 <= self.cursor_row < len(keys) else None

    def display_rows(self, rows: Sequence[Row]) -> None:
        """Show these rows: only cells that differ are written while the order of keys is the same."""
        if [row.key for row in rows] == list(self._shown):
            self._update(rows)
        else:
            self._renew(rows)
        self._shown = {row.key: row.cells for row in rows}

    def _update(self, rows: Sequence[Row]) -> None:
        for row in rows:
            before = self._shown[row.key]
            for name, cell, old in zip(self._names, row.cells, before, strict=True):
                if cell != old:
                    self.update_cell(row.key, name, Text(cell), update_width=True)

    def _renew(self, rows: Sequence[Row]) -> None:
        chosen = self.chosen
        self.clear()
        for row in rows:
            self.add_row(*(Text(cell) for cell in row.cells), key=row.key)
        keys = [row.key for row in rows]
        if chosen in keys:
            self.move_cursor(row=keys.index(chosen))
