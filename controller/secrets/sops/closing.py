"""Closes documents as SOPS files, and puts one value into a file that there is.

Called by the face of `ctl secret`; calls `opening` before it changes anything, so that nobody's change is signed unseen.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from controller.secrets import age
from controller.secrets.age import AgeKey
from controller.secrets.sops.file import METADATA, Rule, SopsFile, is_sops
from controller.secrets.sops.leaf import KEY_BYTES, bound_to, close_leaf, is_closed
from controller.secrets.sops.notation import looks_like_json, read_document
from controller.secrets.sops.opening import Code, at, find, open_file
from controller.secrets.sops.values import Document, Node, Path, Scalar, text
from controller.secrets.sops.writing import write_document
from controller.secrets.trouble import ReadingError

VERSION: Final = "3.11.0"
"""The version of SOPS whose format this is."""


def close_document(name: str, data: bytes, recipients: Sequence[str], now: datetime) -> bytes:
    """Close a YAML or JSON document for every recipient.

    Args:
        name: tells YAML from JSON.
        data: the document in clear.
        recipients: public halves of native age keys.
        now: the time that is written into it.

    Raises:
        ReadingError: it is no such document, is closed already, or a recipient is wrong.
    """
    as_json = looks_like_json(name, data)
    document = read_document(data, as_json=as_json)
    if is_sops(document):
        raise ReadingError(
            "it is a file of SOPS already", hint="ctl secret encrypt - --into FILE --key KEY"
        )
    key = os.urandom(KEY_BYTES)
    code = Code(encrypted_only=False)
    closed = {
        name: _Closer(key, Rule(), code).node(node, (name,)) for name, node in document.items()
    }
    modified = _moment(now)
    metadata: Document = {
        "age": [
            {"recipient": text(one), "enc": text(age.seal(key, [one]).decode())}
            for one in age.check_recipients(recipients)
        ],
        "lastmodified": text(modified),
        "mac": text(_mac(code, key, modified)),
        "unencrypted_suffix": text(Rule().unencrypted or ""),
        "version": text(VERSION),
    }
    return write_document({**closed, METADATA: metadata}, as_json=as_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One value to put into a file: text under `key`; a key that is not there is added to its mapping."""

    key: str
    value: str


def put(name: str, data: bytes, keys: Sequence[AgeKey], change: Change, now: datetime) -> bytes:
    """Put one value into a SOPS file; every other value stays as it is encrypted.

    Raises:
        ReadingError: the file cannot be opened, or the value would lie in it in clear.
    """
    opened = open_file(name, data, keys)
    path = _place(opened.document, change.key)
    if path[0] == METADATA:
        raise ReadingError(f"{METADATA} in it is its metadata")
    if not _is_hidden(opened.file, path):
        raise ReadingError(
            f"{change.key} would lie in it in clear by the rules of the file",
            hint="choose another key, or use sops",
        )
    value = text(change.value)
    sealed = text(close_leaf(value, opened.key, bound_to(path)))
    closed = _with(opened.file.document, path, sealed)
    clear = _with(opened.document, path, value)
    code = Code(encrypted_only=opened.file.mac_only_encrypted)
    _add(code, opened.file, closed, clear, ())
    modified = _moment(now)
    metadata = {
        **opened.file.metadata,
        "lastmodified": text(modified),
        "mac": text(_mac(code, opened.key, modified)),
    }
    assert isinstance(closed, dict)  # noqa: S101  # for the types: a mapping with a value put into it
    return replace(opened.file, document=closed, metadata=metadata).written()


def _is_hidden(file: SopsFile, path: Path) -> bool:
    hidden = file.rule.hides(path)
    if hidden is not None:
        return hidden
    try:
        there = at(file.document, path)
    except KeyError:
        return False  # a new name: whether it would be encrypted, only the expression could tell
    return isinstance(there, Scalar) and is_closed(there.text)


def _place(document: Document, key: str) -> Path:
    """Find where a value belongs: what is there, else a new name in a mapping that is, else at the top."""
    try:
        return find(document, key)
    except ReadingError:
        above, dot, name = key.rpartition(".")
        if not dot and name:
            return (name,)
        path = find(document, above)
        if not name or not isinstance(at(document, path), dict):
            raise
        return (*path, name)


def _with(node: Node, path: Path, value: Scalar) -> Node:
    """Copy a document with one value replaced or added at the end."""
    if not path:
        if isinstance(node, dict | list):
            raise ReadingError("it would replace several values")
        return value
    first, rest = path[0], path[1:]
    if isinstance(node, list) and isinstance(first, int):
        return [*node[:first], _with(node[first], rest, value), *node[first + 1 :]]
    mapping = node if isinstance(node, dict) else {}
    return {**mapping, str(first): _with(mapping.get(str(first)), rest, value)}


def _add(code: Code, file: SopsFile, closed: Node, clear: Node, path: Path) -> None:
    """Take every value of a document in clear into the code, in order."""
    match closed, clear:
        case dict(), dict():
            for name, node in clear.items():
                _add(code, file, closed[name], node, (*path, name))
        case list(), list():
            for index, (shut, node) in enumerate(zip(closed, clear, strict=True)):
                _add(code, file, shut, node, (*path, index))
        case Scalar(), Scalar():
            hidden = file.rule.hides(path)
            code.add(clear, encrypted=is_closed(closed.text) if hidden is None else hidden)
        case _:
            pass


class _Closer:
    """Walks a document in order and closes its values."""

    def __init__(self, key: bytes, rule: Rule, code: Code) -> None:
        self._key = key
        self._rule = rule
        self._code = code

    def node(self, node: Node, path: Path) -> Node:
        """Close what lies at a path."""
        match node:
            case dict():
                return {name: self.node(inner, (*path, name)) for name, inner in node.items()}
            case list():
                return [self.node(item, (*path, index)) for index, item in enumerate(node)]
            case Scalar():
                hidden = bool(self._rule.hides(path))
                self._code.add(node, encrypted=hidden)
                if not hidden or not node.text:
                    return node
                return text(close_leaf(node, self._key, bound_to(path)))
            case None:
                return None


def _mac(code: Code, key: bytes, modified: str) -> str:
    return close_leaf(text(code.told()), key, modified.encode())


def _moment(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
