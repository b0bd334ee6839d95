"""Declarations as formatted text: YAML that YAML 1.1 and 1.2 read alike.

Called by `importing` and `import_ssh`. What another reader might take for a number, a date or a truth is quoted.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Final

_PLAIN: Final = re.compile(
    r"[A-Za-z_/][A-Za-z0-9_/@+]*(?:[.-][A-Za-z0-9_/@+]+)*|~/[\w./-]+|\d{1,3}(?:\.\d{1,3}){3}",
    re.ASCII,
)
_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"})
_LARGEST: Final = 2**63 - 1
MAX_DEPTH: Final = 40
MAX_KEY: Final = 500


def writable(value: object, depth: int = 0) -> bool:
    """Say whether a value can be declared: text, numbers of 64 bits, truths, nothing, lists and maps of them."""
    if depth > MAX_DEPTH:
        return False
    if value is None or isinstance(value, bool | str):
        return not isinstance(value, str) or _sayable(value)
    if isinstance(value, int):
        return -_LARGEST <= value <= _LARGEST
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Mapping):
        keys = all(isinstance(key, str) and len(key) <= MAX_KEY and _sayable(key) for key in value)
        return keys and all(writable(item, depth + 1) for item in value.values())
    return isinstance(value, list) and all(writable(item, depth + 1) for item in value)


def _sayable(text: str) -> bool:
    """Say whether a text has neither a NUL nor half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def comment(text: str, indent: int = 0) -> str:
    """Write a comment on one line, whatever the text holds."""
    safe = "".join(letter if letter.isprintable() else "?" for letter in text)
    return f"{' ' * indent}# {safe}"


def scalar(value: object) -> str:
    """Write a value that is neither a list nor a map, or an empty one."""
    if isinstance(value, str):
        if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
            return str(value)
        return _quoted(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int):
        return str(value)
    return "{}" if isinstance(value, Mapping) else "[]"


def flow(value: object) -> str:
    """Write a small value on one line."""
    if isinstance(value, Mapping):
        parts = [f"{scalar(key)}: {flow(item)}" for key, item in value.items()]
        return f"{{{', '.join(parts)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(flow, value))}]"
    return scalar(value)


def entry(head: str, value: object, indent: int) -> list[str]:
    """Write `head` ("KEY:" or "-") and the value below or beside it, as lines."""
    pad = " " * indent
    if isinstance(value, str) and _is_block(value):
        sign = "|" if value.endswith("\n") else "|-"
        body = [f"{pad}  {line}" if line else "" for line in value.splitlines()]
        return [f"{pad}{head} {sign}", *body]
    if isinstance(value, Mapping) and value:
        lines = [
            line
            for key, item in value.items()
            for line in entry(f"{scalar(key)}:", item, indent + 2)
        ]
    elif isinstance(value, list) and value:
        lines = [line for item in value for line in entry("-", item, indent + 2)]
    else:
        return [f"{pad}{head} {scalar(value)}"]
    if head == "-":
        return [f"{pad}- {lines[0].lstrip(' ')}", *lines[1:]]
    return [pad + head, *lines]


def _is_block(text: str) -> bool:
    """Say whether a text of several lines can stand as it is."""
    lines = text.split("\n")
    return (
        len(lines) > 1
        and not text.endswith("\n\n")
        and bool(lines[0])
        and not lines[0].startswith(" ")
        and all(line.isprintable() and (not line or line.strip() != "") for line in lines)
    )


def _quoted(text: str) -> str:
    """Write a text in double quotes; what cannot be seen is escaped."""
    letters = (
        letter if letter.isprintable() and letter not in '"\\' else _escape(letter)
        for letter in text
    )
    return f'"{"".join(letters)}"'


def _escape(letter: str) -> str:
    code = ord(letter)
    return f"\\U{code:08x}" if code > 0xFFFF else json.dumps(letter)[1:-1]  # noqa: PLR2004 - 16 bits
