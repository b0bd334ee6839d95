"""Delivered files and checkouts of a pair: as they lie on its server against as they are wanted.

Called by `drift` for pairs in sync and by `verdict` for those that will run. The texts are plain: whoever shows a plan
masks them.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from controller.model.files import CheckoutSeen, FileKind
from controller.model.ids import Sha
from controller.model.plan import FileChange
from controller.model.work import Work
from controller.planning.difference import Difference
from controller.planning.diffs import Allowance
from controller.planning.file_state import by_hand, concerns, diff, differs, unknown, unseen
from controller.planning.looks import Look


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Files that are not as wanted, and remarks about what could not be compared or will be lost."""

    files: tuple[FileChange, ...] = ()
    notes: tuple[str, ...] = ()


def delivers(work: Work) -> bool:
    """Say whether a work puts files or a checkout on its server."""
    return bool(work.files) or work.checkout is not None


def drifted(work: Work, look: Look, commit: Sha | None = None) -> Told:
    """Compare what was applied, and is still wanted, with what lies there.

    Args:
        work: what is wanted, rendered with `commit`.
        look: what lies there. Another commit may be applied, where none of the watched files differs.
        commit: the commit that is wanted.
    """
    seen, record = look.seen, look.record
    if seen is None or record is None or seen.digest not in {work.digest, record.applied}:
        return Told()
    allowance, files, notes = Allowance(), [], []
    for file in work.files:
        there = seen.files.get(file.path)
        if there is None or there.kind is FileKind.UNREADABLE:
            notes.append(f"{file.path} not compared (it could not be read)")
            continue
        why = unknown(file, there, work, look, commit)
        if why:
            notes.append(f"content of {file.path} not compared ({why})")
        missing = there.kind is FileKind.MISSING
        what = "missing" if missing else differs(file, there, look, content=not why)
        if what:
            text = "" if missing or why else diff(file, there, look, allowance)
            files.append(FileChange(path=file.path, what=what, diff=text, drift=True))
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
        what = unseen(file, difference) if there is None else differs(file, there, look)
        if file.secrets and not what and concerns(file, difference):
            what = "changed (secret)" if difference.names else "written (secret)"
        if not what:
            continue
        text = "" if there is None else diff(file, there, look, allowance)
        files.append(FileChange(path=file.path, what=what, diff=text))
        if hand and there is not None and by_hand(file, there, work, look):
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


def affected(work: Work, secrets: Collection[str]) -> tuple[str, ...]:
    """Name the inputs of the files that hold one of some secrets."""
    return tuple(
        f"files.{file.path}.content"
        for file in work.files
        if not set(secrets).isdisjoint(file.secrets)
    )
