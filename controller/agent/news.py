"""News of this agent: what changed with attempts, numbered, kept until a controller has noted it.

Of each attempt only the newest is kept, so the news are never more than the attempts. They need no file of their own: after
a restart, every attempt whose end was not noted is told again. The file holds which ends were noted, and how far numbers
were given, in blocks: so no number is ever given twice, whatever is lost.

`attempts`, `starts` and `answering` call it; it calls only the disk.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Callable, Union

from controller.agent.errors import AgentError
from controller.agent.locks import store
from controller.execution import clock
from controller.wire.messages.attempts import Phase
from controller.wire.messages.news import Changed, Reported

BLOCK = 10_000
MOST_FILE = 2 << 20
ENDS = ("ended", "interrupted")
Item = Union[Changed, Reported]
Tell = Callable[[object], None]


class News:
    """The news of one agent.

    Args:
        path: of the file; made when missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = 0
        self._reserved = 0
        self._changed: dict[str, Changed] = {}
        self._reported: dict[str, Reported] = {}
        self._noted: set[str] = set()
        self._listeners: list[Tell] = []

    def open(self, known: Iterable[str]) -> None:
        """Read what was noted.

        Args:
            known: the attempts of which anything is here; of others nothing is remembered.

        Raises:
            AgentError: the file cannot be used.
        """
        try:
            text = self._path.read_text("ascii", "replace")
        except FileNotFoundError:
            text = ""
        except OSError as error:
            raise AgentError(f"cannot read {self._path}: {error.strerror}") from error
        lines = text.split("\n")[:-1]  # the last one is empty, or torn
        here = set(known)
        self._noted = {line for line in lines if line in here}
        numbers = (int(line[1:]) for line in lines if line[:1] == "@" and line[1:].isdecimal())
        self._number = max(numbers, default=0)
        self._write_anew()

    def is_noted(self, attempt: str) -> bool:
        """Say whether the end of an attempt has been noted."""
        return attempt in self._noted

    def changed(
        self, attempt: str, job: str, phase: Phase, *, paused: bool = False, at: float = 0.0
    ) -> None:
        """Tell that an attempt came to another phase.

        Args:
            attempt: which.
            job: it belongs to.
            phase: it is in.
            paused: it is held.
            at: UNIX time; 0 is now.
        """
        one = Changed(
            number=self._next(),
            attempt=attempt,
            job=job,
            phase=phase,
            paused=paused,
            at=at or clock.wall(),
        )
        self._changed[attempt] = one
        self._tell(one)

    def reported(self, attempt: str, job: str) -> None:
        """Tell that the report of a script's run is there."""
        one = self._reported[attempt] = Reported(number=self._next(), attempt=attempt, job=job)
        self._tell(one)

    def listen(self, tell: Tell) -> Callable[[], None]:
        """Call `tell` with all news from now on; give what ends that."""
        self._listeners.append(tell)

        def end() -> None:
            with contextlib.suppress(ValueError):  # ended twice
                self._listeners.remove(tell)

        return end

    def unnoted(self) -> tuple[Item, ...]:
        """Give what was not noted, in order."""
        every: list[Item] = [*self._changed.values(), *self._reported.values()]
        return tuple(sorted(every, key=lambda one: one.number))

    def noted(self, number: int) -> None:
        """Forget the news up to a number; the ends among them are never told again."""
        self._reported = {name: one for name, one in self._reported.items() if one.number > number}
        gone = [one for one in self._changed.values() if one.number <= number]
        ends = [one.attempt for one in gone if one.phase in ENDS]
        for one in gone:
            del self._changed[one.attempt]
        fresh = [name for name in ends if name not in self._noted]
        self._noted.update(fresh)
        if fresh:
            self._append("".join(f"{name}\n" for name in fresh))

    def forget(self, attempt: str) -> None:
        """Tell nothing of an attempt any more, for nothing of it is here."""
        self._changed.pop(attempt, None)
        self._reported.pop(attempt, None)
        self._noted.discard(attempt)

    def _tell(self, one: Item) -> None:
        for tell in tuple(self._listeners):
            tell(one)

    def _next(self) -> int:
        self._number += 1
        if self._number > self._reserved:
            self._write_anew()
        return self._number

    def _write_anew(self) -> None:
        """Take the next block of numbers, on the disk before the first of them is said."""
        upto = self._number + BLOCK
        lines = [f"@{upto}", *sorted(self._noted)]
        store(self._path, "\n".join(lines).encode() + b"\n")
        self._reserved = upto

    def _append(self, lines: str) -> None:
        """Write down what was noted; what is lost of it is only told once more."""
        with contextlib.suppress(OSError):
            if self._path.stat().st_size > MOST_FILE:
                self._reserved = self._number  # the next number writes the file anew
            with self._path.open("a") as file:
                file.write(lines)
