"""Streams of output and files: opened by either side, numbered by offset, paced by credit.

`flow` holds both ends to their rules. The reader grants credit for bytes it can keep, the writer sends no more than that.
Whoever opens a stream numbers it: the controller with odd numbers, the agent with even ones, each higher than the last.
"""

from __future__ import annotations

from typing import Literal

from controller.wire.record import record

Purpose = Literal["start", "script", "workspace"]


@record
class OpenOutput:
    """Read an attempt's output from `offset` on; with `follow` until it has ended and all is given."""

    attempt: str
    offset: int = 0
    follow: bool = False


@record
class OpenFile:
    """Read a regular file, or the artifact "artifacts:JOB/PATH", from `offset` to its present end."""

    path: str
    offset: int = 0


@record
class OpenWorkspace:
    """Read a file of a job's workspace from `offset` to its present end."""

    job: str
    path: str
    offset: int = 0


@record
class OpenScript:
    """Read a script that the controller has, by its SHA-256; from agent to controller."""

    sha256: str
    offset: int = 0


@record
class OpenInput:
    """Write to the stdin of an interactive attempt; `end` closes it, `cancel` leaves it open."""

    attempt: str
    offset: int = 0


@record
class OpenUpload:
    """Write bytes that a later request names by this stream's number, or a workspace file where `path` is given."""

    purpose: Purpose
    job: str = ""
    path: str = ""
    size: int = 0
    offset: int = 0
    executable: bool = False


@record
class Chunk:
    """Bytes of a stream from `offset` on; `gap` bytes before were dropped. `crc` is the CRC-32 of `data`."""

    offset: int
    crc: int
    gap: int = 0
    data: bytes = b""


@record
class Credit:
    """The reader takes so many bytes more."""

    size: int


@record
class End:
    """The writer has sent all; `length` and `sha256` are of everything before the cap, where they are known."""

    length: int = 0
    sha256: str | None = None


@record
class Cancel:
    """A side wants no more of a stream: why, in kebab case, and what went wrong."""

    code: str = "cancelled"
    message: str = ""
