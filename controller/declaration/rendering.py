"""Rendering with sharing: a text is rendered once for every distinct set of the values it uses.

Called by `works`, which asks for many texts, settles once, then reads the answers.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from controller.declaration.renderer import Failure, Renderer
from controller.declaration.templates import Site, Studies
from controller.declaration.values import trimmed
from controller.model.digest import canonical

Values = Mapping[str, object]
Question = tuple[str, bool, bytes] | None
"""A text, whether it is delivered, and the values it uses; None: it uses what no template can read."""
PLAIN: Final[Question] = ("", False, b"")
"""What is asked about a text that is not rendered."""


class Rendering:
    """Questions to the renderer, and its answers by text and values used."""

    def __init__(self, renderer: Renderer, studies: Studies) -> None:
        self._renderer = renderer
        self._studies = studies
        self._answers: dict[tuple[str, bool, bytes], str | Failure] = {}
        self._waiting: dict[tuple[str, bool, bytes], Values] = {}

    def sees(self, site: Site, values: Values) -> dict[str, object]:
        """Cut values down to what a text uses."""
        return trimmed(values, self._studies.paths(site))

    def ask(self, sites: Iterable[Site], values: Values) -> list[Question]:
        """Want texts rendered with these values; expressions and plain texts are left alone.

        The questions are in the order of the sites; each is answered once everything is settled.
        """
        return [self._question(site, values) for site in sites]

    def _question(self, site: Site, values: Values) -> Question:
        if site.expression or not site.templated:
            return PLAIN
        seen = self.sees(site, values)
        key = _key(site, seen)
        if key is not None and key not in self._answers:
            self._waiting[key] = seen
        return key

    def settle(self) -> None:
        """Render everything that is wanted."""
        for delivered in (False, True):
            keys = [key for key in self._waiting if key[1] is delivered]
            items = [(key[0], self._waiting[key]) for key in keys]
            answers = self._renderer.render(items, delivered=delivered) if items else []
            self._answers |= zip(keys, answers, strict=True)
        self._waiting.clear()

    def answer(self, site: Site, question: Question) -> str | Failure:
        """Read what a text rendered to; everything must be settled."""
        if question is PLAIN:
            return site.text
        if question is None:
            return Failure(
                "opaque", "uses a value that templates cannot read, such as a vaulted one"
            )
        return self._answers[question]


def _key(site: Site, seen: Values) -> Question:
    try:
        return site.text, site.delivered, canonical(seen)
    except (TypeError, ValueError):
        return None
