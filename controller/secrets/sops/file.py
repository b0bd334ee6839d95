"""A SOPS file as it lies there: its document, still closed, and what it says about how it was closed.

Called by `opening` and `closing`, the door for bytes; calls `notation` and `writing`. Files closed for anything but age, and
data keys in shares, are refused.
"""

from dataclasses import dataclass
from typing import Final

from controller.secrets.sops.notation import LARGEST_FILE, looks_like_json, read_document
from controller.secrets.sops.values import Document, Node, Path, Scalar, Type
from controller.secrets.sops.writing import write_document
from controller.secrets.trouble import ReadingError

METADATA: Final = "sops"
SUFFIX: Final = "_unencrypted"
MOST_RECIPIENTS: Final = 64
_REGEXES: Final = (
    "unencrypted_regex",
    "encrypted_regex",
    "unencrypted_comment_regex",
    "encrypted_comment_regex",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Which values of a file are encrypted.

    A regular expression of the file is not run, since whoever wrote it would choose how long that takes. There the form of a
    value decides; what is not encrypted is never given as a secret.
    """

    unencrypted: str | None = SUFFIX
    encrypted: str | None = None
    by_form: bool = False

    def hides(self, path: Path) -> bool | None:
        """Say whether the value there is to be encrypted; None: its form tells."""
        names = [part for part in path if isinstance(part, str)]
        if self.by_form:
            return None
        if self.encrypted:
            return any(name.endswith(self.encrypted) for name in names)
        return not (self.unencrypted and any(name.endswith(self.unencrypted) for name in names))


@dataclass(frozen=True, slots=True, kw_only=True)
class SopsFile:
    """A file in parts; `sealed_keys` holds the data key, closed for each recipient."""

    document: Document
    metadata: Document
    sealed_keys: tuple[tuple[str, bytes], ...]
    modified: str
    mac: str
    rule: Rule
    mac_only_encrypted: bool
    as_json: bool

    def written(self) -> bytes:
        """Write it as SOPS lays it out: the metadata last."""
        return write_document({**self.document, METADATA: self.metadata}, as_json=self.as_json)


def is_sops(document: Document) -> bool:
    """Say whether a document has the metadata of SOPS."""
    return METADATA in document


def read_file(name: str, data: bytes) -> SopsFile:
    """Read a SOPS file; nothing is decrypted.

    Raises:
        ReadingError: it is none, or closed in a way that is not supported.
    """
    as_json = looks_like_json(name, data)
    document = dict(read_document(data, as_json=as_json))
    metadata = document.pop(METADATA, None)
    if not isinstance(metadata, dict):
        raise ReadingError("it is no file of SOPS", hint="close it: ctl secret encrypt --sops FILE")
    if metadata.get("key_groups"):
        raise ReadingError("its data key is in several shares, which is not supported")
    return SopsFile(
        document=document,
        metadata=metadata,
        sealed_keys=_sealed_keys(metadata.get("age")),
        modified=_needed(metadata, "lastmodified"),
        mac=_needed(metadata, "mac"),
        rule=_rule(metadata),
        mac_only_encrypted=_is_true(metadata.get("mac_only_encrypted")),
        as_json=as_json,
    )


def _rule(metadata: Document) -> Rule:
    return Rule(
        unencrypted=_text(metadata.get("unencrypted_suffix")),
        encrypted=_text(metadata.get("encrypted_suffix")),
        by_form=any(_text(metadata.get(key)) for key in _REGEXES),
    )


def _sealed_keys(node: Node) -> tuple[tuple[str, bytes], ...]:
    found: list[tuple[str, bytes]] = []
    for item in node if isinstance(node, list) else []:
        if isinstance(item, dict):
            recipient, sealed = _text(item.get("recipient")), _text(item.get("enc"))
            if recipient and sealed:
                found.append((recipient, sealed.encode("utf-8", "surrogateescape")))
    if not 0 < len(found) <= MOST_RECIPIENTS:
        raise ReadingError(
            f"it is closed for {len(found)} age recipients; 1 to {MOST_RECIPIENTS} are read",
            hint="close it for the age key of this controller",
        )
    return tuple(found)


def _needed(metadata: Document, key: str) -> str:
    value = metadata.get(key)
    if isinstance(value, Scalar) and value.text and value.type in {Type.STR, Type.TIME}:
        return value.text
    raise ReadingError(f"its metadata has no {key}")


def _text(node: Node) -> str | None:
    return node.text or None if isinstance(node, Scalar) and node.type is Type.STR else None


def _is_true(node: Node) -> bool:
    return isinstance(node, Scalar) and node.type is Type.BOOL and node.text == "True"


__all__ = ["LARGEST_FILE", "METADATA", "SUFFIX", "Rule", "SopsFile", "is_sops", "read_file"]
