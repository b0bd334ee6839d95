"""Who may have changed a path: what a server remembers, weighed.

Called by `reconcile`. Pure. A clue never says more than it can: a time can be forged, and whoever was logged in need not have
done it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from controller.model.applied import Applied
from controller.model.evidence import Clue, Command, Confidence, Evidence, Login, PathTimes

BEFORE: Final = timedelta(minutes=10)
AFTER: Final = timedelta(minutes=1)
"""How long before and after a change a command may have caused it: editors stay open, clocks of logs differ a little."""
MOST: Final = 5
"""Commands, and logins, that are named for one path."""
APART: Final = timedelta(seconds=2)
SUPERUSER: Final = "root"


def clues_of(path: str, evidence: Evidence) -> tuple[Clue, ...]:
    """Weigh what is known about the last change of a path, the strongest first."""
    times = evidence.paths.get(path)
    if times is None:
        return ()
    found = [
        *_of_times(times),
        *islice(_of_commands(path, times, evidence.commands), MOST),
        *islice(_of_logins(times, evidence.logins), MOST),
    ]
    return tuple(sorted(found, key=lambda clue: list(Confidence).index(clue.confidence)))


def clues_of_marker(stored: Applied | None, there: Applied | None) -> tuple[Clue, ...]:
    """Say what a marker tells that the state does not know: another controller was there, or the server is new."""
    if there is None:
        if stored is None or stored.applied is None:
            return ()
        said = "its marker is gone: the server was rebuilt, or somebody deleted it"
        return (Clue(confidence=Confidence.LIKELY, said=said),)
    if there.run is None or (stored is not None and stored.run == there.run):
        return ()
    when = "" if there.at is None else f" at {_text(there.at)}"
    said = f"run {there.run} by {there.by or 'somebody'}{when}, which this state does not know"
    return (Clue(confidence=Confidence.CERTAIN, said=said),)


def _of_times(times: PathTimes) -> Iterator[Clue]:
    if times.gone:
        said = f"gone; its folder was last changed at {_text(times.modified)}"
        yield Clue(confidence=Confidence.POSSIBLE, said=said)
        return
    said = f"last written at {_text(times.modified)}, owned by {times.owner}"
    yield Clue(confidence=Confidence.LIKELY, said=said)
    if times.changed - times.modified > APART:
        said = f"mode, owner or times were changed at {_text(times.changed)}"
        yield Clue(confidence=Confidence.LIKELY, said=said)


def _of_commands(path: str, times: PathTimes, commands: tuple[Command, ...]) -> Iterator[Clue]:
    near = [one for one in commands if any(_near(one.at, moment) for moment in _moments(times))]
    near.sort(key=lambda one: (path not in one.command, -one.at.timestamp()))
    for one in near:
        named = path in one.command
        yield Clue(
            confidence=Confidence.LIKELY if named else Confidence.POSSIBLE,
            said=f"{one.who} ran as {one.user} at {_text(one.at)}: {one.command}",
        )


def _of_logins(times: PathTimes, logins: tuple[Login, ...]) -> Iterator[Clue]:
    then = [one for one in logins if any(_during(one, moment) for moment in _moments(times))]
    owner = None if times.gone or times.owner == SUPERUSER else times.owner
    then.sort(key=lambda one: (one.who != owner, one.start))
    seen: set[tuple[str, str]] = set()
    for one in then:
        if (one.who, one.line) in seen:
            continue
        seen.add((one.who, one.line))
        origin = f" from {one.origin}" if one.origin else ""
        yield Clue(
            confidence=Confidence.LIKELY if one.who == owner else Confidence.POSSIBLE,
            said=f"{one.who} was logged in then{origin}, since {_text(one.start)}",
        )


def _moments(times: PathTimes) -> tuple[datetime, ...]:
    return (times.modified, times.changed)


def _near(at: datetime, moment: datetime) -> bool:
    return moment - BEFORE <= at <= moment + AFTER


def _during(login: Login, moment: datetime) -> bool:
    ended = login.end is not None and login.end + AFTER < moment
    return login.start <= moment + AFTER and not ended


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
