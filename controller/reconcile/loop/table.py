"""The visible list of what is reconciled by what.

Given to the worker by `service`. A reconciler decides from records whether its time has come, so that adding a key is always harmless, and says how it
ended: `Done`, or `After` a known time for a reason.
"""

from collections.abc import Mapping
from typing import Final

from controller.reconcile.loop import (
    config,
    expiring,
    outbox,
    repos,
    retention,
    runs,
    schedules,
    servers,
    targets,
)
from controller.reconcile.loop.keys import Kind
from controller.reconcile.loop.worker import Reconciler

TABLE: Final[Mapping[Kind, Reconciler]] = {
    Kind.CONFIG: config.reconcile,
    Kind.REPO: repos.reconcile,
    Kind.SERVER: servers.reconcile,
    Kind.TARGET: targets.reconcile,
    Kind.RUN: runs.reconcile,
    Kind.SCHEDULE: schedules.reconcile,
    Kind.OUTBOX: outbox.reconcile,
    Kind.EXPIRY: expiring.reconcile,
    Kind.RETENTION: retention.reconcile,
}
