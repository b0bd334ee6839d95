"""Drift of one pair whose inputs are applied: its check, its files, its checkout, and what a person wants to ignore.

Called by `verdict`. Nothing of it is looked at under `on_drift: ignore`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from controller.model.applied import Applied
from controller.model.plan import FileChange
from controller.model.standing import Ignore
from controller.planning.deliveries import Told
from controller.planning.inputs import PairKey, Policy
from controller.planning.subject import Subject

NAMED: Final = 3
"""How many differences a line names before it counts the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What differs on a server, less what is ignored; `said` is empty where nothing is left of it.

    `hidden` are the paths of files that differ and are ignored.
    """

    said: str = ""
    files: tuple[FileChange, ...] = ()
    notes: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()


def drift_of(
    subject: Subject, record: Applied, told: Told, policy: Policy, now: datetime | None
) -> Drift:
    """Join what the check and the deliveries of a pair tell, and hide what a person wants to ignore.

    Without a time nothing is ignored, because nobody knows what has ended.
    """
    check = _check(subject, record)
    ignores = _standing(policy.standing.ignores, subject.key, now)
    whole = next((one for one in ignores if one.path is None), None)
    if whole is not None:
        notes = [_ignored("drift", whole)] if check or told.files else []
        return Drift(notes=(*told.notes, *notes))
    by_path = {one.path: one for one in ignores}
    files = tuple(file for file in told.files if file.path not in by_path)
    hidden = tuple(file.path for file in told.files if file.path in by_path)
    ignored = (_ignored(f"drift of {path}", by_path[path]) for path in hidden)
    parts = [*([check] if check else []), *(f"{file.path}: {file.what}" for file in files)]
    return Drift(said=_line(parts), files=files, notes=(*told.notes, *ignored), hidden=hidden)


def _check(subject: Subject, record: Applied) -> str:
    """Say how the check failed; empty where it did not, or was run for other inputs or before the last run."""
    check = None if subject.seen is None else subject.seen.checks.get(subject.key[0])
    if check is None or check.exit_code == 0 or check.digest != record.applied:
        return ""
    if record.at is not None and check.at < record.at:
        return ""
    first = next((line for line in check.output.splitlines() if line.strip()), "")
    return f"check exited {check.exit_code}" + (f": {first[:200]}" if first else "")


def _standing(ignores: Sequence[Ignore], key: PairKey, now: datetime | None) -> tuple[Ignore, ...]:
    if now is None:
        return ()
    return tuple(one for one in ignores if (one.target, one.server) == key and one.until > now)


def _ignored(what: str, one: Ignore) -> str:
    return f"{what} is ignored until {one.until:%Y-%m-%d %H:%M} UTC by {one.by}: {one.reason}"


def _line(parts: Sequence[str]) -> str:
    more = len(parts) - NAMED
    return "; ".join(parts[:NAMED]) + (f"; and {more} more" if more > 0 else "")
