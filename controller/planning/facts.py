"""Gates that are facts: what is known of server, repo and earlier tries. Nobody passes over most of them.

Called by `gates`.
"""

from controller.errors import Unreachable
from controller.model.job import State
from controller.model.plan import Blocker, Gate
from controller.planning.question import Question


def inactive(question: Question) -> Blocker | None:
    """Hold what runs on a server, or from a repo, that is switched off."""
    subject = question.subject
    for kind, thing in (("server", subject.server), ("repo", subject.repo)):
        if thing is not None and not thing.active:
            said, clear = "is inactive", f"set active: true on {kind} {thing.name}"
            if thing.needs_flag is not None:
                said, clear = "may not be touched by this controller", thing.needs_flag
            place = f"{thing.place.file}:{thing.place.line}"
            return Blocker(
                gate=Gate.INACTIVE, message=f"{kind} {thing.name} {said} ({place})", clear=clear
            )
    return None


def source(question: Question) -> Blocker | None:
    """Hold while the repo's newest commit is not taken."""
    return question.subject.refused


def lock(question: Question) -> Blocker | None:
    """Hold while another run has the target there."""
    holder = question.subject.holder
    if holder is None:
        return None
    return Blocker(
        gate=Gate.LOCK,
        message=f"locked by {holder.who} since {holder.since:%H:%M} UTC (run {holder.run})",
        clear="wait until that run has ended",
    )


def offline(question: Question) -> Blocker | None:
    """Hold while the server does not answer."""
    seen = question.subject.seen
    if seen is None or seen.reached:
        return None
    cause = "no answer" if seen.cause is None else str(seen.cause)
    trust = seen.cause is Unreachable.HOST_KEY
    return Blocker(
        gate=Gate.OFFLINE,
        message=f"{seen.message} ({cause})" if seen.message else cause,
        clear=f"ctl trust {seen.server}" if trust else f"ctl check server {seen.server}",
    )


def last_failed(question: Question) -> Blocker | None:
    """Hold what failed with exactly these inputs, until one changes or a person retries."""
    subject = question.subject
    tried = None if subject.record is None else subject.record.tried
    if tried is None or subject.desired != tried.digest or subject.key in question.policy.retry:
        return None
    if tried.state not in {State.FAILED, State.TIMED_OUT}:
        return None
    how = "failed" if tried.state is State.FAILED else "timed out"
    return Blocker(
        gate=Gate.LAST_FAILED,
        message=f"run {tried.run} of exactly these inputs {how} at {tried.at:%Y-%m-%d %H:%M} UTC",
        clear="change an input, or: ctl jobs retry JOB (ctl jobs list names it)",
    )


def lost(question: Question) -> Blocker | None:
    """Hold while nobody knows how an attempt ended."""
    subject = question.subject
    tried = None if subject.record is None else subject.record.tried
    if tried is None or tried.state is not State.LOST:
        return None
    return Blocker(
        gate=Gate.LOST,
        message=f"nobody knows how run {tried.run} ended there",
        clear="look at the server, then: ctl jobs resolve JOB --as succeeded|failed --reason TEXT",
    )
