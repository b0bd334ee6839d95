"""What people are told of, and the outbox in which it waits to be sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Occasion(StrEnum):
    """What a notifier can be asked to tell; `events:` of a notifier names these."""

    STARTED = "started"  # a run began
    SUCCEEDED = "succeeded"  # a run ended well
    FAILED = "failed"  # a run ended otherwise, or was halted
    RECOVERED = "recovered"  # what failed, drifted or was away is well again
    DRIFT = "drift"
    UNREACHABLE = "unreachable"  # a server is down
    EXPIRING = "expiring"  # a secret, token or certificate ends soon
    INVALID = "invalid"  # the newest declarations are refused
    APPROVAL = "approval"  # something waits for a yes
    STALLED = "stalled"  # something waits for a person, or is tried again and again in vain
    BEFORE_JOB = "before-job"
    AFTER_JOB = "after-job"
    BEFORE_STEP = "before-step"
    AFTER_STEP = "after-step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing that happened, as people are to be told of it.

    `subject` is what it is about, such as "target/shop", "server/web-1", "secret/forge-token"; notices of the same `group`
    (default: all servers, else the subject) are told together. `problem` is set while something is wrong and names the trouble, so that the
    same one is not told twice within `repeat`, and its end is told as RECOVERED. `facts` are for machines and templates:
    names, states, times, commits, counts; never output, commands or secrets. `lines` are for people.
    """

    id: str
    at: datetime
    occasion: Occasion
    subject: str
    title: str
    lines: tuple[str, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    group: str = ""
    problem: str | None = None
    target: str | None = None
    """The target whose `notify:` list chooses who hears of it; None: all notifiers that want the occasion."""


class Delivery(StrEnum):
    """Where one message to one receiver stands."""

    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"  # given up: refused for good, or tried too often
    MERGED = "merged"  # told as part of another message


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message to one receiver, in the outbox.

    `receiver` is "notifier/NAME" or "forge/REPO". `notices` are what it tells (more than one when they were grouped);
    `status` is a commit status for a forge instead: repo, commit, state, context, description.
    """

    id: str
    receiver: str
    created_at: datetime
    due: datetime
    notices: tuple[Notice, ...] = ()
    status: Mapping[str, str] = field(default_factory=dict)
    state: Delivery = Delivery.WAITING
    tries: int = 0
    sent_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A trouble that people were told of: what it is, who knows, and whether it is over.

    `notice` is the newest notice of it. `told` says by receiver when the newest letter about it was written; whoever is in it
    is told of the end, too. `changes` are the newest moments at which it began or ended, oldest first, at most 20: a
    trouble that comes and goes is told of less often. `over` is the notice of its end; it is kept for a while after that.
    `owed` are the receivers who were not told of the end yet.
    """

    notice: Notice
    since: datetime
    told: Mapping[str, datetime] = field(default_factory=dict)
    changes: tuple[datetime, ...] = ()
    over: Notice | None = None
    owed: frozenset[str] = frozenset()
