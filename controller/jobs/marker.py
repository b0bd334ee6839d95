"""The marker: an applied record as the bytes that lie on its server.

Pure. Written by `claim` before the first step and after the last; read by `reconcile` when it observes a server. The
bytes come from a server and are not trusted: they are bounded, and every field has a form.
"""

import hashlib
import itertools
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final

import msgspec

from controller.errors import RefusedError
from controller.jobs.undo import NO_UNDO, decode_undo, encode_undo
from controller.model.applied import Applied, Tried
from controller.model.declaration import OnRemove
from controller.model.ids import Digest, RunId, Sha
from controller.model.job import State
from controller.model.work import Input

FORMAT: Final = 1
"""Raised when an older controller could no longer read a marker; unknown fields alone do not raise it."""
SIZE_LIMIT: Final = 64 << 10
"""Bytes of a marker, as the carrier port says."""
MANIFEST_LIMIT: Final = 8_000
"""Bytes of the manifest in a marker."""

Hex64 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Hex8 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{8}$")]
Key = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")]
Commit = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{40}|[0-9a-f]{64})$")]
Short = Annotated[str, msgspec.Meta(max_length=255, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
"""One line of text without control characters."""
Path = Annotated[str, msgspec.Meta(max_length=4096)]
Time = Annotated[datetime, msgspec.Meta(tz=True)]


class NewerMarkerError(RefusedError):
    """A newer controller wrote this marker: it says what is in force, and we cannot read it."""

    reference = "marker-newer"


class _Head(msgspec.Struct):
    """What is read first: whether the rest can be understood at all."""

    format: int


class _Tried(msgspec.Struct, frozen=True, kw_only=True):
    """The digest that was started last and has not ended well."""

    digest: Hex64
    run: Short
    at: Time
    state: State | None = None


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    """A marker's JSON; the names are those of the record, but for the format of the digest."""

    format: int = FORMAT
    target: Short
    server: Short
    digest_format: int
    applied: Hex64 | None = None
    tried: _Tried | None = None
    manifest: dict[str, Hex8] = {}
    key: Key = ""
    secrets: dict[Short, Hex64] = {}
    config_commit: Commit | None = None
    commit: Commit | None = None
    branch: Short | None = None
    committed_at: Time | None = None
    at: Time | None = None
    by: Short = ""
    run: Short | None = None
    task: Short = ""
    params: dict[str, object] = {}
    files: dict[Path, Hex64] = {}
    on_remove: OnRemove = OnRemove.FORGET
    protect: bool = False
    undo: msgspec.Raw = NO_UNDO


def encode_marker(record: Applied) -> bytes:
    """Write a record as marker bytes: one line of JSON with sorted keys, without how its server is reached.

    Raises:
        RefusedError: it would be larger than a marker may be.
    """
    tried = record.tried
    document = _Document(
        target=record.target,
        server=record.server,
        digest_format=record.format,
        applied=record.applied,
        tried=None
        if tried is None
        else _Tried(digest=tried.digest, run=tried.run, at=tried.at, state=tried.state),
        manifest=dict(record.manifest),
        key=record.key,
        secrets=dict(record.secrets),
        config_commit=record.config_commit,
        commit=record.commit,
        branch=record.branch,
        committed_at=record.committed_at,
        at=record.at,
        by=record.by[:255],
        run=record.run,
        task=record.task,
        params=dict(record.params),
        files=dict(record.files),
        on_remove=record.on_remove,
        protect=record.protect,
        undo=encode_undo(record.undo),
    )
    content = msgspec.json.encode(document, order="sorted") + b"\n"
    if len(content) > SIZE_LIMIT:
        raise RefusedError(
            f"cannot mark {record.target} on {record.server}: "
            f"the marker would have {len(content)} bytes, the limit is {SIZE_LIMIT}",
            hint="make the parameters of the target smaller, or the task that undoes it",
        )
    return content


def decode_marker(content: bytes, *, target: str, server: str) -> Applied:
    """Read a marker that lay on `server` for `target`; fields nobody knows are passed over.

    Raises:
        NewerMarkerError: a newer controller wrote it.
        RefusedError: these bytes are not a marker of this target that we can read.
    """
    where = f"cannot read the marker of {target} on {server}"
    if len(content) > SIZE_LIMIT:
        raise RefusedError(f"{where}: it has more than {SIZE_LIMIT} bytes", hint=_REMEDY)
    try:
        head = msgspec.json.decode(content, type=_Head)
        if head.format > FORMAT:
            raise NewerMarkerError(
                f"{where}: a newer controller wrote it in format {head.format}",
                hint="upgrade this controller",
            )
        document = msgspec.json.decode(content, type=_Document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise RefusedError(f"{where}: {str(error)[:200]}", hint=_REMEDY) from None
    if document.target != target:
        raise RefusedError(f"{where}: it speaks of {document.target!r}", hint=_REMEDY)
    return _record(document, server)


_REMEDY: Final = "look at the file on the server; without it the pair is planned as new"


def _record(document: _Document, server: str) -> Applied:
    """Turn a document into the record; the server is the one it was read from."""
    tried = document.tried
    return Applied(
        target=document.target,
        server=server,
        format=document.digest_format,
        applied=_digest(document.applied),
        tried=None
        if tried is None
        else Tried(
            digest=Digest(tried.digest), run=RunId(tried.run), at=tried.at, state=tried.state
        ),
        manifest=document.manifest,
        key=document.key,
        secrets=document.secrets,
        config_commit=_sha(document.config_commit),
        commit=_sha(document.commit),
        branch=document.branch,
        committed_at=document.committed_at,
        at=document.at,
        by=document.by,
        run=None if document.run is None else RunId(document.run),
        task=document.task,
        params=document.params,
        files=document.files,
        on_remove=document.on_remove,
        protect=document.protect,
        undo=decode_undo(document.undo),
    )


def _digest(text: str | None) -> Digest | None:
    return None if text is None else Digest(text)


def _sha(text: str | None) -> Sha | None:
    return None if text is None else Sha(text)


def marker_digest(content: bytes) -> Digest:
    """Give the SHA-256 of marker bytes, by which two controllers compare what they saw."""
    return Digest(hashlib.sha256(content).hexdigest())


def manifest(inputs: Mapping[str, Input]) -> dict[str, str]:
    """Shorten inputs to eight hex digits each, in order of name, as many as a marker has room for."""
    sizes = itertools.accumulate(len(name.encode()) + 14 for name in sorted(inputs))
    return {
        name: inputs[name].digest[:8]
        for name, size in zip(sorted(inputs), sizes, strict=True)
        if size <= MANIFEST_LIMIT
    }
