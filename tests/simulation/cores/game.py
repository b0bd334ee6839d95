"""Games with the pure cores: worlds so small and fast that millions of things can happen in them.

A game has one core in its middle, or two that talk; everything around it is played, and breaks: links, machines, processes. Each
call of `play` lets one thing happen, and holds the world to the promises that this thing could have broken. `heal` then puts
everything into reach and demands that all comes to its end. `drive` plays many games of every kind from one seed.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final, Protocol

LIFE: Final = 400
"""Things that happen in one game before everything is healed."""


class Game(Protocol):
    """One small world."""

    @property
    def happened(self) -> Counter[str]:
        """What happened so far, by name."""
        ...

    def play(self) -> None:
        """Let one thing happen.

        Raises:
            AssertionError: a promise did not hold.
        """
        ...

    def heal(self) -> None:
        """Let everything come to its end; what must hold at last is looked at here.

        Raises:
            AssertionError: a promise did not hold.
        """
        ...

    def close(self) -> None:
        """Let go of whatever this process holds for it."""
        ...


Maker = Callable[[Random], Game]
"""Makes a game from dice."""


@dataclass(slots=True, kw_only=True)
class Score:
    """What a drive came to."""

    steps: int = 0
    games: Counter[str] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    happened: Counter[str] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Steps a second of this process."""
        return self.steps / max(sum(self.seconds.values()), 1e-9)

    def __str__(self) -> str:
        """Figures, one line for each kind of game."""
        lines = [f"{self.steps} steps, {self.rate:.0f} a second"]
        for name, count in sorted(self.games.items()):
            rate = count * LIFE / max(self.seconds[name], 1e-9)
            found = {
                what.partition(" ")[2]: times
                for what, times in sorted(self.happened.items())
                if what.partition(" ")[0] == name
            }
            lines.append(f"  {name}: {count} games, {rate:.0f} a second, {found}")
        return "\n".join(lines)


def drive(kinds: Mapping[str, Maker], seed: int, *, steps: int) -> Score:
    """Play games of each kind in turn until so many things have happened.

    Raises:
        AssertionError: a promise did not hold; kind and seed of the game stand in it.
    """
    score, number = Score(), 0
    while score.steps < steps:
        for name, make in kinds.items():
            began = time.process_time()
            game = one(make, seed + number, f"{name} {seed + number}")
            score.seconds[name] += time.process_time() - began  # type: ignore[assignment]  # a sum
            score.games[name] += 1
            score.steps += LIFE
            for what, times in game.happened.items():
                score.happened[f"{name} {what}"] += times
        number += 1
    return score


def one(make: Maker, seed: int, said: str = "", *, life: int = LIFE) -> Game:
    """Play one game to its end."""
    game = make(Random(seed))  # noqa: S311 - a game is to be played again
    try:
        for _ in range(life):
            game.play()
        game.heal()
    except BaseException as error:
        error.add_note(f"game {said or seed}")
        raise
    finally:
        game.close()
    return game
