"""How much is kept of what only a serving controller keeps, and how long.

Read by the shelves and by their twins in memory, at each write.
"""

from datetime import timedelta
from typing import Final

TOKENS: Final = 10_000
"""Tokens; of those that are over the oldest go, a further one that is good is refused."""
PARTS: Final = 1000
"""Heartbeats of parts."""
SILENT: Final = timedelta(days=1)
"""A part that has been silent for so long is gone."""
DUES: Final = 1000
"""Due times of one target; the oldest go, and none before them is ever claimed again."""
MARKS: Final = 100_000
"""Marks; a further one is refused."""
MARK_NAME: Final = 1024
"""Characters of the name of a mark."""
MARK_VALUE: Final = 1 << 20
"""Characters of the value of a mark."""
NEWS: Final = 10_000
"""News; the oldest go."""
ANSWERED: Final = timedelta(days=1)
"""An answer is given again for so long."""
ANSWERS: Final = 20_000
"""Answers; the oldest go."""
LETTERS: Final = 10_000
"""Letters; the oldest of those that are settled go first, then the oldest that wait."""
TROUBLES: Final = 20_000
"""Troubles that people were told of; the oldest go."""
