"""The little that is read of a body: which ref moved, and where to.

Called by `source.webhook` after the signature was found right; calls nobody. Nothing is read but the fields below: everything else is
passed over without being made into objects, so that a body takes no more memory than its bytes.
"""

import re
from dataclasses import dataclass, field
from typing import Final, TypeVar
from urllib.parse import parse_qsl

import msgspec

from controller.model.ids import Sha
from controller.source.webhooks.kinds import Kind
from controller.source.webhooks.refusals import HookRefusedError

MOST_FIELDS: Final = 8
"""Fields of a form."""
FORM: Final = b"application/x-www-form-urlencoded"
PUSHES: Final = frozenset(
    {"push", "Push Hook", "Tag Push Hook", "System Hook", "repo:push", "repo:refs_changed"}
)
REF: Final = re.compile(r"refs/[\x21-\x7e\u00a1-\U0010ffff]{1,400}")
SHA: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """Any object at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """A push as GitHub, GitLab, Gitea and Gogs write it; also what a script of one's own may send."""

    ref: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerChange:
    """One ref that moved on a Bitbucket Server."""

    refId: str | None = None  # noqa: N815 - their spelling
    toHash: str | None = None  # noqa: N815 - their spelling


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPush:
    """A push as Bitbucket Server writes it."""

    changes: list[ServerChange] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudTarget:
    """The commit a ref of Bitbucket points to."""

    hash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudRef:
    """A ref of Bitbucket as it is now."""

    type: str | None = None
    name: str | None = None
    target: CloudTarget | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudChange:
    """One ref that moved on Bitbucket; without `new` it is gone."""

    new: CloudRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudChanges:
    """The refs that moved."""

    changes: list[CloudChange] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudPush:
    """A push as Bitbucket writes it."""

    push: CloudChanges = field(default_factory=CloudChanges)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What a body says: None where it says nothing, or several things."""

    ref: str | None = None
    commit: Sha | None = None


NOTHING: Final = Moved()


def is_push(kind: Kind, event: str) -> bool:
    """Say whether refs moved; who sends for one purpose only need not name it."""
    return event in PUSHES or kind in {Kind.GENERIC, Kind.STANDARD}


def read(kind: Kind, event: str, body: bytes, *, content_type: bytes) -> Moved:
    """Read what moved from a signed body.

    Raises:
        HookRefusedError: a forge never writes such a body.
    """
    match kind:
        case Kind.GENERIC | Kind.STANDARD:
            return _leniently(body)
        case _ if event not in PUSHES:
            _decode(_unwrapped(body, content_type), Body)
            return NOTHING
        case Kind.BITBUCKET_SERVER:
            changes = _decode(body, ServerPush).changes
            return _moved(changes[0].refId, changes[0].toHash) if len(changes) == 1 else NOTHING
        case Kind.BITBUCKET:
            return _cloud(_decode(body, CloudPush).push.changes)
        case _:
            push = _decode(_unwrapped(body, content_type), Push)
            return _moved(push.ref, push.after)


def _leniently(body: bytes) -> Moved:
    """Read a push where there is one; a script of one's own may send anything, or nothing."""
    try:
        push = _decode(body, Push)
    except HookRefusedError:
        return NOTHING
    return _moved(push.ref, push.after)


def _cloud(changes: list[CloudChange]) -> Moved:
    new = changes[0].new if len(changes) == 1 else None
    if new is None:
        return NOTHING
    folder = {"branch": "refs/heads/", "tag": "refs/tags/"}.get(new.type or "")
    ref = f"{folder}{new.name}" if folder and new.name else None
    return _moved(ref, new.target.hash if new.target else None)


def _moved(ref: str | None, commit: str | None) -> Moved:
    """Take what has the form of a ref and of a commit; a ref that was deleted points to zeros."""
    known = ref is not None and REF.fullmatch(ref) is not None and ref.isprintable()
    there = commit is not None and SHA.fullmatch(commit) is not None and commit.strip("0")
    return Moved(ref=ref if known else None, commit=Sha(commit) if there and commit else None)


def _unwrapped(body: bytes, content_type: bytes) -> bytes:
    """Take the payload out of a form, where a hook was set up to send one."""
    if content_type.partition(b";")[0].strip().lower() != FORM:
        return body
    try:
        fields = parse_qsl(body, strict_parsing=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        fields = []
    payloads = [value for name, value in fields if name == b"payload"]
    if len(payloads) != 1:
        raise HookRefusedError("the form holds no payload, or several", proven=True)
    return payloads[0]


def _decode(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HookRefusedError("the body is not what such a forge sends", proven=True) from error
    except RecursionError as error:
        raise HookRefusedError("the body is nested too deep", proven=True) from error
