"""Tables: columns under capitals, two spaces apart, nothing cut off in a pipe."""

from collections.abc import Sequence

from controller.cli.views.style import Ink, Style
from controller.cli.views.words import line


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], style: Style, *, width: int | None = None
) -> str:
    """Lay out rows of text from anywhere.

    Args:
        heads: the names of the columns.
        rows: the cells, as many as heads; they are made safe here.
        style: what the stream can show.
        width: columns of the terminal; the last column is cut to fit. None: nothing is cut.
    """
    cells = [[line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    lines = [style.paint(_row(heads, widths, width), Ink.STRONG)]
    lines += [_row(row, widths, width) for row in cells]
    return "\n".join(lines)


def _row(cells: Sequence[str], widths: Sequence[int], width: int | None) -> str:
    *first, last = cells
    left = "".join(f"{cell:<{size + 2}}" for cell, size in zip(first, widths, strict=False))
    if width is not None and len(left) < width - 10:
        room = width - len(left)
        last = last if len(last) <= room else last[: room - 3] + "..."
    return (left + last).rstrip()
