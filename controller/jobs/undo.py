"""The rendered undo of a pair in its marker, so that it can be done when nobody's state knows of it.

Pure. Called by `marker`. A marker comes from a server, and what it asks to be run runs on that server alone. But it must not be able
to ask for more than it has: an undo that uses secrets, or the tree of a repo, stays in the state, and one that turns up in
a marker is passed over. So is one whose times or numbers no declaration could have.
"""

import re
from dataclasses import replace
from typing import Final

import msgspec

from controller.model.ids import NAME
from controller.model.task import Retry
from controller.model.work import StepKind, StepWork, Work

LONGEST: Final = 365 * 86_400.0
"""Seconds of any time in it."""
MOST_STEPS: Final = 500
MOST_TRIES: Final = 1_000
STEEPEST: Final = 100.0
HEX64: Final = re.compile("[0-9a-f]{64}")
NO_UNDO: Final = msgspec.Raw(b"null")
KINDS: Final = frozenset({StepKind.COMMAND, StepKind.FILES})


def encode_undo(work: Work | None) -> msgspec.Raw:
    """Write an undo for a marker; `NO_UNDO` when there is none, or when it must not stand there."""
    if work is None or not _fit(work):
        return NO_UNDO
    files = tuple(replace(file, place=None) for file in work.files)
    return msgspec.Raw(msgspec.json.encode(replace(work, inputs={}, files=files), order="sorted"))


def decode_undo(raw: msgspec.Raw) -> Work | None:
    """Read an undo from a marker; None when there is none, or when it is not fit to be run."""
    try:
        work = msgspec.json.decode(raw, type=Work | None)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError):
        return None
    return work if work is not None and _fit(work) else None


def _fit(work: Work) -> bool:
    """Say whether an undo uses nothing but what its server has already, and is of a size that can be run."""
    return (
        HEX64.fullmatch(work.digest) is not None
        and not work.secrets
        and not work.masked
        and work.checkout is None
        and not any(file.secrets for file in work.files)
        and 0 < work.timeout <= LONGEST
        and 0 < len(work.steps) <= MOST_STEPS
        and len({step.name for step in work.steps}) == len(work.steps)
        and all(_fit_step(step) for step in work.steps)
    )


def _fit_step(step: StepWork) -> bool:
    """Say the same of one of its steps."""
    return (
        step.kind in KINDS
        and NAME.fullmatch(step.name.removeprefix("_")) is not None
        and (step.timeout is None or 0 < step.timeout <= LONGEST)
        and _fit_retry(step.retry)
    )


def _fit_retry(retry: Retry) -> bool:
    return (
        0 <= retry.limit <= MOST_TRIES
        and 0 <= retry.delay <= LONGEST
        and 0 < retry.backoff <= STEEPEST
    )
