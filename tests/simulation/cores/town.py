"""Four machines, what is wished of them and what is known of them: the surroundings of the planner in a fleet game."""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime

from controller.model.amount import Amount
from controller.model.applied import Applied, Tried
from controller.model.declaration import Declaration
from controller.model.ids import Digest, RunId
from controller.model.inventory import Group
from controller.model.job import Job, State
from controller.model.observation import MarkerSeen, ServerSeen
from controller.model.plan import Plan
from controller.model.rollout import Rollout
from controller.model.standing import Standing, Suspension
from controller.model.work import Input, Pair, Work
from controller.planning import planner
from controller.planning.inputs import Inputs, Observed, PairKey, Policy
from tests.planning.world import declaration, server, target

SERVERS = ("web-1", "web-2", "web-3", "web-4")
ROLLOUT = Rollout(canary=1, batches=(Amount(number=2),), max_failures=Amount(number=1), pause=30.0)
SPARE = 2
"""Servers of the group that may be missing at once."""


def declared() -> Declaration:
    """Declare three targets: one in waves, one small, and one that comes after it; a group spares two servers."""
    made = declaration(
        target("api", *SERVERS, rollout=ROLLOUT),
        target("db", *SERVERS[:2]),
        target("shop", *SERVERS, after=("db",)),
        servers=tuple(server(name, groups=("web",)) for name in SERVERS),
    )
    group = Group(name="web", servers=SERVERS, max_unavailable=Amount(number=SPARE))
    return replace(made, inventory=replace(made.inventory, groups={"web": group}))


@dataclass(slots=True)
class Machine:
    """One server as it really is."""

    name: str
    down: bool = False
    markers: dict[str, Applied] = field(default_factory=dict)
    work: dict[str, str] = field(default_factory=dict)
    """Jobs that are being done, by target."""
    done: dict[str, State] = field(default_factory=dict)
    """Jobs that were done, and how that ended."""


@dataclass(slots=True)
class Town:
    """Machines, wishes and records."""

    declaration: Declaration = field(default_factory=declared)
    machines: dict[str, Machine] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    records: dict[PairKey, Applied] = field(default_factory=dict)
    seen: dict[str, ServerSeen] = field(default_factory=dict)
    suspended: dict[str, Suspension] = field(default_factory=dict)
    overrides: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.machines = {name: Machine(name) for name in SERVERS}
        self.versions = dict.fromkeys(self.declaration.targets, 1)

    def wanted(self, name: str) -> Work:
        """Give what is wished of a target now."""
        text = f"{name} {self.versions[name]}"
        digest = Digest(hashlib.sha256(text.encode()).hexdigest())
        return Work(task="deploy", digest=digest, inputs={"source": Input(digest=digest)})

    def look(self, name: str, now: datetime) -> None:
        """See a server."""
        machine = self.machines[name]
        if machine.down:
            self.seen[name] = ServerSeen(server=name, at=now, reached=False)
            return
        markers = {
            one: MarkerSeen(record=record, sha256=Digest("0" * 64))
            for one, record in machine.markers.items()
        }
        self.seen[name] = ServerSeen(server=name, at=now, reached=True, markers=markers)

    def plan(self, now: datetime) -> Plan:
        """Plan everything from what is known."""
        works = {name: self.wanted(name) for name in self.declaration.targets}
        pairs = tuple(
            Pair(target=name, server=member, work=works[name])
            for name, one in self.declaration.targets.items()
            for member in one.members
        )
        observed = Observed(records=dict(self.records), servers=dict(self.seen), refreshed=False)
        policy = Policy(
            by_hand=False,
            standing=Standing(suspensions=dict(self.suspended)),
            overrides=dict(self.overrides),
        )
        return planner.plan(self.declaration, Inputs(pairs=pairs), observed, policy, now)

    def known(self, key: PairKey) -> Applied | None:
        """Give what is known of a pair: the record, or the marker where that was read later."""
        record, seen = self.records.get(key), self.seen.get(key[1])
        times = [] if record is None else [record.at, record.tried.at if record.tried else None]
        written = max((at for at in times if at is not None), default=None)
        if seen is None or not seen.reached or (written is not None and written >= seen.at):
            return record
        marker = seen.markers.get(key[0])
        return None if marker is None else marker.record


def tried(before: Applied | None, job: Job, now: datetime, state: State | None = None) -> Applied:
    """Give the record of a pair while a job is at work on it, or did not end well."""
    base = before or Applied(target=job.target or "", server=job.server)
    return replace(base, tried=Tried(digest=job.digest, run=RunId(job.run), at=now, state=state))


def applied(job: Job, now: datetime) -> Applied:
    """Give the record of a pair after a job that ended well."""
    return Applied(
        target=job.target or "",
        server=job.server,
        applied=job.digest,
        manifest={"source": job.digest[:8]},
        at=now,
        run=RunId(job.run),
        task=job.task,
    )
