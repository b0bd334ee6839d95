"""One delivered file: as it lies on its server against as it is wanted.

Called by `deliveries`. A file that holds a secret is compared by keyed digest and never shown.
"""

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from controller.model.digest import digest_of
from controller.model.files import FileKind, FileSeen, FileWork
from controller.model.ids import Sha
from controller.model.work import Work
from controller.planning.difference import DIGITS, Difference
from controller.planning.diffs import Allowance, text_of, unified
from controller.planning.looks import Look

SHARED: Final = 32
"""Files whose digest is kept, because the pairs of one target deliver the same."""


def unknown(file: FileWork, there: FileSeen, work: Work, look: Look, commit: Sha | None) -> str:
    """Say why nobody knows what content was applied; empty where it is known."""
    if there.kind is not FileKind.FILE:
        return ""
    if file.secrets:
        return "no digest of it is known" if _keyed_same(there, look) is None else ""
    before = None if look.record is None else look.record.commit
    if before == commit or commit is None or _hashed_whole(file, work):
        return ""
    return f"it depends on the commit, and {commit[:7]} needed no run"


def _hashed_whole(file: FileWork, work: Work) -> bool:
    """Say whether the input is simply the bytes; not so where a template uses a commit that is no input."""
    own = work.inputs.get(f"files.{file.path}.content")
    return own is None or own.digest == digest_of(_sha256(file.content))


def concerns(file: FileWork, difference: Difference) -> bool:
    """Say whether a file's own inputs differ, or may."""
    names = difference.names
    return not names or any(name.startswith(f"files.{file.path}.") for name in names)


def unseen(file: FileWork, difference: Difference) -> str:
    """Say what will be written where nobody looked, by the inputs alone."""
    if not difference.names:
        return "written (nobody looked what is there)"
    prefix = f"files.{file.path}."
    if f"{prefix}content" in difference.new:
        return "new file"
    changed = [name.removeprefix(prefix) for name in difference.names if name.startswith(prefix)]
    return f"{', '.join(changed)} changed" if changed else ""


def differs(file: FileWork, there: FileSeen, look: Look, *, content: bool = True) -> str:
    """Say how a file differs from what is wanted, with or without its content; empty when it does not."""
    match there.kind:
        case FileKind.MISSING:
            return "missing" if _was_applied(file, look) else _new(file)
        case FileKind.OTHER:
            return "is not a regular file"
        case FileKind.UNREADABLE:
            return "written (what is there could not be read)"
        case FileKind.FILE:
            parts = [_content(file, there, look)] if content else []
            return ", ".join(part for part in (*parts, *_attributes(file, there, look)) if part)


def _was_applied(file: FileWork, look: Look) -> bool:
    return look.record is not None and f"files.{file.path}.content" in look.record.manifest


def _new(file: FileWork) -> str:
    return "new file (secret)" if file.secrets else f"new file, {len(file.content)} bytes"


def _content(file: FileWork, there: FileSeen, look: Look) -> str:
    if file.secrets:
        return "changed (secret)" if _keyed_same(there, look) is False else ""
    if not there.keyed and there.digest == _sha256(file.content):
        return ""
    if there.content is not None and text_of(there.content) is not None:
        return "content differs"
    return f"differs ({there.size} -> {len(file.content)} bytes)"


def _keyed_same(there: FileSeen, look: Look) -> bool | None:
    """Say whether a file that holds secrets is as it was applied; None when nobody knows."""
    known = None if look.record is None else look.record.files.get(there.path)
    return there.digest == known if there.keyed and known is not None else None


def _attributes(file: FileWork, there: FileSeen, look: Look) -> Iterator[str]:
    """Compare what is known of mode and owners; a number and a name cannot be told apart."""
    mode, has_mode = file.mode.zfill(4), there.mode.zfill(4)
    if there.mode and has_mode != mode:
        yield f"mode {has_mode} -> {mode}"
    for name, has, wanted in (
        ("owner", there.owner, file.owner or look.user),
        ("group", there.group, file.group),
    ):
        if has and wanted and has != wanted and has.isdigit() == wanted.isdigit():
            yield f"{name} {has} -> {wanted}"


def diff(file: FileWork, there: FileSeen, look: Look, allowance: Allowance) -> str:
    """Write the difference of the texts, of files that are texts and surely hold no secret, here or there.

    What lies there may hold the secret of an earlier run, which nobody could mask once it is no longer declared.
    """
    if file.secrets or there.kind not in {FileKind.FILE, FileKind.MISSING}:
        return ""
    data = b"" if there.kind is FileKind.MISSING else there.content
    record = look.record
    if data and record is not None and (record.tried is not None or file.path in record.files):
        return ""
    if data is None:
        return ""
    before, after = text_of(data), text_of(file.content)
    return "" if before is None or after is None else unified(before, after, allowance)


def by_hand(file: FileWork, there: FileSeen, work: Work, look: Look) -> bool:
    """Say whether a file is surely not as the applied run left it."""
    record = look.record
    applied = None if record is None else record.manifest.get(f"files.{file.path}.content")
    if record is None or applied is None or there.kind is FileKind.UNREADABLE:
        return False
    if there.kind is not FileKind.FILE:
        return True
    if file.secrets:
        return _keyed_same(there, look) is False
    if there.keyed or file.path in record.files or not _hashed_whole(file, work):
        return False  # What was hashed then, or is now, is not simply the bytes.
    return digest_of(there.digest)[:DIGITS] != applied


@lru_cache(maxsize=SHARED)
def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
