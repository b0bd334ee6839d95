"""Who is told of what, and when: the rules of the outbox, as pure functions.

Called by `reconcile`, which keeps what they give in one transaction. A trouble is a subject with a problem. It is told once to each
receiver until its end was told, except where the receiver wants it repeated; its end is told to whoever was told of it. A trouble that comes and
goes is told as one: its end is told when it has kept quiet for a while.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from controller.model.notice import Letter, Notice, Trouble
from controller.model.notifier import Notifier

WINDOW: Final = timedelta(seconds=30)
"""How long further notices are awaited that are told in the same message."""
FLAPS: Final = 6
"""So many beginnings and ends within `FLAPPING` are one trouble that comes and goes."""
FLAPPING: Final = timedelta(hours=1)
QUIET: Final = timedelta(minutes=15)
"""How long a trouble that came and went has to be over before its end is told."""
CHANGES: Final = 20
"""Beginnings and ends that are remembered of one trouble."""
SERVERS: Final = "servers"
"""The group of all notices about servers that name none."""
RECEIVER: Final = "notifier/"
"""Begins the receiver of a letter to a notifier; its name follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Letters to write, troubles that changed ("SUBJECT PROBLEM"; None: forgotten), and when to decide again."""

    letters: tuple[Letter, ...] = ()
    troubles: Mapping[str, Trouble | None] = field(default_factory=dict)
    again: datetime | None = None


def trouble_name(subject: str, problem: str) -> str:
    """Name a trouble."""
    return f"{subject} {problem}"


def group_of(notice: Notice) -> str:
    """Say with what a notice is told together: its group, all servers, or what has the same subject."""
    if notice.group:
        return notice.group
    return SERVERS if notice.subject.startswith("server/") else notice.subject


def wanting(
    notice: Notice, notifiers: Iterable[Notifier], chosen: Sequence[str] = ()
) -> tuple[Notifier, ...]:
    """Choose who hears of a notice: those whom the target names, else all, that want the occasion."""
    return tuple(
        one
        for one in notifiers
        if notice.occasion in one.events and (not chosen or one.name in chosen)
    )


def begun(
    notice: Notice,
    *,
    known: Trouble | None,
    notifiers: Iterable[Notifier],
    chosen: Sequence[str] = (),
    now: datetime,
) -> Decision:
    """Decide what is told of a notice.

    Args:
        notice: what happened; with a problem it begins a trouble, or goes on with it.
        known: the trouble of that name, if people were told of it.
        notifiers: all that are declared.
        chosen: those that the target names.
        now: the time.
    """
    hear = wanting(notice, notifiers, chosen)
    if notice.problem is None:
        return Decision(letters=tuple(_letter(notice, one, now, mark="") for one in hear))
    told = _still_told(known)
    new = [one for one in hear if _is_time(told.get(_receiver(one)), one, now)]
    told |= {_receiver(one): now for one in new}
    if not told:
        return Decision()
    trouble = Trouble(
        notice=notice,
        since=now if known is None or known.over is not None else known.since,
        told=told,
        changes=_changes(known, now) if known is None or known.over is not None else known.changes,
    )
    mark = now.isoformat()
    return Decision(
        letters=tuple(_letter(notice, one, now, mark=mark) for one in new),
        troubles={trouble_name(notice.subject, notice.problem): trouble},
    )


def ended(
    name: str,
    notice: Notice,
    *,
    known: Trouble | None,
    notifiers: Iterable[Notifier],
    now: datetime,
) -> Decision:
    """Decide what is told of the end of a trouble: nothing where nobody was told of it, or it is over already.

    Args:
        name: the trouble, as `trouble_name` gives it.
        notice: what is told of the end.
        known: the trouble, if people were told of it.
        notifiers: all that are declared.
        now: the time.
    """
    if known is None or known.over is not None:
        return Decision()
    over = replace(
        known,
        over=notice,
        owed=frozenset(known.told),
        changes=_changes(known, now),
        told=known.told,
    )
    if flaps(over, now):
        return Decision(troubles={name: over}, again=now + QUIET)
    return _tell_end(name, over, notifiers, now)


def settled(
    troubles: Mapping[str, Trouble], *, notifiers: Sequence[Notifier], now: datetime
) -> Decision:
    """Decide what time alone brings: troubles that are told again, ends that were owed, and what is forgotten."""
    letters: list[Letter] = []
    changed: dict[str, Trouble | None] = {}
    moments: list[datetime] = []
    for name, trouble in troubles.items():
        one = _settled(name, trouble, notifiers, now)
        letters += one.letters
        changed |= one.troubles
        moments += [] if one.again is None else [one.again]
    return Decision(letters=tuple(letters), troubles=changed, again=min(moments, default=None))


def flaps(trouble: Trouble, now: datetime) -> bool:
    """Say whether a trouble comes and goes."""
    return sum(now - change < FLAPPING for change in trouble.changes) >= FLAPS


def _settled(name: str, trouble: Trouble, notifiers: Sequence[Notifier], now: datetime) -> Decision:
    if trouble.over is None:
        return _remind(name, trouble, notifiers, now)
    last = trouble.changes[-1] if trouble.changes else trouble.since
    if trouble.owed:
        told = _tell_end(name, trouble, notifiers, now) if now >= last + QUIET else None
        return told or Decision(again=last + QUIET)
    forget = last + FLAPPING
    return Decision(troubles={name: None}) if now >= forget else Decision(again=forget)


def _remind(name: str, trouble: Trouble, notifiers: Sequence[Notifier], now: datetime) -> Decision:
    """Tell of a trouble that stands again, to those who want that and were told before."""
    told = dict(trouble.told)
    hear = [one for one in wanting(trouble.notice, notifiers) if _receiver(one) in told]
    due = [one for one in hear if _is_time(told[_receiver(one)], one, now)]
    told |= {_receiver(one): now for one in due}
    moments = [
        told[_receiver(one)] + timedelta(seconds=one.repeat)
        for one in hear
        if one.repeat is not None
    ]
    notice = replace(trouble.notice, title=f"still: {trouble.notice.title}")
    return Decision(
        letters=tuple(_letter(notice, one, now, mark=now.isoformat()) for one in due),
        troubles={name: replace(trouble, told=told)} if due else {},
        again=min(moments, default=None),
    )


def _tell_end(
    name: str, trouble: Trouble, notifiers: Iterable[Notifier], now: datetime
) -> Decision:
    """Tell the end to those who are owed it; a notifier that is gone, or does not want ends, is owed none."""
    end = trouble.over
    if end is None:
        return Decision()
    hear = [one for one in wanting(end, notifiers) if _receiver(one) in trouble.owed]
    return Decision(
        letters=tuple(_letter(end, one, now, mark=now.isoformat()) for one in hear),
        troubles={name: replace(trouble, owed=frozenset(), told={})},
        again=now + FLAPPING,
    )


def _still_told(known: Trouble | None) -> dict[str, datetime]:
    """Give who believes that a trouble stands: after its end those who were not told of that."""
    if known is None:
        return {}
    if known.over is None:
        return dict(known.told)
    return {receiver: known.told[receiver] for receiver in known.owed if receiver in known.told}


def _is_time(told: datetime | None, notifier: Notifier, now: datetime) -> bool:
    if told is None:
        return True
    return notifier.repeat is not None and now - told >= timedelta(seconds=notifier.repeat)


def _changes(known: Trouble | None, now: datetime) -> tuple[datetime, ...]:
    before = () if known is None else known.changes
    return (*before, now)[-CHANGES:]


def _receiver(notifier: Notifier) -> str:
    return f"{RECEIVER}{notifier.name}"


def _letter(notice: Notice, notifier: Notifier, now: datetime, *, mark: str) -> Letter:
    """Write a letter; one notice to one receiver has one id however often it is posted, if `mark` is the same."""
    receiver = _receiver(notifier)
    name = f"{notice.id}\n{notice.occasion}\n{receiver}\n{mark}"
    return Letter(
        id=letter_id(name),
        receiver=receiver,
        created_at=now,
        due=now + WINDOW,
        notices=(notice,),
    )


def letter_id(name: str) -> str:
    """Make the id of a letter from what tells it apart."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:24]
