"""The list of all games."""

from collections.abc import Mapping
from typing import Final

from tests.simulation.cores.game import Maker
from tests.simulation.cores.queues import QueueGame
from tests.simulation.cores.wires import WireGame

KINDS: Final[Mapping[str, Maker]] = {"queue": QueueGame, "wire": WireGame}
