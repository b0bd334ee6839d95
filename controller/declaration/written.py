"""A task as somebody wrote it for one run, not judged yet.

Made by `undeclared`; carried by requests, so it is light to import. Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from controller.declaration.marks import Marks
from controller.model.diagnostic import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenTask:
    """A task as somebody wrote it: plain data, where each of its keys stands, and in which file."""

    data: Mapping[str, object]
    marks: Marks
    file: str
    pointers: tuple[str, ...] = ()
    """For JSON, whose places are no lines: the path of each place, in order."""

    @property
    def at_top(self) -> int:
        """Where it begins."""
        return self.marks if isinstance(self.marks, int) else cast("int", self.marks[0])

    def users(self) -> Iterator[str]:
        """Give every account that the task or a step of it names to run as, as it is written."""
        for body in self._bodies():
            if body.get("user") is not None:
                yield str(body["user"])

    @property
    def fetches(self) -> bool:
        """Whether a file of the server is to be brought back, which whoever reaches the server reads, not who runs the task."""
        results = [body.get("result") for body in self._bodies()]
        return any(isinstance(one, dict) and "file" in one for one in results)

    def _bodies(self) -> Iterator[Mapping[str, object]]:
        """Give the task and its steps, as far as they are what they should be."""
        steps = self.data.get("steps")
        for body in (self.data, *(steps.values() if isinstance(steps, dict) else ())):
            if isinstance(body, Mapping):
                yield body

    def at(self, place: Place) -> str:
        """Say where a finding stands, in words of whoever wrote the task."""
        if place.file != self.file or not self.pointers:
            return str(place)
        return self.pointers[place.line - 1]
