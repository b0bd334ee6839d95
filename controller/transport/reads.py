"""Reading what work left on a server: probes, artifacts, files.

Part of `session`; it calls `lines`.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Final

from controller.errors import NotFoundError, RefusedError
from controller.model.ids import JobId
from controller.transport.lines import Lines
from controller.transport.port import Probed, ProbeSpec
from controller.transport.protocol import NAME, USER, check
from controller.transport.quoting import assign
from controller.transport.requests import bounded, exports, seconds, shell_words

RANGE: Final = 1 << 20
PROBE_LIMIT: Final = 1 << 20
PROBE_GRACE: Final = 2.0
SLACK: Final = 15.0
ARTIFACT: Final = "artifacts:"
TIMED_OUT: Final = 124


class ReadCalls:
    """The part of a session that reads."""

    _lines: Lines

    async def probe(self, spec: ProbeSpec) -> Probed:
        """Run a short read-only command."""
        bounded("a probe", len(spec.text), PROBE_LIMIT)
        request = assign(
            text=spec.text,
            shell=shell_words(spec.shell, spec.text),
            envs=exports(spec.env),
            workdir=spec.workdir or "",
            user="" if spec.user is None else check(USER, spec.user, "a user"),
            timeout=seconds(spec.timeout),
            grace_tenths=round(PROBE_GRACE * 10),
            limit=min(max(spec.limit, 1), PROBE_LIMIT),
        )
        reply = await self._lines.control.ask(
            request + b"; do_probe", within=spec.timeout + PROBE_GRACE + SLACK
        )
        late = reply.text("why") == "timeout"
        output = reply.body
        if len(output) < reply.number("size"):
            output = await self._collect(reply.text("file"), reply.number("size"))
        return Probed(
            exit_code=TIMED_OUT if late else reply.number("code"),
            output=output[: spec.limit],
            timed_out=late,
        )

    async def artifacts(self, job: JobId) -> Mapping[str, int]:
        """List the files below the job's CTL_ARTIFACTS folder, path to size, at most 1,000."""
        line = await self._lines.data()
        reply = await line.ask(assign(job=check(NAME, job, "a job")) + b"; do_artifacts")
        found: dict[str, int] = {}
        for entry in reply.body.split(b"\0"):
            size, _, path = entry.decode("utf-8", "surrogateescape").partition(" ")
            if path and size.isdigit():
                found[path] = int(size)
        return found

    async def size(self, path: str) -> int | None:
        """Say the size of a regular file, None when there is none."""
        place, within = self._place(path)
        line = await self._lines.data()
        reply = await line.ask(assign(path=place, within=within) + b"; do_size")
        return reply.number("size") if reply.text("size") else None

    async def fetch(self, path: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        """Read a regular file (or artifact) from `offset` to its present end."""
        place, within = self._place(path)
        size = await self.size(path)
        if size is None:
            raise NotFoundError(f"cannot read {path} on {self._lines.server}: no such file")
        while offset < size:
            piece = await self._piece(place, within, offset, min(RANGE, size - offset))
            if piece is None:
                raise NotFoundError(f"cannot read {path} on {self._lines.server}: it is gone")
            if not piece:
                raise NotFoundError(
                    f"cannot read {path} on {self._lines.server}: "
                    f"it was cut to less than {size} bytes meanwhile"
                )
            yield piece
            offset += len(piece)

    async def _piece(self, place: str, within: str, offset: int, limit: int) -> bytes | None:
        """Read a range, as far as the file reaches; None when there is no such file (any more)."""
        line = await self._lines.data()
        replies = await line.collect(
            assign(path=place, within=within, offset=offset, limit=limit) + b"; do_fetch"
        )
        if replies[-1].text("error"):
            return None
        body = replies[0].body
        return body[: max(0, len(body) - replies[-1].number("short"))]

    async def _collect(self, folder: str, size: int) -> bytes:
        """Fetch the output of a probe and delete it."""
        base = self._lines.facts.base
        check(NAME, folder.removeprefix(f"{base}/incoming/"), "a probe")
        output = await self._piece(f"{folder}/out", "", 0, size)
        line = await self._lines.data()
        await line.ask(assign(path=folder) + b'; rm -rf "$path"; reply ok=1')
        return output or b""

    def _place(self, path: str) -> tuple[str, str]:
        """Give the path on the server, and the folder that it must not leave."""
        if not path.startswith(ARTIFACT):
            return path, ""
        job, _, rest = path.removeprefix(ARTIFACT).partition("/")
        check(NAME, job, "a job")
        if not rest or any(part in {"", ".", ".."} for part in rest.split("/")):
            raise RefusedError(f"cannot use {path[:200]!r} as the name of an artifact")
        folder = f"{self._lines.facts.base}/jobs/{job}/artifacts"
        return f"{folder}/{rest}", folder
