"""Delivered files and checkouts of a pair: as they lie on its server against as they are wanted.

Called by `drift` for pairs in sync and by `verdict` for those that will run. The texts are plain: whoever shows a plan
masks them. A file that holds a secret is compared by keyed digest and never shown.
"""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from controller.model.applied import Applied
from controller.model.digest import digest_of
from controller.model.files import CheckoutSeen, DeliverySeen, FileKind, FileSeen, FileWork
from controller.model.ids import Sha
from controller.model.observation import ServerSeen
from controller.model.plan import FileChange
from controller.model.work import Work
from controller.planning.difference import DIGITS, Difference
from controller.planning.diffs import Allowance, text_of, unified
from controller.planning.subject import moment

SHARED: Final = 32
"""Files whose digest is kept, because the pairs of one target deliver the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was seen of a pair's deliveries, with all that is needed to compare it.

    `seen` is None where nobody looked since the pair last ran. `user` is who owns what names no owner.
    """

    seen: DeliverySeen | None = None
    record: Applied | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Files that are not as wanted, and remarks about what could not be compared or will be lost."""

    files: tuple[FileChange, ...] = ()
    notes: tuple[str, ...] = ()


def delivers(work: Work) -> bool:
    """Say whether a work puts files or a checkout on its server."""
    return bool(work.files) or work.checkout is not None


def look_at(target: str, work: Work, record: Applied | None, server: ServerSeen | None) -> Look:
    """Take what was seen of a target's deliveries, unless it ran since."""
    if server is None:
        return Look(record=record)
    seen = server.deliveries.get(target)
    last = None if record is None else moment(record)
    if seen is not None and last is not None and seen.at < last:
        seen = None
    user = work.user or ("root" if server.root else server.login)
    return Look(seen=seen, record=record, user=user)


def drifted(work: Work, look: Look) -> Told:
    """Compare what was applied, and is still wanted, with what lies there."""
    seen, record = look.seen, look.record
    if seen is None or record is None or seen.digest not in {work.digest, record.applied}:
        return Told()
    allowance, files, notes = Allowance(), [], []
    for file in work.files:
        there = seen.files.get(file.path)
        if there is None or there.kind is FileKind.UNREADABLE:
            notes.append(f"{file.path} not compared (it could not be read)")
            continue
        if there.kind is FileKind.FILE and file.secrets and _keyed_same(there, look) is None:
            notes.append(f"content of {file.path} not compared (no digest of it is known)")
        missing = there.kind is FileKind.MISSING
        what = "missing" if missing else _differs(file, there, look)
        if what:
            diff = "" if missing else _diff(file, there, allowance)
            files.append(FileChange(path=file.path, what=what, diff=diff, drift=True))
    if work.checkout is not None and seen.checkout is not None:
        what = _moved(seen.checkout, record.commit)
        if what:
            files.append(FileChange(path=work.checkout.path, what=what, drift=True))
    return Told(files=tuple(files), notes=tuple(notes))


def written(
    work: Work, look: Look, difference: Difference, commit: Sha | None, *, hand: bool
) -> Told:
    """Say what a run will write.

    Args:
        work: what is wanted.
        look: what lies there.
        difference: the inputs that differ from the applied ones; without any name all may.
        commit: what a checkout will be at.
        hand: whether everything that is there was put there by the run that the record tells of, so that what is not as
            that run left it was changed by somebody else.
    """
    allowance, files, notes = Allowance(), [], []
    for file in work.files:
        there = None if look.seen is None else look.seen.files.get(file.path)
        what = _unseen(file, difference) if there is None else _differs(file, there, look)
        if file.secrets and not what and _concerns(file, difference):
            what = "changed (secret)" if difference.names else "written (secret)"
        if not what:
            continue
        diff = "" if there is None else _diff(file, there, allowance)
        files.append(FileChange(path=file.path, what=what, diff=diff))
        if hand and there is not None and _by_hand(file, there, work, look, difference):
            notes.append(f"overwrites a change of {file.path} made by hand")
    files.extend(_left(difference))
    files.extend(_checkouts(work, look, commit))
    return Told(files=tuple(files), notes=tuple(notes))


