"""Opens SOPS files: data key, every value, and the code over all of them; one value, or none at all.

Called by `sources`, `closing` and the face of `ctl secret`; calls `age` for the data key and `leaf` for values.
"""

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from controller.secrets import age
from controller.secrets.age import AgeKey
from controller.secrets.sops.file import SopsFile, read_file
from controller.secrets.sops.leaf import KEY_BYTES, bound_to, is_closed, open_leaf
from controller.secrets.sops.values import Document, Node, Path, Scalar, Type, path_text
from controller.secrets.trouble import ReadingError

ENCRYPTED_ONLY: Final = hashlib.sha256(b"sops").digest()
"""What the code begins with where it covers encrypted values only, so that nobody can switch between the two."""
LONGEST_INDEX: Final = 6
"""Digits of the place of a list item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A file whose code was right; `document` is in clear."""

    file: SopsFile
    key: bytes = field(repr=False)
    document: Document = field(repr=False)


def open_file(name: str, data: bytes, keys: Sequence[AgeKey]) -> Opened:
    """Open a whole file.

    Args:
        name: tells YAML from JSON.
        data: the file.
        keys: any of which may open it.

    Raises:
        ReadingError: it is not for these keys, or anything in it was changed.
    """
    file = read_file(name, data)
    key = _data_key(file, keys)
    code = Code(encrypted_only=file.mac_only_encrypted)
    document = _Opener(file, key, code).document()
    said = open_leaf(file.mac, key, file.modified.encode(), called="its MAC").text
    if not hmac.compare_digest(said.encode("utf-8", "surrogateescape"), code.told().encode()):
        raise ReadingError("its MAC is wrong: the file was changed outside of SOPS")
    return Opened(file=file, key=key, document=document)


class Code:
    """The code over a document: SHA-512 of its values in order; encrypted under the data key it is the MAC."""

    def __init__(self, *, encrypted_only: bool) -> None:
        self._encrypted_only = encrypted_only
        self._hash = hashlib.sha512(ENCRYPTED_ONLY if encrypted_only else b"")

    def add(self, scalar: Scalar, *, encrypted: bool) -> None:
        """Take the next value."""
        if encrypted or not self._encrypted_only:
            self._hash.update(scalar.encoded())

    def told(self) -> str:
        """Give the code as it is encrypted."""
        return self._hash.hexdigest().upper()


def _data_key(file: SopsFile, keys: Sequence[AgeKey]) -> bytes:
    mine = {key.recipient for key in keys}
    for recipient, sealed in file.sealed_keys:
        if recipient in mine:
            key = age.unseal(sealed, keys)
            if len(key) != KEY_BYTES:
                raise ReadingError(f"its data key has {len(key)} bytes, not {KEY_BYTES}")
            return key
    known = ", ".join(ascii(recipient[:80])[1:-1] for recipient, _ in file.sealed_keys[:3])
    raise ReadingError(
        f"it is not closed for the age key here ({', '.join(sorted(mine))}), but for {known}",
        hint="add that recipient to it (sops updatekeys), or use the right key file",
    )


class _Opener:
    """Walks a document in order."""

    def __init__(self, file: SopsFile, key: bytes, code: Code) -> None:
        self._file = file
        self._key = key
        self._code = code

    def document(self) -> Document:
        return self._mapping(self._file.document, ())

    def _mapping(self, mapping: Document, path: Path) -> Document:
        return {name: self._node(node, (*path, name)) for name, node in mapping.items()}

    def _node(self, node: Node, path: Path) -> Node:
        match node:
            case dict():
                return self._mapping(node, path)
            case list():
                return [self._node(item, (*path, index)) for index, item in enumerate(node)]
            case Scalar():
                return self._scalar(node, path)
            case None:
                return None

    def _scalar(self, scalar: Scalar, path: Path) -> Scalar:
        closed = scalar.type is Type.STR and is_closed(scalar.text)
        hidden = self._file.rule.hides(path)
        if hidden is None:
            hidden = closed
        if hidden and scalar.text:  # SOPS leaves empty texts as they are
            called = f"the value {ascii(path_text(path)[:120])[1:-1]}"
            if not closed:
                raise ReadingError(f"{called} is not encrypted")
            scalar = open_leaf(scalar.text, self._key, bound_to(path), called=called)
        self._code.add(scalar, encrypted=hidden)
        return scalar


def pick(opened: Opened, key: str) -> bytes:
    """Give one value of an opened file, which has to be encrypted in it.

    Args:
        opened: the file.
        key: names with dots between; the places of list items count from 0. Dots inside a name need nothing.

    Raises:
        ReadingError: there is no such value, several, or it lies there in clear.
    """
    path = find(opened.document, key)
    closed, value = at(opened.file.document, path), at(opened.document, path)
    shown = ascii(key[:120])[1:-1]
    if not isinstance(value, Scalar):
        what = "nothing" if value is None else "several values"
        raise ReadingError(f"{shown} in it is {what}")
    if not value.text:
        raise ReadingError(f"{shown} in it is empty")
    if not isinstance(closed, Scalar) or not is_closed(closed.text):
        raise ReadingError(
            f"{shown} lies in it in clear", hint="a secret has to be encrypted: sops, or ctl secret"
        )
    return value.text.lower().encode() if value.type is Type.BOOL else value.encoded()


def find(document: Document, key: str) -> Path:
    """Find what `key` names.

    Raises:
        ReadingError: nothing, or more than one thing.
    """
    found = list(_paths(document, key.split("."), ()))
    if len(found) == 1:
        return found[0]
    how = "is not in it" if not found else "could be several values in it"
    raise ReadingError(f"{ascii(key[:120])[1:-1]} {how}")


def _paths(node: Node, parts: list[str], path: Path) -> Iterator[Path]:
    if not parts:
        yield path
    elif isinstance(node, list):
        index = _index(parts[0])
        if index is not None and index < len(node):
            yield from _paths(node[index], parts[1:], (*path, index))
    elif isinstance(node, dict):
        for count in range(1, len(parts) + 1):
            name = ".".join(parts[:count])
            if name in node:
                yield from _paths(node[name], parts[count:], (*path, name))


def _index(part: str) -> int | None:
    plain = part.isascii() and part.isdecimal() and len(part) <= LONGEST_INDEX
    return int(part) if plain else None


def at(node: Node, path: Path) -> Node:
    """Give what lies at a path that `find` gave."""
    for part in path:
        match node, part:
            case dict(), str():
                node = node[part]
            case list(), int():
                node = node[part]
            case _:
                raise ReadingError(f"{path_text(path)} is not in it")
    return node
