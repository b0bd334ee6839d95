"""What the planner is told: wishes as values, what was seen, and what the person asked for.

`reconcile` gathers these and calls `planner.plan`; nothing here knows where they come from.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from controller.model.applied import Applied
from controller.model.compared import Compared
from controller.model.diagnostic import Diagnostic
from controller.model.ids import Sha
from controller.model.observation import ServerSeen
from controller.model.plan import Blocker
from controller.model.revision import Revision
from controller.model.scope import Scope
from controller.model.standing import Standing
from controller.model.work import Pair

PairKey = tuple[str, str]
"""(target, server)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What is wished.

    `pairs` are those in scope, resolved; `sources` holds the repo's commit by target name. `commit`, `author` and
    `subject` are of the configuration repository; `dirty` says that the work tree differs from `commit`. `secrets`
    maps pair to secret name to comparison. `blocked_sources` says by repo name why its newest commit is not taken.
    """

    pairs: tuple[Pair, ...] = ()
    sources: Mapping[str, Revision] = field(default_factory=dict)
    commit: Sha | None = None
    dirty: bool = False
    author: str | None = None
    subject: str | None = None
    secrets: Mapping[PairKey, Mapping[str, Compared]] = field(default_factory=dict)
    blocked_sources: Mapping[str, Blocker] = field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()
    """Findings the plan carries along, such as warnings of the loader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What is known.

    `records` are the applied records of the state, `servers` the last look at each server, now or earlier.
    `refreshed` says that this very command looked, so that every marker is newer than every record.
    `complete` says that the records are all there is, so that a pair without one is new wherever nobody looked: so for
    `--between`, where they are what another commit asked for.
    """

    records: Mapping[PairKey, Applied] = field(default_factory=dict)
    servers: Mapping[str, ServerSeen] = field(default_factory=dict)
    refreshed: bool = True
    complete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the person asked for.

    `filters` are the filters as typed, for people: {"limit": ..., "target": ...}. `heal` is `--heal`. `by_hand` is
    false under `serve`. Targets of `scope` count as named by `--target`, unless `named` says which do. `retry` holds
    pairs a person wants to run again whatever came of the last try. `full` asks for pairs in sync, too, as changes that do nothing. `expires`
    is how long a saved plan may be applied. `standing` is what people decided; `proved` says that whoever approved was
    proved by a token or a certificate. `overrides` maps a gate or a limit of the guard to the reason a person gave.
    `timezone` is the person's, for times in messages. `resuming` names targets whose halted rollout is gone on with.
    `serial` counts the runs of the state.
    """

    scope: Scope = field(default_factory=Scope)
    filters: Mapping[str, str] = field(default_factory=dict)
    heal: bool = False
    by_hand: bool = True
    retry: frozenset[PairKey] = frozenset()
    full: bool = False
    expires: timedelta = timedelta(hours=24)
    standing: Standing = field(default_factory=Standing)
    proved: bool = False
    overrides: Mapping[str, str] = field(default_factory=dict)
    timezone: str = "UTC"
    resuming: frozenset[str] = frozenset()
    serial: int = 0
    named: frozenset[str] | None = None
