"""What the output of a task means to people: text, one value, rows, or a file.

Pure. Called by `reconcile` for `ctl run` and by the faces; the bytes are masked and stored already, and still not
trusted: the faces show them through `safe_text`.
"""

from dataclasses import dataclass
from typing import Final

from controller.journal.artifacts import SavedFile
from controller.model.task import Result, ResultType

ROWS: Final = 10_000
"""Rows of a table that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """A result: `text` of a text, `value` of a metric, `rows` of a table, `file` of a file."""

    type: ResultType
    text: str = ""
    value: str | None = None
    rows: tuple[str, ...] = ()
    file: SavedFile | None = None


def read_result(result: Result, output: bytes, file: SavedFile | None = None) -> TaskResult:
    """Read what a task gave.

    Args:
        result: what it promised.
        output: stored output of its last step that ran.
        file: the file it left, when it promised one and it was fetched.
    """
    text = output.decode(errors="replace")
    match result.type:
        case ResultType.TEXT:
            return TaskResult(type=result.type, text=text)
        case ResultType.METRIC:
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            return TaskResult(type=result.type, value=lines[-1] if lines else None)
        case ResultType.TABLE:
            rows = [line for line in text.splitlines() if line.strip()]
            return TaskResult(type=result.type, rows=tuple(rows[:ROWS]))
        case ResultType.FILE:
            return TaskResult(type=result.type, file=file)
