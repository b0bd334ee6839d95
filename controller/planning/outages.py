"""Servers that cannot be spared: groups whose `max_unavailable` is used up, and rollouts that were halted.

Called by `circumstances` and `orders`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from controller.model.amount import Amount
from controller.model.applied import Applied, Tried
from controller.model.declaration import Target
from controller.model.ids import Digest
from controller.model.inventory import Group, Inventory
from controller.model.job import State
from controller.model.plan import Blocker, Gate
from controller.planning.inputs import Observed
from controller.planning.order import natural
from controller.planning.subject import record_of

BROKEN: Final = frozenset({State.FAILED, State.TIMED_OUT})
EVERYBODY: Final = "all"
AWAY: Final = "(not reached)"
NAMED: Final = 3
"""So many servers are named before the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A group of which only `limit` servers may be unavailable; `out` says by server why it is."""

    group: str
    servers: frozenset[str]
    limit: int
    out: Mapping[str, str]

    def holds(self, server: str) -> Blocker | None:
        """Say why one more server of the group must wait; its own state does not count."""
        others = [name for name in self.out if name != server]
        if len(others) < self.limit:
            return None
        return Blocker(
            gate=Gate.BUDGET,
            message=f"group {self.group} may lack {self.limit} of {len(self.servers)} servers, and lacks "
            + self._named(others),
            clear=self._clear(others),
        )

    def _clear(self, others: list[str]) -> str:
        """Say what helps: a look at a server helps where it was not reached, not where its last try failed."""
        if not others:
            return f"raise max_unavailable of group {self.group}"
        away = next((name for name in others if self.out[name] == AWAY), None)
        if away is not None:
            return f"ctl check server {away}"
        return f"ctl apply --override {Gate.BUDGET} --reason TEXT"

    def _named(self, others: list[str]) -> str:
        if not others:
            return "none"
        named = ", ".join(f"{name} {self.out[name]}" for name in others[:NAMED])
        more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
        return f"{len(others)}: {named}{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """A rollout that reached its `max_failures`; `failed` are the servers that made it so."""

    failed: frozenset[str]
    blocker: Blocker


def members(inventory: Inventory, name: str) -> frozenset[str]:
    """List the servers of a group, those of its children included."""
    if name == EVERYBODY:
        return frozenset(inventory.servers)
    found: set[str] = set()
    waiting, known = [name], {name}
    while waiting:
        group = inventory.groups.get(waiting.pop(), Group(name=""))
        found.update(group.servers)
        fresh = [child for child in group.children if child not in known]
        known.update(fresh)
        waiting += fresh
    return frozenset(found)


def limited(inventory: Inventory) -> Iterator[tuple[str, frozenset[str], int]]:
    """List the groups that have a limit: name, servers, and how many of them may be unavailable."""
    for name, group in inventory.groups.items():
        if group.max_unavailable is not None:
            servers = members(inventory, name)
            yield name, servers, _limit(group.max_unavailable, len(servers))


def outages(inventory: Inventory, observed: Observed) -> tuple[Outage, ...]:
    """Look at every group that has a limit."""
    groups = tuple(limited(inventory))
    broken = _broken(observed) if groups else frozenset()
    return tuple(
        Outage(group=name, servers=servers, limit=limit, out=_out(servers, observed, broken))
        for name, servers, limit in groups
    )


def down(servers: Iterable[str], observed: Observed) -> frozenset[str]:
    """Pick the servers that were not reached."""
    seen = observed.servers
    return frozenset(name for name in servers if name in seen and not seen[name].reached)


def failures(target: Target, wanted: frozenset[Digest], observed: Observed) -> dict[str, Tried]:
    """List the servers on which exactly what is wanted failed; `wanted` are the target's desired digests."""
    found: dict[str, Tried] = {}
    for server in target.members:
        record = record_of(observed, (target.name, server), observed.servers.get(server))
        tried = _failed(record)
        if tried is not None and tried.digest in wanted:
            found[server] = tried
    return found


def halt(target: Target, failed: Mapping[str, Tried]) -> Halt | None:
    """Say whether a rollout has reached its limit of failures."""
    if target.rollout is None:
        return None
    limit = target.rollout.max_failures.of(len(target.members))
    if len(failed) <= limit:
        return None
    run = max(failed.values(), key=lambda tried: (tried.at, tried.run)).run
    blocker = Blocker(
        gate=Gate.BUDGET,
        message=f"rollout halted in run {run}: it failed on {len(failed)} servers, max_failures is "
        f"{target.rollout.max_failures}",
        clear=f"ctl apply --resume {run}",
    )
    return Halt(failed=frozenset(failed), blocker=blocker)


def _limit(amount: Amount, total: int) -> int:
    """Count a limit; a share of a small group is one server at least, or nothing could ever run."""
    return amount.of(total, least=1 if amount.percent and amount.number else 0)


def _out(servers: frozenset[str], observed: Observed, broken: frozenset[str]) -> dict[str, str]:
    away = down(servers, observed)
    return {
        name: AWAY if name in away else "(its last try failed)"
        for name in sorted(away | (servers & broken), key=natural)
    }


def _broken(observed: Observed) -> frozenset[str]:
    seen = observed.servers
    # Of very many records few have a try: only of those is asked which record counts.
    keys = {key for key, record in observed.records.items() if record.tried is not None}
    for name, one in seen.items():
        marked = one.markers.items()
        keys.update((target, name) for target, marker in marked if marker.record.tried is not None)
    return frozenset(
        key[1] for key in keys if _failed(record_of(observed, key, seen.get(key[1]))) is not None
    )


def _failed(record: Applied | None) -> Tried | None:
    tried = None if record is None else record.tried
    return tried if tried is not None and tried.state in BROKEN else None
