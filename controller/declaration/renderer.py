"""The renderer: one child process a command that does everything Jinja, under limits of memory and time."""

from types import TracebackType
from typing import Self


class Renderer:
    """Renders templates in a child process; use it as a context manager, it starts the child at first use."""

    def __enter__(self) -> Self:
        """Begin; nothing is started yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the child."""
