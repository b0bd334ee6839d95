"""Everything `ctl get` may speak of, at one moment."""

from dataclasses import dataclass
from datetime import datetime

from controller.model.declaration import Declaration
from controller.reconcile.exchange.requests import Sightings


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything `get` may speak of."""

    declared: Declaration
    seen: Sightings
    now: datetime
