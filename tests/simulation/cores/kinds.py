"""The list of all games."""

from collections.abc import Mapping
from typing import Final

from tests.simulation.cores.dues import DuesGame
from tests.simulation.cores.fleets import FleetGame
from tests.simulation.cores.game import Maker
from tests.simulation.cores.jobs import JobsGame
from tests.simulation.cores.queues import QueueGame
from tests.simulation.cores.wires import WireGame

KINDS: Final[Mapping[str, Maker]] = {
    "dues": DuesGame,
    "fleet": FleetGame,
    "jobs": JobsGame,
    "queue": QueueGame,
    "wire": WireGame,
}
