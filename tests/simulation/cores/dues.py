"""The game of schedules: each due time gets one row and at most one run, whatever dies, stands still or is set.

The core is `pending`, which says what is to be fired; claims and promises are made in the order of the reconciler, and the process dies
between any two of them. Due times are listed by other means than the core has.
"""

import functools
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from controller.model.schedule import Schedule
from controller.model.serving import Due
from controller.planning.schedules import MOST_MISSED, Pending, pending
from tests.faults.oracle import demand, some
from tests.simulation.cores.fuse import Died, Fuse
from tests.simulation.cores.menu import Menu

BERLIN: Final = ZoneInfo("Europe/Berlin")
GAPS: Final = frozenset({date(2026, 3, 29), date(2027, 3, 28)})
STARTS: Final = (
    datetime(2026, 3, 20, 11, 30, tzinfo=UTC),
    datetime(2026, 10, 18, 11, 30, tzinfo=UTC),
)
DAYS: Final = 150
LONG: Final = 500_000.0
"""Seconds of a standstill after which more hourly due times were missed than are told one by one."""
SCHEDULES: Final = {
    "hourly": Schedule(cron="0 * * * *", timezone="UTC"),
    "nightly": Schedule(cron="30 2 * * *", timezone="Europe/Berlin"),
    "often": Schedule(every=21_600.0),
}
HEALED: Final = 12
"""Looks, two hours apart, after which nothing is owed any more: longer than any clock was set back."""


@functools.cache
def expected(name: str, start: datetime) -> tuple[datetime, ...]:
    """List the due times of some months."""
    hours = {"hourly": 1, "often": 6}.get(name)
    if hours is not None:
        first = datetime(start.year, start.month, start.day, tzinfo=UTC)
        return tuple(first + timedelta(hours=n) for n in range(0, 24 * DAYS, hours))
    days = (start.date() + timedelta(days=n) for n in range(DAYS))
    return tuple(_night(day) for day in days)


def _night(day: date) -> datetime:
    """Half past two in Berlin: the first of two, and three where there is none."""
    hour, minute = (3, 0) if day in GAPS else (2, 30)
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=BERLIN).astimezone(UTC)


@dataclass(slots=True)
class Marks:
    """What outlives the process: rows by due time, which run is owed, and the runs."""

    since: datetime | None = None
    rows: dict[datetime, Due] = field(default_factory=dict)
    owed: tuple[datetime, str] | None = None
    runs: dict[str, datetime] = field(default_factory=dict)
    uncounted: list[tuple[datetime, datetime]] = field(default_factory=list)
    """Between which rows due times were missed that have none, as the later row says."""
    fuse: Fuse = field(default_factory=Fuse)

    @property
    def last(self) -> Due | None:
        """The row of the latest due time."""
        return self.rows[max(self.rows)] if self.rows else None

    def claim(self, row: Due, *, uncounted_after: datetime | None = None) -> bool:
        """Write what becomes of a due time, once; and after which one there are more that have no row."""
        if row.due in self.rows:
            self.fuse.write(lambda: None)
            return False

        def write() -> None:
            self.rows[row.due] = row
            if uncounted_after is not None:
                self.uncounted.append((uncounted_after, row.due))

        self.fuse.write(write)
        return True

    def promise(self, owed: tuple[datetime, str] | None) -> None:
        """Write down which run is owed."""
        self.fuse.write(lambda: setattr(self, "owed", owed))

    def record(self, run: str, due: datetime) -> None:
        """Record a run."""
        demand(run not in self.runs, "G14", f"run {run} of {due} is recorded twice")
        self.fuse.write(lambda: self.runs.setdefault(run, due))