def _checkouts(work: Work, look: Look, commit: Sha | None) -> Iterator[FileChange]:
    if work.checkout is None:
        return
    there = None if look.seen is None else look.seen.checkout
    if there is not None:
        what = _moved(there, commit)
    else:
        before = None if look.record is None else look.record.commit
        what = "" if commit is None or before == commit else f"commit {_from(before)}{commit[:7]}"
    if what:
        yield FileChange(path=work.checkout.path, what=what)


def _from(before: Sha | None) -> str:
    return "" if before is None else f"{before[:7]} -> "


def _moved(there: CheckoutSeen, commit: Sha | None) -> str:
    """Say how a checkout differs from a commit; empty when it is there."""
    if commit is None or there.commit == commit:
        return ""
    if there.commit is None:
        return f"no checkout is there -> commit {commit[:7]}"
    return f"commit {there.commit[:7]} -> {commit[:7]}"


def _left(difference: Difference) -> Iterator[FileChange]:
    """Tell of files that are no longer delivered: they stay."""
    for name in difference.gone:
        if name.startswith("files.") and name.endswith(".content"):
            path = name.removeprefix("files.").removesuffix(".content")
            yield FileChange(path=path, what="no longer delivered, left in place")


def _concerns(file: FileWork, difference: Difference) -> bool:
    """Say whether a file's own inputs differ, or may."""
    names = difference.names
    return not names or any(name.startswith(f"files.{file.path}.") for name in names)


def _unseen(file: FileWork, difference: Difference) -> str:
    """Say what will be written where nobody looked, by the inputs alone."""
    if not difference.names:
        return "written (nobody looked what is there)"
    prefix = f"files.{file.path}."
    if f"{prefix}content" in difference.new:
        return "new file"
    changed = [name.removeprefix(prefix) for name in difference.names if name.startswith(prefix)]
    return f"{', '.join(changed)} changed" if changed else ""


def _differs(file: FileWork, there: FileSeen, look: Look) -> str:
    """Say how a file differs from what is wanted; empty when it does not."""
    match there.kind:
        case FileKind.MISSING:
            return "missing" if _was_applied(file, look) else _new(file)
        case FileKind.OTHER:
            return "is not a regular file"
        case FileKind.UNREADABLE:
            return "written (what is there could not be read)"
        case FileKind.FILE:
            parts = [_content(file, there, look), *_attributes(file, there, look)]
            return ", ".join(part for part in parts if part)


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
    mode = file.mode.zfill(4)
    if there.mode and there.mode.zfill(4) != mode:
        yield f"mode {there.mode.zfill(4)} -> {mode}"
    for name, has, wanted in (
        ("owner", there.owner, file.owner or look.user),
        ("group", there.group, file.group),
    ):
        if has and wanted and has != wanted and has.isdigit() == wanted.isdigit():
            yield f"{name} {has} -> {wanted}"


def _diff(file: FileWork, there: FileSeen, allowance: Allowance) -> str:
    """Write the difference of the texts, of files that hold no secret and are texts."""
    if file.secrets or there.kind not in {FileKind.FILE, FileKind.MISSING}:
        return ""
    data = b"" if there.kind is FileKind.MISSING else there.content
    if data is None:
        return ""
    before, after = text_of(data), text_of(file.content)
    return "" if before is None or after is None else unified(before, after, allowance)


def _by_hand(
    file: FileWork, there: FileSeen, work: Work, look: Look, difference: Difference
) -> bool:
    """Say whether a file is surely not as the applied run left it."""
    name = f"files.{file.path}.content"
    applied = {} if look.record is None else look.record.manifest
    if name not in applied or there.kind is FileKind.UNREADABLE:
        return False
    if there.kind is not FileKind.FILE:
        return True
    if file.secrets:
        return _keyed_same(there, look) is False
    if not _concerns(file, difference):
        return True
    own = work.inputs.get(name)
    if own is None or own.digest != digest_of(_sha256(file.content)) or there.keyed:
        return False  # What is hashed is not simply the bytes, as where a template uses the commit.
    return digest_of(there.digest)[:DIGITS] != applied[name]


def affected(work: Work, secrets: Collection[str]) -> tuple[str, ...]:
    """Name the inputs of the files that hold one of some secrets."""
    return tuple(
        f"files.{file.path}.content"
        for file in work.files
        if not set(secrets).isdisjoint(file.secrets)
    )


@lru_cache(maxsize=SHARED)
def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
