"""Threads for work that blocks: where the machine gives no more of them, those that are there take turns.

The ledger has one, and the daemon some for everything else. What waits for a thread that cannot be made would otherwise wait for ever.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from controller.execution.errors import FullError


class Threads(ThreadPoolExecutor):
    """Some threads that take work one after the other.

    Args:
        most: of them.
        name: they are called so in the process.
    """

    def __init__(self, most: int, name: str) -> None:
        super().__init__(most, thread_name_prefix=name)

    def begin(self) -> None:
        """Have one that stays.

        Raises:
            FullError: there is no room for a thread.
        """
        self.submit(int).result()

    def _adjust_thread_count(self) -> None:
        """Have another one for work that was just put into the queue, if that can be."""
        try:
            super()._adjust_thread_count()
        except RuntimeError as error:
            if not self._threads:
                raise FullError(f"cannot start a thread: {error}") from error
