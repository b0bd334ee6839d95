"""What a session tells its shell. Not on the wire.

`session`, `link` and `doorway` make them; `agent` and the carrier act on them, in order.
"""

from __future__ import annotations

from typing import Union

from controller.wire.link import Link
from controller.wire.messages.greetings import Facts, Goodbye, HostState
from controller.wire.record import record


@record
class Opened:
    """The handshake is done: messages go both ways. `resumed` where the session goes on as if nothing had been."""

    peer: str
    version: int
    features: tuple[str, ...]
    resumed: bool
    facts: Facts | None = None
    """What the agent says of its machine; only at the controller."""


@record
class Reset:
    """The session before is gone, with whatever was under way: nobody knows which of it arrived."""

    requests: tuple[int, ...]
    streams: tuple[int, ...]


@record
class Closed:
    """A connection ended; its shell writes what is left and closes it. `ours` where this side said the goodbye."""

    link: Link
    goodbye: Goodbye
    ours: bool


@record
class Requested:
    """The peer asks; answer with `reply`, once."""

    call: int
    message: object


@record
class Replied:
    """A request is answered: by its own kind of reply, by `Failed` or by `Unsupported`."""

    call: int
    message: object


@record
class Notified:
    """The peer says something that needs no answer."""

    message: object


@record
class StreamOpened:
    """The peer opens a stream: send chunks, or grant credit, as its message asks."""

    stream: int
    message: object


@record
class StreamData:
    """Bytes came; `gap` bytes before `offset` are missing. Grant credit when they are kept."""

    stream: int
    offset: int
    gap: int
    data: bytes


@record
class StreamRoom:
    """The reader takes more: `stream_room` bytes in all."""

    stream: int


@record
class StreamEnded:
    """The writer has sent all."""

    stream: int
    length: int
    sha256: str | None


@record
class StreamCancelled:
    """The peer wants no more of a stream."""

    stream: int
    code: str
    message: str


@record
class Fence:
    """A cluster came with a higher lease: keep it on disk before anything else is done for it."""

    cluster: str
    lease: int


@record
class Room:
    """What waited for acknowledgements may be sent now."""


@record
class Beat:
    """A heartbeat came, with how the machine does."""

    number: int
    state: HostState


@record
class BeatDue:
    """It is time to call `heartbeat` with how the machine does."""


@record
class BeatAnswered:
    """The controller has seen a heartbeat; `took` is the time there and back, in seconds."""

    number: int
    took: float


Event = Union[
    Opened,
    Reset,
    Closed,
    Requested,
    Replied,
    Notified,
    StreamOpened,
    StreamData,
    StreamRoom,
    StreamEnded,
    StreamCancelled,
    Fence,
    Room,
    Beat,
    BeatDue,
    BeatAnswered,
]
