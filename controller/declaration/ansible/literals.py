"""Values of INI inventories: a Python literal if it is one, else the text as it stands.

Called by `ini`. Nothing is evaluated: `ast` parses, and only literals are taken.
"""

import ast
import re
import warnings
from typing import Final

MAX_LITERAL: Final = 65_536
"""Characters of a value that is still looked at as a literal."""

_WHOLE: Final = re.compile(r"0|[1-9][0-9]{0,17}")
_ADDRESS: Final = re.compile(r"[0-9]+(?:\.[0-9]+){2,}")
_MAY_BE_LITERAL: Final = re.compile(
    r"[ \t]*(?:[0-9\[({'\"+.~-]|[bBrRuU]{1,2}['\"]|True\b|False\b|None\b|set\b)"
)


def value(text: str) -> object:
    """Read one value of an INI inventory.

    Raises:
        ValueError: it is a literal that cannot exist, such as a map with a list as key, or one of bytes.
    """
    if _WHOLE.fullmatch(text):
        return int(text)
    if len(text) > MAX_LITERAL or not _MAY_BE_LITERAL.match(text) or _ADDRESS.fullmatch(text):
        return text
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as about a backslash in somebody's password
            parsed = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    except TypeError as error:
        raise ValueError(f"cannot read {text[:80]!r} as a value: {error}") from None
    return _plain(parsed, text)


def _plain(parsed: object, text: str) -> object:
    """Turn what JSON does not know into what it does."""
    if parsed is None or isinstance(parsed, str | bool | int | float):
        return parsed
    if isinstance(parsed, list | tuple):
        return [_plain(item, text) for item in parsed]
    if isinstance(parsed, set):
        return sorted((_plain(item, text) for item in parsed), key=repr)
    if isinstance(parsed, dict):
        return {key_text(key): _plain(item, text) for key, item in parsed.items()}
    if isinstance(parsed, bytes):
        raise ValueError(f"cannot read {text[:80]!r} as a value: bytes have no text")  # noqa: TRY004
    return "..." if parsed is ... else str(parsed)


def key_text(key: object) -> str:
    """Write a key of a map as JSON does."""
    if isinstance(key, str):
        return key
    if key is None:
        return "null"
    return str(key).lower() if isinstance(key, bool) else str(key)
