"""Everything `ctl get` may speak of."""

from dataclasses import dataclass

from controller.model.declaration import Declaration
from controller.reconcile.exchange.status import Sightings


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything `get` may speak of."""

    declared: Declaration
    seen: Sightings
