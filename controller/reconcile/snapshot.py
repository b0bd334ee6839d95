"""What a serving controller knows, as it told of it at one moment: enough to plan a checkout elsewhere.

Read from the API by the faces; `fill` puts it onto a shelf that lasts for one command. Keys of secrets are not in it.
"""

from dataclasses import dataclass, field
from datetime import datetime

from controller.model.applied import Applied
from controller.model.observation import RepoSeen, ServerSeen
from controller.model.standing import Fact, Standing
from controller.store.ports import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Records, observations and decisions of the state named `state`, as of `at`."""

    state: str
    at: datetime
    records: tuple[Applied, ...] = ()
    servers: tuple[ServerSeen, ...] = ()
    repos: tuple[RepoSeen, ...] = ()
    standing: Standing = field(default_factory=Standing)


async def fill(store: Store, snapshot: Snapshot) -> None:
    """Put everything onto an empty shelf."""
    await store.records.put(snapshot.records)
    await store.observations.put_servers(snapshot.servers)
    for repo in snapshot.repos:
        await store.observations.put_repo(repo)
    standing = snapshot.standing
    facts: list[Fact] = [*standing.suspensions.values(), *standing.approvals]
    facts += [*standing.pins.values(), *standing.ignores]
    for fact in facts:
        await store.standings.put(fact)
