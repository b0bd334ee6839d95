"""What is known of an attempt: its phase, how it ended, what held its limits.

`supervisor` writes an `End`, `executor` answers with a `Status`; the agent sends it on. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from controller.execution.ending import Ending


class Phase(str, Enum):
    """Where an attempt is."""

    NONE = "none"  # never accepted here
    ACCEPTED = "accepted"  # recorded, not started
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"
    INTERRUPTED = "interrupted"  # a reboot, or its supervisor is gone without an exit file


@dataclass(frozen=True)
class End:
    """The end of an attempt, as its supervisor saw it.

    Attributes:
        exit_code: of the command, 128+n for signal n; None when it never ran.
        length: bytes of output in all, kept or not; `sha256` is of them all.
        kept: where the kept tail begins, past the head.
        lost: from this byte on nothing could be written; None when all was.
        oom: the kernel killed processes of it for want of memory.
        left: processes of it that still ran at its end; after a stop, those no signal could end.
        at: when, in seconds since 1970; 0 is not known.
    """

    ending: Ending
    exit_code: int | None = None
    message: str = ""
    length: int = 0
    sha256: str | None = None
    kept: int = 0
    lost: int | None = None
    oom: bool = False
    left: tuple[int, ...] = ()
    at: float = 0.0

    def record(self) -> dict[str, object]:
        """Give it as a record for a line."""
        told = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**told, "ending": self.ending.value}


@dataclass(frozen=True)
class Status:
    """What is known of an attempt at one moment.

    Attributes:
        fresh: this answer is of the call that accepted it.
        end: set once it has ended.
        length: bytes of output so far.
        outputs: the bytes of its CTL_OUTPUT file, at the end.
        message: why it was interrupted.
        means: what is held by what: stop, pause, memory, cpu, pids, io to a word such as `cgroup`.
        started_at: seconds since 1970, as `ended_at`; 0 is not yet, never, or not known. An interrupted attempt has the
            time at which that was seen.
    """

    id: str
    phase: Phase
    fresh: bool = False
    end: End | None = None
    length: int = 0
    outputs: bytes = b""
    means: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    job: str = ""
    owner: str = ""
    started_at: float = 0.0
    ended_at: float = 0.0

    @property
    def over(self) -> bool:
        """Nothing more will happen to it."""
        return self.phase in (Phase.NONE, Phase.ENDED, Phase.INTERRUPTED)


@dataclass(frozen=True)
class Overview:
    """What a list of attempts tells of one; times as in `Status`."""

    id: str
    job: str
    owner: str
    phase: Phase
    accepted_at: float
    started_at: float
    ended_at: float


def read_end(record: Mapping[str, object]) -> End:
    """Read what `End.record` gave; keys of a later version are ignored.

    Raises:
        KeyError, TypeError, ValueError: it is no such record.
    """
    code, lost, digest = record["exit_code"], record["lost"], record["sha256"]
    left = record["left"]
    return End(
        ending=Ending(record["ending"]),
        exit_code=None if code is None else whole(code),
        message=str(record["message"]),
        length=whole(record["length"]),
        sha256=None if digest is None else str(digest),
        kept=whole(record["kept"]),
        lost=None if lost is None else whole(lost),
        oom=bool(record["oom"]),
        left=tuple(whole(pid) for pid in left) if isinstance(left, (list, tuple)) else (),
        at=seconds(record.get("at")),
    )


def whole(value: object) -> int:
    """Read a whole number.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"cannot read {value!r} as a whole number")
    return value


def seconds(value: object) -> float:
    """Read a time; 0 when there is none."""
    return float(value) if isinstance(value, (int, float)) else 0.0
