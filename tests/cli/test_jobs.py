"""`ctl jobs`: lists, documents, output."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from controller.errors import NotFoundError
from controller.model.ids import JobId, RunId
from controller.model.job import Job, State
from controller.reconcile.exchange.answers import Moved
from controller.reconcile.exchange.reports import LogChunk, RunReport
from tests.cli.records import job
from tests.cli.stage import Seen, Stage


class Desk:
    """Jobs of a state with one job."""

    def __init__(self, chunks: Sequence[LogChunk] = ()) -> None:
        self._chunks = chunks
        self.calls: list[object] = []

    async def find(self, prefix: str) -> Job:
        if prefix != "@last" and not job().id.startswith(prefix):
            raise NotFoundError(f"there is no job {prefix!r}")
        return job()

    async def list(
        self,
        *,
        run: RunId | None = None,
        target: str | None = None,
        server: str | None = None,
        archived: bool = False,
        limit: int = 50,
    ) -> tuple[Job, ...]:
        self.calls.append((run, target, server, archived, limit))
        return (job(State.RUNNING, exit_code=None), job(State.FAILED, exit_code=3, server="web-02"))

    async def logs(self, name: JobId, *, follow: bool = False) -> AsyncIterator[LogChunk]:
        self.calls.append((name, follow))
        for chunk in self._chunks:
            yield chunk

    async def stop(self, name: JobId, *, step: str | None = None, grace: float = 10.0) -> Job:
        self.calls.append((name, step, grace))
        return job(State.CANCELLED, exit_code=None)

    async def resolve(self, name: JobId, *, state: State, reason: str) -> Job:
        self.calls.append((name, state, reason))
        return job(state)

    async def retry(self, name: JobId, *, failed_only: bool = False) -> RunReport:
        self.calls.append((name, failed_only))
        return RunReport(jobs=(job(),))

    async def artifacts(self, name: JobId) -> Mapping[str, int]:
        return {"report.txt": 12, "a\x1b[2J": 1}

    async def fetch(self, name: JobId, names: Sequence[str], outdir: Path) -> tuple[Moved, ...]:
        return tuple(
            Moved(name=name, path=outdir / name, size=12, sha256="ab" * 32) for name in names
        )


class Office:
    state = ".ctl"

    def __init__(self, desk: Desk) -> None:
        self.jobs = desk


def jobs(*argv: str, desk: Desk | None = None) -> Seen:
    return Stage(controller=Office(desk or Desk()), cwd=Path("/srv"))("jobs", *argv)


def test_a_list_shows_one_job_a_line() -> None:
    rows = jobs("list").out.splitlines()
    assert rows[0].split() == [
        "ID", "TARGET", "TASK", "SERVER", "STATE", "COMMIT", "TOOK", "CREATED", "REASON",
    ]  # fmt: skip
    assert rows[1].split()[:6] == [
        "0123456789ab", "shop-prod", "deploy-shop", "web-01", "running", "a1b2c3d",
    ]  # fmt: skip
    assert "5 min ago" in rows[1]


def test_a_list_as_json_is_an_array_at_the_top() -> None:
    document = json.loads(jobs("list", "-o", "json").out)
    assert [entry["state"] for entry in document] == ["running", "failed"]
    assert document[1]["steps"][0]["attempts"][0]["number"] == 1


def test_names_and_lines_are_for_loops_in_a_shell() -> None:
    assert jobs("list", "-o", "name").out == "0123456789ab\n0123456789ab\n"
    assert len(jobs("list", "-o", "jsonl").out.splitlines()) == 2


def test_filters_are_handed_on() -> None:
    desk = Desk()
    jobs("list", "--run", "r", "--target", "t", "--server", "s", "-n", "3", desk=desk)
    assert desk.calls == [("r", "t", "s", False, 3)]


def test_a_job_is_found_by_prefix_and_last() -> None:
    for word in ("0123", "@last"):
        seen = jobs("show", word)
        assert seen.code == 0
        assert "step build: succeeded exit 0\n    try 1: succeeded exit 0, 2.0 KiB" in seen.out
    assert jobs("show", "zz").code == 1


def test_output_comes_in_whole_safe_lines_with_gaps_shown() -> None:
    chunks = (
        LogChunk(step="build", attempt=1, offset=0, data=b"one\ntw"),
        LogChunk(step="build", attempt=1, offset=6, data=b"o\n\x1b[2Jevil\rx\n"),
        LogChunk(step="build", attempt=1, offset=900, data=b"after\n", gap=880),
        LogChunk(step="build", attempt=2, offset=0, data=b"again, no newline"),
    )
    out = jobs("logs", "@last", desk=Desk(chunks)).out
    assert "== build\none\ntwo\n" in out
    assert "[880 bytes are missing here]\nafter\n== build (try 2)\nagain, no newline\n" in out
    assert "\x1b" not in out
    assert "\r" not in out


def test_stop_and_resolve_hand_on_what_was_typed() -> None:
    desk = Desk()
    jobs("stop", "0123", "--step", "build", "--grace", "1m", desk=desk)
    jobs("resolve", "0123", "--as", "failed", "--reason", "saw it", desk=desk)
    jobs("logs", "0123", "-f", desk=desk)
    assert desk.calls == [
        ("0123456789ab", "build", 60.0),
        ("0123456789ab", State.FAILED, "saw it"),
        ("0123456789ab", True),
    ]


def test_artifacts_are_listed_safely_or_fetched() -> None:
    out = jobs("artifacts", "@last").out
    assert "report.txt" in out
    assert "\x1b" not in out
    fetched = jobs("artifacts", "@last", "report.txt", "--outdir", "out").out
    assert fetched.splitlines()[1].split() == ["12", "ab" * 32, "/srv/out/report.txt"]
