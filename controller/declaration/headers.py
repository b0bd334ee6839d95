"""Header lines of scripts: `#::CTL::key=value`, and `#::ARTR::` for scripts made for that tool. Pure; called by `tasks`.

A line counts only when it begins so at its first column, wherever it stands. Key and value are split at the first
`=` and trimmed; unknown keys mean nothing; the last line of a key wins. Under one key `CTL` wins over `ARTR`.
"""

from typing import Final

MARKERS: Final = (b"#::ARTR::", b"#::CTL::")
KEYS: Final = frozenset({"title", "result-type", "file-name"})
LONGEST: Final = 1_000


def read_headers(script: bytes) -> dict[str, str]:
    """Give `title`, `result-type` and `file-name` as far as a script says them."""
    found: dict[str, str] = {}
    for marker in MARKERS:
        if marker in script:
            for line in script.split(b"\n"):
                if line.startswith(marker):
                    key, equals, value = line[len(marker) :].partition(b"=")
                    name = key.strip().decode("utf-8", "replace")
                    if equals and name in KEYS:
                        found[name] = value.strip().decode("utf-8", "replace")[:LONGEST]
    return found