class DuesGame:
    """One schedule through some weeks."""

    def __init__(
        self,
        rng: Random,
        *,
        marks_of: Callable[[], Marks] = Marks,
    ) -> None:
        self.happened: Counter[str] = Counter()
        self._rng = rng
        self._name = rng.choice(sorted(SCHEDULES))
        self._schedule = SCHEDULES[self._name]
        self._start = rng.choice(STARTS)
        self._now = self._start
        self._latest = self._start
        self._marks = marks_of()
        self._up = True
        self._held = self._busy = False
        self._made = 0
        self._times = expected(self._name, self._start)
        self._due = frozenset(self._times)
        self._first: datetime | None = None
        acts = {
            "look": (30, self._look),
            "wait": (30, lambda: self._wait(rng.choice((5.0, 600.0, 3600.0, 9000.0)))),
            "stand still": (1, lambda: self._wait(LONG)),
            "die": (2, self._die),
            "die soon": (4, self._die_soon),
            "start": (6, self._begin),
            "set clock": (2, self._set_clock),
            "hold": (1, self._toggle_hold),
            "busy": (2, self._toggle_busy),
        }
        self._menu = Menu(rng, acts)

    def play(self) -> None:
        act = self._menu.draw(self.happened)
        try:
            act()
        except Died:
            self.happened["died at a write"] += 1
            self._die()

    def close(self) -> None:
        """Nothing is held."""

    def heal(self) -> None:
        self._held = self._busy = False
        self._begin()
        for _ in range(HEALED):
            self._look()
            self._wait(7200.0)
        rows, runs = self._marks.rows, self._marks.runs
        demand(self._marks.owed is None, "I9", f"a run is still owed: {self._marks.owed}")
        first = self._first or self._now
        wanted = {at for at in self._due if first < at <= self._latest - timedelta(hours=2)}
        gaps = self._marks.uncounted
        missing = {at for at in wanted - rows.keys() if not any(a < at < b for a, b in gaps)}
        demand(not missing, "G14", f"{self._name}: nothing became of {some(missing)}")
        fired = {row.run: due for due, row in rows.items() if row.outcome == "fired"}
        demand(fired == runs, "G14", f"{self._name}: fired {some(fired)}, runs {some(runs)}")
        self.happened["fired"] += len(fired)
        self.happened["missed"] += sum(row.outcome == "missed" for row in rows.values())
        self.happened["left uncounted"] += len(gaps)
        self.happened["skipped"] += sum(row.outcome == "skipped" for row in rows.values())

    # what the reconciler does

    def _look(self) -> None:
        if not self._up:
            return
        self._latest = max(self._latest, self._now)
        since = self._since()
        if self._pay():
            return
        found = pending(self._schedule, self._marks.last, since, self._now)
        self._hold_laws(found, since)
        if found.fire is not None:
            self._fire(found, found.fire)

    def _since(self) -> datetime:
        if self._marks.since is None or self._marks.since > self._now:
            self._marks.since = self._now
            self._first = self._first or self._now
        return self._marks.since

    def _pay(self) -> bool:
        """Record the run that a process owed which died; say whether that has to wait."""
        if self._marks.owed is None:
            return False
        due, run = self._marks.owed
        row = self._marks.rows.get(due)
        if row is not None and row.run == run and run not in self._marks.runs:
            if self._held:
                return True
            self._marks.record(run, due)
        self._marks.promise(None)
        return False

    def _fire(self, found: Pending, due: datetime) -> None:
        if self._busy or self._held:
            self._miss(found, None)
            self._claim(due, "skipped", None)
            return
        self._made += 1
        run = f"r{self._made}"
        self._marks.promise((due, run))
        self._miss(found, run)
        if self._claim(due, "fired", run):
            self._marks.record(run, due)
        self._marks.promise(None)

    def _miss(self, found: Pending, run: str | None) -> None:
        last = self._marks.last
        for number, due in enumerate(found.missed):
            uncounted = number == 0 and found.uncounted
            after = None if not uncounted else self._first if last is None else last.due
            self._claim(due, "missed", run, after)

    def _claim(
        self, due: datetime, outcome: str, run: str | None, uncounted_after: datetime | None = None
    ) -> bool:
        row = Due(target=self._name, due=due, at=self._now, outcome=outcome, run=run)
        return self._marks.claim(row, uncounted_after=uncounted_after)

    def _hold_laws(self, found: Pending, since: datetime) -> None:
        told = [*found.missed, *([found.fire] if found.fire else [])]
        odd = [at for at in told if at not in self._due]
        demand(not odd, "due times", f"{self._name} has none at {some(odd)}")
        early = [at for at in told if at > self._now]
        demand(not early, "due times", f"{self._name}: {some(early)} is not due at {self._now}")
        demand(told == sorted(set(told)), "due times", f"{self._name}: {told} is no order")
        demand(len(told) <= MOST_MISSED + 1, "G17", f"{len(told)} due times at once")
        last = self._marks.last
        after = since if last is None else max(since, last.due)
        owed = bisect_right(self._times, self._now) - bisect_right(self._times, after)
        cut = owed > MOST_MISSED + 1
        demand(found.uncounted == cut, "G14", f"{owed} are due, {len(told)} told, more: not {cut}")
        demand(not cut or len(told) == MOST_MISSED + 1, "G14", f"{len(told)} told of {owed}")
        comes = found.next
        good = comes is not None and comes in self._due and comes > self._now
        demand(good, "due times", f"{self._name}: after {self._now} comes {comes}")

    # what happens

    def _wait(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)

    def _die(self) -> None:
        self._up = False
        self._marks.fuse.put_out()

    def _die_soon(self) -> None:
        self._marks.fuse.light(self._rng.randint(1, 5), after=self._rng.random() < 0.5)

    def _begin(self) -> None:
        self._up = True
        self._marks.fuse.put_out()

    def _set_clock(self) -> None:
        self._now += timedelta(seconds=self._rng.choice((-7000.0, -61.0, -1.0, 1.0, 61.0, 7000.0)))

    def _toggle_hold(self) -> None:
        self._held = not self._held

    def _toggle_busy(self) -> None:
        self._busy = not self._busy
