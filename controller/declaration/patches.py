"""Changed files as a patch that `git apply` takes; called by `reconcile`, pure.

The format is that of `git diff` (git-scm.com/docs/diff-format): names are quoted as `core.quotePath` off does, and a last
line without its line feed says so.
"""

import re
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from typing import Final

_ODD: Final = re.compile(r'[\x00-\x1f"\\\x7f]')
_LETTERS: Final = {
    "\a": "a",
    "\b": "b",
    "\t": "t",
    "\n": "n",
    "\v": "v",
    "\f": "f",
    "\r": "r",
    '"': '"',
    "\\": "\\",
}
_NO_END: Final = "\n\\ No newline at end of file\n"


def patch(changed: Mapping[str, tuple[str, str]]) -> str:
    """Write what turns the first text of each path into the second; equal ones are left out."""
    return "".join(
        "".join(_file(path, before, after))
        for path, (before, after) in sorted(changed.items())
        if before != after
    )


def _file(path: str, before: str, after: str) -> Iterator[str]:
    yield f"diff --git {_name('a', path)} {_name('b', path)}\n"
    tab = "\t" if " " in path else ""
    lines = unified_diff(
        _lines(before),
        _lines(after),
        f"{_name('a', path)}{tab}",
        f"{_name('b', path)}{tab}",
    )
    for line in lines:
        yield line if line.endswith("\n") else f"{line}{_NO_END}"


def _lines(text: str) -> list[str]:
    """Split at line feeds alone; other ends of lines are letters to git."""
    lines = text.split("\n")
    last = lines.pop()
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def _name(side: str, path: str) -> str:
    if not _ODD.search(path):
        return f"{side}/{path}"
    return f'"{side}/{_ODD.sub(_escape, path)}"'


def _escape(found: re.Match[str]) -> str:
    letter = _LETTERS.get(found[0])
    return f"\\{letter}" if letter else f"\\{ord(found[0]):03o}"
