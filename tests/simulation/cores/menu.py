"""What may happen in a game, each with its weight, drawn by dice and counted."""

from collections import Counter
from collections.abc import Callable, Mapping
from random import Random

Act = Callable[[], None]


class Menu:
    """The things that may happen."""

    def __init__(self, rng: Random, acts: Mapping[str, tuple[int, Act]]) -> None:
        self._rng = rng
        self._acts = {name: act for name, (_, act) in acts.items()}
        self._names = list(acts)
        self._weights = [weight for weight, _ in acts.values()]

    def draw(self, happened: Counter[str]) -> Act:
        """Draw what happens next, and count it."""
        (name,) = self._rng.choices(self._names, self._weights)
        happened[name] += 1
        return self._acts[name]
