"""Header lines of scripts, as an agent reads them: `#::CTL::key=value`, and `#::ARTR::` of scripts made for that tool.

The controller has the same rules for scripts of the config repository; a test holds both to each other, for the agent
can import nothing of the rest. `script` calls it. Pure.

A line counts only when it begins so at its first column, wherever it stands. Key and value are split at the first `=`
and trimmed; unknown keys mean nothing; the last line of a key wins. Under one key `CTL` wins over `ARTR`.
"""

from __future__ import annotations

MARKERS = (b"#::ARTR::", b"#::CTL::")
KEYS = frozenset({"title", "result-type", "file-name"})
LONGEST = 1_000


def read_headers(script: bytes) -> dict[str, str]:
    """Give `title`, `result-type` and `file-name` as far as a script says them."""
    found: dict[str, str] = {}
    for marker in MARKERS:
        if marker in script:
            for line in script.split(b"\n"):
                if line.startswith(marker):
                    _take(line[len(marker) :], found)
    return found


def _take(said: bytes, found: dict[str, str]) -> None:
    key, equals, value = said.partition(b"=")
    name = key.strip().decode("utf-8", "replace")
    if equals and name in KEYS:
        found[name] = value.strip().decode("utf-8", "replace")[:LONGEST]
