"""Looking at a server: probes, artifacts, workspaces and sizes of files.

Sent by the carrier, answered by the agent. Contents travel as streams.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from controller.wire.payloads import Environment
from controller.wire.record import record


@record
class Probe:
    """Run a short read-only command, its output bounded to `limit` bytes; answered by `probed`."""

    workdir: str | None = None
    user: str | None = None
    shell: tuple[str, ...] | None = None
    timeout: float = 30.0
    limit: int = 65536
    env: Environment = field(default_factory=dict)
    text: bytes = b""


@record
class Probed:
    """How a probe ended."""

    exit_code: int
    timed_out: bool = False
    output: bytes = b""


@record
class ListArtifacts:
    """List the files below a job's artifacts after the path `after`; answered by `file-page`."""

    job: str
    after: str = ""


@record
class ListWorkspace:
    """List the files of a job's workspace after the path `after`; answered by `file-page`."""

    job: str
    after: str = ""


@record
class FilePage:
    """Some files, path to size in bytes."""

    files: Mapping[str, int] = field(default_factory=dict)
    more: bool = False


@record
class RemoveFile:
    """Delete a file or folder of a job's workspace; answered by `done`."""

    job: str
    path: str


@record
class GetSize:
    """Say the size of a regular file, or of the artifact "artifacts:JOB/PATH"; answered by `size`."""

    path: str


@record
class Size:
    """Bytes of a file; null where there is none."""

    size: int | None
