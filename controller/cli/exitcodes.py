"""The one table of exit codes, as data, and the functions that choose from it.

Called by every command; `ctl help exit-codes` prints the table. Pure.
"""

from enum import IntEnum
from typing import Final

from controller.errors import ControllerError, RefusedError, UsageError
from controller.model.plan import Gate, Summary
from controller.reconcile.exchange.reports import RunReport


class ExitCode(IntEnum):
    """How a command ended, for the program that called it."""

    DONE = 0
    ERROR = 1
    CHANGES = 2  # of a plan
    FAILED = 2  # of work
    DRIFT = 3  # of a plan
    UNREACHABLE = 3  # of work
    REFUSED = 4
    HALTED = 5
    WAITING = 6
    USAGE = 64
    INTERRUPTED = 130


TABLE: Final[tuple[tuple[int, str, str], ...]] = (
    (0, "done, or nothing to do", "done, or nothing to do"),
    (1, "error", "error before anything was touched"),
    (2, "with --detailed-exitcode: changes pending", "at least one server failed"),
    (3, "with --detailed-exitcode: only drift", "some servers unreachable, none failed"),
    (
        4,
        "with --detailed-exitcode: something blocked or unknown",
        "refused: stale plan, lock, gate, permission, or the answer was not yes",
    ),
    (5, "", "halted by the failure limit"),
    (6, "", "the time to wait ran out, or its controller is gone; the work goes on"),
    (64, "wrong usage", "wrong usage"),
    (130, "interrupted", "interrupted; the work goes on"),
)
"""Code, what it means for `plan` and `status`, what it means for `apply`, `run` and `jobs retry`."""

_QUIET_GATES: Final = frozenset({Gate.INACTIVE, Gate.SUSPENDED})
"""Gates that hold a pair by its owner's wish: not a failure of an apply."""


class GoesOnError(ControllerError):
    """Whoever waits for work hears no more of it; it was recorded, and goes on."""

    reference = "controller-unreachable"


def of_error(error: ControllerError) -> ExitCode:
    """Choose the code of an error."""
    if isinstance(error, GoesOnError):
        return ExitCode.WAITING
    if isinstance(error, UsageError):
        return ExitCode.USAGE
    if isinstance(error, RefusedError):
        return ExitCode.REFUSED
    return ExitCode.ERROR


def of_plan(summary: Summary, *, detailed: bool) -> ExitCode:
    """Choose the code of a plan that could be made."""
    if not detailed:
        return ExitCode.DONE
    if summary.add or summary.change or summary.remove or summary.run:
        return ExitCode.CHANGES
    if summary.drifted:
        return ExitCode.DRIFT
    if summary.blocked or summary.unknown:
        return ExitCode.REFUSED
    return ExitCode.DONE


def of_report(report: RunReport) -> ExitCode:
    """Choose the code of work that was carried out."""
    held = bool(report.refused) or any(
        c.blocked_by and c.blocked_by.gate not in _QUIET_GATES for c in report.held
    )
    rules = (
        (bool(report.halted), ExitCode.HALTED),
        (bool(report.summary.failed or report.troubles), ExitCode.FAILED),
        (bool(report.summary.unreachable), ExitCode.UNREACHABLE),
        (report.waiting, ExitCode.WAITING),
        (held or bool(report.refused), ExitCode.REFUSED),
    )
    return next((code for holds, code in rules if holds), ExitCode.DONE)
