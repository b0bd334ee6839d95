"""Rendering with sharing: a text is rendered once for every distinct set of the values it uses.

Called by `pairs` and `checks`: they ask for many texts, settle once, then read the answers.
"""

from collections.abc import Iterable, Mapping

from controller.declaration.renderer import Failure, Renderer
from controller.declaration.templates import Site, Studies
from controller.declaration.values import trimmed
from controller.model.digest import canonical

Values = Mapping[str, object]
_Key = tuple[str, bool, bytes]
"""A text, whether it is delivered, and the values it uses."""


class Rendering:
    """Questions to the renderer, and its answers by text and values used."""

    def __init__(self, renderer: Renderer, studies: Studies) -> None:
        self._renderer = renderer
        self._studies = studies
        self._answers: dict[_Key, str | Failure] = {}
        self._waiting: dict[_Key, Values] = {}

    def sees(self, site: Site, values: Values) -> dict[str, object]:
        """Cut values down to what a text uses."""
        return trimmed(values, self._studies.paths(site))

    def ask(self, sites: Iterable[Site], values: Values) -> None:
        """Want texts rendered with these values; expressions are left alone."""
        for site in sites:
            if site.templated and not site.expression:
                seen = self.sees(site, values)
                key = _key(site, seen)
                if key is not None and key not in self._answers:
                    self._waiting[key] = seen

    def settle(self) -> None:
        """Render everything that is wanted."""
        for delivered in (False, True):
            keys = [key for key in self._waiting if key[1] is delivered]
            items = [(key[0], self._waiting[key]) for key in keys]
            answers = self._renderer.render(items, delivered=delivered) if items else []
            self._answers |= zip(keys, answers, strict=True)
        self._waiting.clear()

    def answer(self, site: Site, values: Values) -> str | Failure:
        """Read what a text rendered to with these values."""
        if not site.templated or site.expression:
            return site.text
        key = _key(site, self.sees(site, values))
        if key is None:
            return Failure(
                "opaque", "uses a value that templates cannot read, such as a vaulted one"
            )
        if key not in self._answers:
            self.ask([site], values)
            self.settle()
        return self._answers[key]


def _key(site: Site, seen: Values) -> _Key | None:
    try:
        return site.text, site.delivered, canonical(seen)
    except (TypeError, ValueError):
        return None
