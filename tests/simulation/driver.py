"""What happens next in a simulated world, drawn from a seed: volume instead of shrinking.

Called by the tests, and by hand: `python -m tests.simulation.driver SEED EPISODES`.
"""

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulation.places import Weather
from tests.simulation.simworld import SERVERS, SimWorld, sim_world

STEPS = 60
"""Things that happen before everything is healed."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """What a drive came to."""

    steps: int = 0
    lives: int = 0
    starts: int = 0
    jobs: int = 0
    accepted: int = 0
    breaks: int = 0
    doubled: int = 0
    virtual: float = 0.0
    seconds: float = 0.0
    happened: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        """One line of figures."""
        return (
            f"{self.steps} steps, {self.steps / max(self.seconds, 0.001):.0f} a second, {self.lives} lives, "
            f"{self.jobs} jobs, {self.starts} starts, {self.accepted} accepted, {self.breaks} broken ways, {self.doubled} doubled, "
            f"{self.virtual / 86400:.1f} days"
        )


def choices(world: SimWorld) -> dict[str, tuple[int, Callable[[], Awaitable[None]]]]:
    """List what may happen, each with its weight."""
    rng = world.rng
    server = rng.choice(SERVERS)
    return {
        "wait": (30, lambda: world.wait(rng.choice((0.1, 1.0, 5.0, 30.0, 90.0)))),
        "commit": (10, lambda: world.commit(told=rng.random() < 0.7)),
        "declare": (2, lambda: world.declare(valid=rng.random() < 0.7)),
        "ask": (10, lambda: world.ask(server)),
        "stop": (2, world.stop_job),
        "crash": (4, world.crash),
        "crash-at": (6, lambda: world.crash_at(rng.randint(1, 40), after=rng.random() < 0.5)),
        "start": (12, world.start),
        "sigstop": (2, lambda: world.stop_and_continue(rng.choice((5.0, 60.0, 600.0)))),
        "set-clock": (
            2,
            lambda: world.set_clock(rng.choice((-86400.0, -3600.0, -1.0, 1.0, 3600.0))),
        ),
        "lay-down": (3, lambda: world.lay_down(server)),
        "stand-up": (6, lambda: world.stand_up(server)),
        "cut": (6, lambda: world.cut(server)),
        "reboot": (2, lambda: world.reboot(server)),
        "meddle": (2, lambda: world.meddle(server)),
        "weather": (
            4,
            lambda: world.blow(
                Weather(
                    there=rng.choice((0, 0, 0.02, 0.2)),
                    back=rng.choice((0, 0, 0.02, 0.2)),
                    slow=rng.choice((0, 0, 0.5, 8.0)),
                    twice=rng.choice((0, 0, 0.2)),
                )
            ),
        ),
        "away": (1, lambda: world.go_away(away=True)),
        "here": (3, lambda: world.go_away(away=False)),
    }


async def episode(folder: Path, seed: int, tally: Tally, *, steps: int = STEPS) -> None:
    """Live through one world, from its beginning until everything is healed."""
    async with sim_world(folder, seed) as world:
        for _ in range(steps):
            found = choices(world)
            weights = [weight for weight, _ in found.values()]
            (name,) = world.rng.choices(list(found), weights)
            tally.happened[name] += 1
            await found[name][1]()
            await world.check()
        await world.heal()
        await world.check_ledgers()
        tally.steps += steps
        tally.lives += world.lives
        tally.starts += world.land.fleet.starts.total()
        tally.jobs += len(await world.land.store.jobs.ids())
        tally.accepted += len(world.accepted)
        tally.breaks += world.land.fleet.breaks
        tally.doubled += world.land.fleet.doubled
        tally.virtual += world.land.clock.passed


def drive(folder: Path, seed: int, *, steps: int | None = None, seconds: float = 1e9) -> Tally:
    """Live through worlds until so many steps were made, or so much time is over.

    Raises:
        AssertionError: a promise did not hold; the seed of the world stands in it.
    """
    tally, number = Tally(), 0
    began = time.monotonic()
    while (steps is None or tally.steps < steps) and time.monotonic() - began < seconds:
        place = folder / str(number)
        place.mkdir()
        try:
            asyncio.run(episode(place, seed + number, tally))
        except BaseException as error:
            error.add_note(f"seed {seed + number}")
            raise
        number += 1
    tally.seconds = time.monotonic() - began
    return tally


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        print(drive(Path(made), int(sys.argv[1]), steps=STEPS * int(sys.argv[2])))  # noqa: T201
