"""The planner: wishes and knowledge in, a plan with reasons out. Pure; it never waits and asks nobody.

Called by `reconcile`. Calls `verdict` for each pair, `removal` for pairs that are no longer declared, `summary` for
the numbers.
"""

from datetime import datetime

from controller.model.declaration import Declaration
from controller.model.plan import Plan
from controller.planning.gates import GateResult
from controller.planning.inputs import Inputs, Observed, PairKey, Policy


def plan(
    declaration: Declaration, inputs: Inputs, observed: Observed, policy: Policy, now: datetime
) -> Plan:
    """Say what would happen to every pair in scope, and why.

    Args:
        declaration: what the revision asks for.
        inputs: its pairs, resolved, and how secrets compare.
        observed: applied records and what was last seen of the servers.
        policy: scope and wishes of the person, or of the loop.
        now: the time of the plan, in UTC.
    """
    raise NotImplementedError


def why(
    declaration: Declaration, inputs: Inputs, observed: Observed, policy: Policy, pair: PairKey
) -> tuple[GateResult, ...]:
    """List the gates of one pair in order, as they answer now.

    Raises:
        NotFoundError: the declaration has no such target, or the target does not pick the server.
    """
    raise NotImplementedError
