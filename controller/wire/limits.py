"""The bounds and times of the protocol, as data.

`frames`, `session` and what they are made of obey it; shells may hand over another. `docs/wire.md` shows the table.
Sizes are bytes, times are seconds.
"""

from __future__ import annotations

from controller.wire.record import record


@record
class Limits:
    """What one end takes and how long it waits."""

    header: int = 64 << 10
    """Bytes of the JSON header of a frame."""
    payload: int = 1 << 20
    """Bytes of the raw payload of a frame."""
    chunk: int = 256 << 10
    """Bytes of data in one chunk of a stream."""
    window: int = 1 << 20
    """Bytes that wait for acknowledgement before chunks of streams wait."""
    buffer: int = 4 << 20
    """Bytes that wait for acknowledgement before every message waits."""
    messages: int = 4096
    """Messages that wait for acknowledgement before every message waits."""
    requests: int = 1024
    """Requests of one side without a reply."""
    streams: int = 256
    """Streams opened by one side and open at once."""
    credit: int = 1 << 20
    """Bytes of a stream that may be under way to a reader."""
    refusals: int = 64
    """Messages of one session answered with `unsupported` before the peer counts as broken."""
    features: int = 64
    """Features one side names."""
    sessions: int = 64
    """Sessions an agent keeps, those without a connection included."""
    sessions_each: int = 16
    """Of these, sessions of one name."""
    clusters: int = 256
    """Clusters whose leases an agent keeps."""
    greetings: int = 32
    """Connections to an agent that have not said hello yet."""
    greeting: float = 10.0
    """From the connection to the end of the handshake."""
    heartbeat: float = 15.0
    """Between heartbeats of an agent, give or take a fifth."""
    silence: float = 90.0
    """Without any frame until the peer counts as gone."""
    acknowledgement: float = 30.0
    """From a message to its acknowledgement; then the connection counts as broken."""
    delay: float = 0.2
    """That an acknowledgement waits for a frame to ride on."""
    linger: float = 900.0
    """That a session without a connection can be resumed."""


LIMITS = Limits()
