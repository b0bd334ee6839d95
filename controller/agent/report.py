"""The report after the run of a script: what it was, when, how it ended, and what came out.

The daemon makes one when an attempt of a script has ended, keeps it beside the attempt as bytes, and gives it to whoever
asks by `get-report`; the controller keeps it with the job. Every part is bounded, so that a report always fits into one
frame, whatever a script says. Pure; it calls `wire` for the form.
"""

from __future__ import annotations

import re

from controller.agent.errors import AgentError
from controller.agent.script import Offered
from controller.execution.ending import Ending
from controller.execution.status import End
from controller.wire.codec import pack, read_message, unpack
from controller.wire.errors import ProtocolError
from controller.wire.messages.server import Report
from controller.wire.record import record

MOST_RESULT = 512 << 10
"""Bytes of output in a report; all of it is the attempt's own output, which stays as long as the attempt."""
MOST_METRIC = 4 << 10
MOST_MESSAGE = 500
MOST_KEPT = 1 << 20
"""Bytes of a kept report: twice what one can have."""
USUAL_NAME = "result"
_LENGTH = 4
_ODD = re.compile(r"[^A-Za-z0-9._-]+")
_ENDINGS = {
    Ending.TIMEOUT: "stopped by its time-out",
    Ending.STOP: "stopped by a person",
    Ending.START: "could not be started",
    Ending.UNSTARTED: "never started",
}


@record
class Run:
    """One run of a script that has ended; `end` is None where nobody saw how. Times are UNIX times."""

    attempt: str
    job: str
    offered: Offered
    end: End | None
    started_at: float = 0.0
    ended_at: float = 0.0

    @property
    def succeeded(self) -> bool:
        """Say whether it ended by itself, with exit code 0."""
        return self.end is not None and self.end.ending is Ending.EXIT and self.end.exit_code == 0


def make_report(run: Run, *, output: bytes = b"", artifact: str = "") -> Report:
    """Make the report of a run.

    Args:
        run: what ran, and how it ended.
        output: what it said, from the beginning on; more than 512 KiB are cut.
        artifact: the file of a `file` result among the job's artifacts; only a run that succeeded has one.
    """
    script = run.offered.script
    told = [_how(run.end)]
    result = output[:MOST_RESULT]
    length = max(len(output), run.end.length if run.end else 0)
    if length > len(result):
        told.append(f"the result has {length} bytes, the first {len(result)} are here")
    if run.succeeded and script.result == "metric" and not _is_metric(output):
        told.append("the result is not one line, as a metric is")
    if run.succeeded and script.result == "file" and not artifact:
        told.append(f"there is no file {script.file}")
    return Report(
        attempt=run.attempt,
        job=run.job,
        script=script,
        exit_code=run.end.exit_code if run.end else None,
        message="; ".join(filter(None, told))[:MOST_MESSAGE],
        headers=run.offered.headers,
        started_at=run.started_at,
        ended_at=run.ended_at,
        artifact=artifact if run.succeeded and script.result == "file" else "",
        result=result,
    )


def name_artifact(file: str) -> str:
    """Name the copy of a `file` result among the artifacts: the last part of its path, of plain characters."""
    last = _ODD.sub("_", file.rpartition("/")[2]).lstrip("._-")
    return last[:128] or USUAL_NAME


def write_report(report: Report) -> bytes:
    """Give a report as bytes to be kept: the length of the header, the header, the result."""
    header, payload = pack(report)
    return len(header).to_bytes(_LENGTH, "big") + header + payload


def read_report(kept: bytes) -> Report:
    """Read what `write_report` gave, also of a later version.

    Raises:
        AgentError: the bytes are damaged.
    """
    end = _LENGTH + int.from_bytes(kept[:_LENGTH], "big")
    try:
        message = read_message(unpack(kept[_LENGTH:end], kept[end:]))
    except (ProtocolError, ValueError) as error:
        raise AgentError(f"cannot read a kept report: {error}") from error
    if not isinstance(message, Report):
        raise AgentError("cannot read a kept report: it is another message")
    return message


def _how(end: End | None) -> str:
    """Say how a run ended, where the exit code does not say it; empty where it does."""
    if end is None:
        return "interrupted: nobody saw how it ended"
    words = [_ENDINGS.get(end.ending, ""), "out of memory" if end.oom else "", end.message]
    return ": ".join(filter(None, words))[: MOST_MESSAGE // 2]


def _is_metric(output: bytes) -> bool:
    value = output.strip()
    return 0 < len(value) <= MOST_METRIC and b"\n" not in value
