"""What the walk has found so far: one frozen record that grows from step to step."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.declaration.inputs import Sourced
from controller.model.applied import Applied
from controller.model.compared import Compared
from controller.model.declaration import Declaration
from controller.model.diagnostic import Diagnostic
from controller.model.ids import Digest
from controller.model.observation import ServerSeen
from controller.model.plan import Blocker, Plan
from controller.model.revision import Revision
from controller.model.scope import Scope
from controller.model.standing import Standing
from controller.model.tree import Tree
from controller.model.work import Pair
from controller.planning.inputs import PairKey
from controller.reconcile.exchange.requests import PlanRequest
from controller.reconcile.rooms import Reach

EMPTY_PLAN_DIGEST = Digest("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Fields are filled in the order of the steps; a step reads only what stands above its own.

    `by_hand` is false where the loop of `serve` plans: nothing is named then, and what is found is acted on. `narrow`: of records and
    observations only what is about the targets in scope is read.
    """

    request: PlanRequest = field(default_factory=PlanRequest)
    by_hand: bool = True
    narrow: bool = False
    retry: frozenset[PairKey] = frozenset()
    resuming: frozenset[str] = frozenset()
    revision: Revision | None = None
    dirty: tuple[str, ...] = ()
    tree: Tree | None = None
    declaration: Declaration = field(default_factory=Declaration)
    diagnostics: tuple[Diagnostic, ...] = ()
    reach: Reach | None = None
    scope: Scope = field(default_factory=Scope)
    standing: Standing = field(default_factory=Standing)
    heads: Mapping[str, Revision] = field(default_factory=dict)
    blocked: Mapping[str, Blocker] = field(default_factory=dict)
    sources: Mapping[str, Sourced] = field(default_factory=dict)
    pairs: tuple[Pair, ...] = ()
    records: Mapping[PairKey, Applied] = field(default_factory=dict)
    servers: Mapping[str, ServerSeen] = field(default_factory=dict)
    compared: Mapping[PairKey, Mapping[str, Compared]] = field(default_factory=dict)
    serial: int = 0
    timezone: str = "UTC"
    plan: Plan | None = None

    @property
    def contacts(self) -> bool:
        """Whether servers are opened: only for a plan of the present."""
        asked = self.request
        return asked.refresh and asked.at is None and asked.between is None and asked.as_of is None
