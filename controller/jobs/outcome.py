"""How an attempt ended, read from the server's word.

Pure. Called by `attempt`; the words of the server are not trusted: bounded here, masked by the caller.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from controller.jobs.ledger import Note
from controller.jobs.machine import Signal
from controller.jobs.outputs import parse_outputs
from controller.model.job import Attempt, State
from controller.transport.port import AttemptStatus, Ending

NEVER: Final = "it was never started"
FORGOTTEN: Final = "the server no longer knows of it"
WORDS: Final = 500
"""Characters of a server's message that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of an attempt; `stored` is up to where its output was stored."""

    signal: Signal
    exit_code: int | None = None
    reason: str | None = None
    length: int | None = None
    sha256: str | None = None
    stored: int | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def may_be_tried_again(self) -> bool:
        """Whether `retries` speak of such an end: it failed or its time ran out, and that is certain."""
        return self.signal in {Signal.FAIL, Signal.TIME_OUT}

    @property
    def cut_off(self) -> bool:
        """Whether nothing of it runs any more, and nobody knows how far it came."""
        return self.signal is Signal.INTERRUPT or self.reason == FORGOTTEN

    @property
    def unstarted(self) -> bool:
        """Whether it is proven that nothing of it ever ran, so that it may be sent again under another id."""
        return self.signal is Signal.CANCEL and never(self.reason)

    def of_attempt(self, step: str, number: int) -> Note:
        """Give the last line about the attempt."""
        return Note(
            signal=self.signal,
            step=step,
            attempt=number,
            exit_code=self.exit_code,
            reason=self.reason,
            length=self.length,
            sha256=self.sha256,
            stored=self.stored,
        )

    def of_step(self, step: str) -> Note:
        """Give the last line about the step, when this was its last attempt."""
        return Note(
            signal=self.signal,
            step=step,
            exit_code=self.exit_code,
            reason=self.reason,
            outputs=self.outputs,
        )


def never(reason: str | None) -> bool:
    """Say whether an attempt ended because it never began."""
    return reason is not None and reason.startswith(NEVER)


def lost(reason: str) -> Outcome:
    """Say that nobody answers for an attempt."""
    return Outcome(signal=Signal.LOSE, reason=reason)


def remembered(attempt: Attempt) -> Outcome:
    """Give the end of an attempt as the ledger has it."""
    return Outcome(
        signal=_SIGNALS[attempt.state],
        exit_code=attempt.exit_code,
        reason=attempt.reason,
        length=attempt.length,
        sha256=attempt.sha256,
        stored=attempt.stored,
    )


_SIGNALS: Final = {
    State.SUCCEEDED: Signal.SUCCEED,
    State.FAILED: Signal.FAIL,
    State.TIMED_OUT: Signal.TIME_OUT,
    State.CANCELLED: Signal.CANCEL,
    State.INTERRUPTED: Signal.INTERRUPT,
}


def interrupted(status: AttemptStatus, stored: int | None) -> Outcome:
    """Say that the server rebooted under an attempt, or that its supervisor vanished."""
    reason = status.message[:WORDS] or "the server rebooted, or the attempt's supervisor was killed"
    return Outcome(
        signal=Signal.INTERRUPT, reason=reason, length=status.length or None, stored=stored
    )


def ended(status: AttemptStatus, stored: int) -> Outcome:
    """Read the end of an attempt whose exit file is there."""
    if status.ending is Ending.UNSTARTED:
        why = f"{NEVER}: {status.message[:WORDS]}" if status.message else NEVER
        return Outcome(signal=Signal.CANCEL, reason=why)
    outputs = parse_outputs(status.outputs)
    remarks = [status.message[:WORDS]] if status.message else []
    if status.out_of_memory:
        remarks.append("out of memory: the kernel ended processes of it")
    if status.incomplete:
        remarks.append(f"processes may be left: {status.incomplete[:WORDS]}")
    if outputs.refused:
        remarks.append(f"{outputs.refused} lines of CTL_OUTPUT are not outputs")
    return Outcome(
        signal=_signal(status),
        exit_code=status.exit_code,
        reason="; ".join(remarks) or None,
        length=status.length,
        sha256=status.sha256,
        stored=stored,
        outputs=outputs.values,
    )


def _signal(status: AttemptStatus) -> Signal:
    match status.ending:
        case Ending.TIMEOUT:
            return Signal.TIME_OUT
        case Ending.STOP:
            return Signal.CANCEL
        case Ending.EXIT if status.exit_code == 0:
            return Signal.SUCCEED
        case _:
            return Signal.FAIL
