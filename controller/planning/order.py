"""The order in which people expect names: numbers by value, so that web-2 comes before web-10.

Called by `planner` and `folding`.
"""

import re
from typing import Final

_NUMBER: Final = re.compile(r"([0-9]+)")


def natural(name: str) -> tuple[tuple[str, int], ...]:
    """Make a key that sorts names as people do."""
    parts = _NUMBER.split(name)
    texts, numbers = parts[::2], parts[1::2]
    pairs = zip(texts, [int(number) for number in numbers] + [-1], strict=True)
    return (*pairs, (name, 0))
