"""The forms a secret's value takes in what programs print.

Called by `masker`; pure. Raw, each line, base64 (any alignment, wrapped lines too), hex, URL-quoted, JSON-escaped, shell-quoted.
"""

import base64
import json
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, quote_plus

SHORTEST: Final = 6
"""Bytes. Shorter values would mask what is no secret."""
ARMOUR: Final = b"-----"
WRAPS: Final = (64, 76)
"""Line lengths of base64 as PEM and MIME (RFC 1421, RFC 2045) break it."""


def forms_of(value: bytes) -> frozenset[bytes]:
    """Give every form of a value that is long enough to be masked."""
    found: set[bytes] = set()
    for part in {value, value.strip(b"\r\n"), *_lines(value)}:
        found |= {part, *_base64(part), *_hex(part), *_text(part)}
    return frozenset(form for form in found if len(form) >= SHORTEST)


def _lines(value: bytes) -> Iterator[bytes]:
    """Give the lines of a multi-line value; the frame of an armoured key is no secret."""
    for line in value.splitlines():
        bare = line.strip()
        if len(bare) >= SHORTEST and not bare.startswith(ARMOUR):
            yield bare


def _base64(part: bytes) -> Iterator[bytes]:
    """Encode at three alignments; letters that also depend on the neighbours are left out."""
    for lead in range(3):
        encoded = base64.b64encode(b"\0" * lead + part)
        first = -(-lead * 8 // 6)
        last = (lead + len(part)) * 8 // 6
        core = encoded[first:last]
        yield core
        yield core.translate(bytes.maketrans(b"+/", b"-_"))
    encoded = base64.b64encode(part)
    for width in WRAPS:
        yield from (encoded[at : at + width] for at in range(0, len(encoded), width))


def _hex(part: bytes) -> Iterator[bytes]:
    yield part.hex().encode()
    yield part.hex().upper().encode()


def _text(part: bytes) -> Iterator[bytes]:
    yield from _url(part)
    yield part.replace(b"'", b"'\"'\"'")
    yield part.replace(b"'", b"'\\''")
    try:
        text = part.decode()
    except UnicodeDecodeError:
        return
    for ascii_only in (True, False):
        escaped = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield escaped.encode("utf-8", "surrogatepass")
        yield escaped.replace("/", "\\/").encode("utf-8", "surrogatepass")
    yield repr(text)[1:-1].encode()
    doubled = "".join(f"\\{letter}" if letter in '\\"$`' else letter for letter in text)
    yield doubled.encode()


def _url(part: bytes) -> Iterator[bytes]:
    for quoted in (quote(part, safe=""), quote(part), quote_plus(part)):
        yield quoted.encode()
        yield _lower_escapes(quoted).encode()


def _lower_escapes(quoted: str) -> str:
    first, *rest = quoted.split("%")
    return "%".join([first, *(piece[:2].lower() + piece[2:] for piece in rest)])
