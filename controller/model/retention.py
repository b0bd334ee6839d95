"""How long what a controller keeps is kept: `settings.retention`.

Ages are in seconds. Nothing that has not ended is ever deleted, however old it is.
"""

from dataclasses import dataclass
from typing import Final

DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How old things get, and how many jobs there are at most.

    `output`: the output and the artifacts of an ended job go into an archive then. `jobs`: an ended run is deleted then with
    its jobs, their ledgers and their archives; `runs` is how many runs are kept at most. `history` is for what was seen and
    applied earlier, `letters` for notifications that were sent or given up, `dues` for due times of schedules.
    """

    output: float = 30 * DAY
    jobs: float = 90 * DAY
    runs: int = 10_000
    history: float = 30 * DAY
    letters: float = 30 * DAY
    dues: float = 90 * DAY
