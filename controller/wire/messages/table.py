"""The table of all kinds: name, record, who sends it, and what answers it.

`codec` and `session` read it; `docs/wire.md` shows it. A new kind is a new line; peers that don't know it say `unsupported`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from controller.wire.messages import (
    attempts,
    files,
    greetings,
    news,
    renewal,
    server,
    streams,
    targets,
)
from controller.wire.record import record


class Manner(str, Enum):
    """How a message travels."""

    CONTROL = "control"  # a frame of the connection, never sent again
    REQUEST = "request"  # numbered, answered exactly once
    REPLY = "reply"
    OPENING = "opening"  # begins a stream
    STREAM = "stream"  # belongs to an open stream
    NOTICE = "notice"  # not answered


class To(str, Enum):
    """Who may receive a message."""

    AGENT = "agent"
    CONTROLLER = "controller"
    BOTH = "both"


class Flow(str, Enum):
    """Which side of a stream writes."""

    READ = "read"  # the side that did not open it
    WRITE = "write"  # the side that opened it


@record
class Kind:
    """One kind of message; `reply` is the record that answers a request, besides `Failed` and `Unsupported`."""

    name: str
    record: type
    manner: Manner
    to: To
    reply: type | None = None
    flow: Flow | None = None


def _control(name: str, kind: type, to: To) -> Kind:
    return Kind(name=name, record=kind, manner=Manner.CONTROL, to=to)


def _request(name: str, kind: type, reply: type, to: To = To.AGENT) -> Kind:
    return Kind(name=name, record=kind, manner=Manner.REQUEST, to=to, reply=reply)


def _reply(name: str, kind: type, to: To = To.CONTROLLER) -> Kind:
    return Kind(name=name, record=kind, manner=Manner.REPLY, to=to)


def _opening(name: str, kind: type, flow: Flow, to: To = To.AGENT) -> Kind:
    return Kind(name=name, record=kind, manner=Manner.OPENING, to=to, flow=flow)


def _notice(name: str, kind: type, to: To) -> Kind:
    return Kind(name=name, record=kind, manner=Manner.NOTICE, to=to)


def _stream(name: str, kind: type) -> Kind:
    return Kind(name=name, record=kind, manner=Manner.STREAM, to=To.BOTH)


KINDS: Final[tuple[Kind, ...]] = (
    _control("hello", greetings.Hello, To.AGENT),
    _control("welcome", greetings.Welcome, To.CONTROLLER),
    _control("goodbye", greetings.Goodbye, To.BOTH),
    _control("heartbeat", greetings.Heartbeat, To.CONTROLLER),
    _control("heartbeat-ack", greetings.HeartbeatAck, To.AGENT),
    _request("start", attempts.Start, attempts.Attempt),
    _request("run-script", attempts.RunScript, attempts.Attempt),
    _request("get-attempt", attempts.GetAttempt, attempts.Attempt),
    _request("wait", attempts.WaitAttempt, attempts.Attempt),
    _request("stop", attempts.StopAttempt, attempts.Attempt),
    _request("pause", attempts.PauseAttempt, attempts.Attempt),
    _request("resume", attempts.ResumeAttempt, attempts.Attempt),
    _request("discard", attempts.Discard, server.Done),
    _request("list-attempts", attempts.ListAttempts, attempts.AttemptPage),
    _request("read-markers", targets.ReadMarkers, targets.MarkerPage),
    _request("read-locks", targets.ReadLocks, targets.LockPage),
    _request("claim-target", targets.ClaimTarget, targets.TargetClaim),
    _request("release-target", targets.ReleaseTarget, server.Done),
    _request("forget-target", targets.ForgetTarget, targets.Forgotten),
    _request("probe", files.Probe, files.Probed),
    _request("list-artifacts", files.ListArtifacts, files.FilePage),
    _request("list-workspace", files.ListWorkspace, files.FilePage),
    _request("remove-file", files.RemoveFile, server.Done),
    _request("get-size", files.GetSize, files.Size),
    _request("list-scripts", server.ListScripts, server.ScriptPage),
    _request("inspect", server.Inspect, server.ScriptText),
    _request("get-pool", server.GetPool, server.Pool),
    _request("set-pool", server.SetPool, server.Pool),
    _request("get-report", server.GetReport, server.Report),
    _request("renew", renewal.Renew, renewal.Renewed, To.CONTROLLER),
    _reply("attempt", attempts.Attempt),
    _reply("attempt-page", attempts.AttemptPage),
    _reply("marker-page", targets.MarkerPage),
    _reply("lock-page", targets.LockPage),
    _reply("target-claim", targets.TargetClaim),
    _reply("forgotten", targets.Forgotten),
    _reply("probed", files.Probed),
    _reply("file-page", files.FilePage),
    _reply("size", files.Size),
    _reply("script-page", server.ScriptPage),
    _reply("script-text", server.ScriptText),
    _reply("pool", server.Pool),
    _reply("report", server.Report),
    _reply("done", server.Done),
    _reply("renewed", renewal.Renewed, To.AGENT),
    _reply("failed", server.Failed, To.BOTH),
    _opening("open-output", streams.OpenOutput, Flow.READ),
    _opening("open-file", streams.OpenFile, Flow.READ),
    _opening("open-workspace", streams.OpenWorkspace, Flow.READ),
    _opening("open-script", streams.OpenScript, Flow.READ, To.CONTROLLER),
    _opening("open-input", streams.OpenInput, Flow.WRITE),
    _opening("open-upload", streams.OpenUpload, Flow.WRITE),
    _stream("chunk", streams.Chunk),
    _stream("credit", streams.Credit),
    _stream("end", streams.End),
    _stream("cancel", streams.Cancel),
    _notice("changed", news.Changed, To.CONTROLLER),
    _notice("reported", news.Reported, To.CONTROLLER),
    _notice("noted", news.Noted, To.AGENT),
    _notice("unsupported", server.Unsupported, To.BOTH),
)

BY_NAME: Final[Mapping[str, Kind]] = {kind.name: kind for kind in KINDS}
BY_RECORD: Final[Mapping[type, Kind]] = {kind.record: kind for kind in KINDS}
