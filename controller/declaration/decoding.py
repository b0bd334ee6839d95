"""Bytes of a file as text, or the place of what is not text; called by `reader`. Pure."""

import re
from typing import Final

from controller.model.diagnostic import Diagnostic, Place

MOST_BYTES: Final = 1 << 20
FORBIDDEN: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
"""Characters outside YAML's printable set: YAML 1.2.2, section 5.1."""


def decode(file: str, raw: bytes) -> str | Diagnostic:
    """Give the text of a file, or say why it is none."""
    if len(raw) > MOST_BYTES:
        return Diagnostic(
            code="file-too-large",
            message=f"cannot read {len(raw)} bytes: a declaration file has at most {MOST_BYTES}",
            place=Place(file=file),
            hint="split the file: how declarations are spread over files means nothing",
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8", "replace")
        return Diagnostic(
            code="not-utf-8",
            message=f"cannot read byte 0x{raw[error.start]:02x}: the file is not UTF-8",
            place=_place(file, before, len(before)),
            hint="save the file as UTF-8",
        )
    forbidden = FORBIDDEN.search(text)
    if forbidden is not None:
        return Diagnostic(
            code="yaml-character",
            message=f"cannot read the character {forbidden.group()!r}: YAML forbids it",
            place=_place(file, text, forbidden.start()),
            hint='write it as an escape in double quotes, such as "\\u00AD"',
        )
    return text


def _place(file: str, text: str, offset: int) -> Place:
    line_start = text.rfind("\n", 0, offset) + 1
    return Place(file=file, line=text.count("\n", 0, offset) + 1, column=offset - line_start + 1)
