"""Which letters go out now, as one message where they belong together, and what becomes of them after a try.

Pure. Called by the outbox. Letters to one receiver about one group go in their order: while one waits for a further try, those
after it wait with it, and then they go together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from controller.model.notice import Delivery, Letter, Notice
from controller.notify.deciding import SERVERS, group_of
from controller.notify.trouble import NotifyError

FIRST: Final = 10.0
"""Seconds before the second try, on average."""
LONGEST: Final = 3600.0
"""Seconds between two tries at most, unless the receiver asks for more."""
GIVEN_UP: Final = timedelta(hours=24)
"""After so long nothing is tried any more."""
TOGETHER: Final = 5000
"""Notices in one message; the next one takes the rest."""
SPACING: Final = timedelta(minutes=5)
"""Between two messages about servers to one receiver: an outage is found server by server, and is still one outage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Letters that are one message: the head takes what the others tell."""

    head: Letter
    merged: tuple[Letter, ...] = ()

    @property
    def letters(self) -> tuple[Letter, ...]:
        """All letters as they are to be kept before the message goes out."""
        return (self.head, *self.merged)


def bundles(waiting: Iterable[Letter]) -> tuple[Bundle, ...]:
    """Make messages of all letters that wait, the longest due first; each is due when its head is."""
    alike: dict[tuple[str, ...], list[Letter]] = {}
    for letter in sorted(waiting, key=lambda one: (one.created_at, one.id)):
        alike.setdefault(_likeness(letter), []).append(letter)
    made = (_statuses(same) if same[0].status else _notices(same) for same in alike.values())
    return tuple(sorted(made, key=lambda one: (one.head.due, one.head.created_at, one.head.id)))


def due_of(bundle: Bundle, last: datetime | None) -> datetime:
    """Say when a message goes out.

    Args:
        bundle: the message.
        last: when the last message about servers went to the same receiver, if that is known.
    """
    if last is None or not is_about_servers(bundle.head):
        return bundle.head.due
    return max(bundle.head.due, last + SPACING)


def is_about_servers(letter: Letter) -> bool:
    """Say whether a message is one of those that keep their distance."""
    return bool(letter.notices) and group_of(letter.notices[0]) == SERVERS


def sent(letter: Letter, now: datetime) -> Letter:
    """Note that a letter was taken."""
    return replace(
        letter, state=Delivery.SENT, tries=letter.tries + 1, sent_at=now, due=now, error=None
    )


def failed(letter: Letter, error: NotifyError, now: datetime, *, jitter: float) -> Letter:
    """Note that a letter was not taken: it is tried again later, or given up.

    Args:
        letter: what was tried.
        error: why it was not taken.
        now: the time.
        jitter: a random number from 0 to 1.
    """
    tried = replace(letter, tries=letter.tries + 1, error=error.message)
    due = now + timedelta(seconds=delay(tried.tries, jitter=jitter, asked=error.retry_after))
    if error.permanent or due > letter.created_at + GIVEN_UP:
        return replace(tried, state=Delivery.DEAD, due=now)
    return replace(tried, due=due)


def postponed(letter: Letter, due: datetime) -> Letter:
    """Let a letter wait with another one to the same receiver, which was not taken; that is no try of its own."""
    return replace(letter, due=max(letter.due, due))


def delay(tries: int, *, jitter: float, asked: float | None = None) -> float:
    """Say how many seconds after so many tries the next one comes.

    Args:
        tries: how many there were, from 1.
        jitter: a random number from 0 to 1, so that not all come back at once.
        asked: what the receiver asked for; never less than that.
    """
    longest = min(LONGEST, FIRST * 2.0 ** min(tries - 1, 16))
    return max(longest * (0.5 + jitter / 2), min(asked or 0.0, GIVEN_UP.total_seconds() * 2))


def _likeness(letter: Letter) -> tuple[str, ...]:
    if letter.status:
        of = letter.status
        return letter.receiver, of.get("repo", ""), of.get("commit", ""), of.get("context", "")
    return letter.receiver, group_of(letter.notices[0]) if letter.notices else ""


def _statuses(same: Sequence[Letter]) -> Bundle:
    """Send the newest of several statuses of one commit; those before it say nothing that still holds."""
    oldest, newest = same[0], same[-1]
    head = replace(newest, due=oldest.due) if oldest.tries else newest
    return Bundle(head=head, merged=tuple(_into(head, one) for one in same[:-1]))


def _notices(same: Sequence[Letter]) -> Bundle:
    head, notices, merged = same[0], list[Notice](same[0].notices), list[Letter]()
    for letter in same[1:]:
        if len(notices) + len(letter.notices) > TOGETHER:
            break
        notices += letter.notices
        merged.append(letter)
    whole = replace(head, notices=tuple(notices))
    return Bundle(head=whole, merged=tuple(_into(head, one) for one in merged))


def _into(head: Letter, letter: Letter) -> Letter:
    return replace(letter, state=Delivery.MERGED, error=f"told with {head.id}")
