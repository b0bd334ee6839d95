"""`ctl jobs pause|resume|stop|attach|archive|workspace` and `ctl pool`: what is handed on, what is shown, how they end."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from controller.errors import NeedsAgentError, RefusedError, TransportError, Unreachable
from controller.model.ids import Digest, JobId
from controller.model.job import Archived, Attempt, Job, State, StepRun
from controller.reconcile.exchange.answers import Moved, ServerPool
from controller.reconcile.exchange.reports import LogChunk, RunReport, RunSummary
from controller.transport.port import Pool
from tests.cli.records import job
from tests.cli.stage import NOW, Seen, Stage

HELD = replace(
    job(State.PAUSED, exit_code=None),
    paused_at=NOW,
    steps=(StepRun(name="build", state=State.PAUSED),),
)
PUT_AWAY = replace(
    job(),
    archived=Archived(at=NOW, path="archive/2026/x.tar.gz", size=2048, sha256=Digest("ab" * 32)),
)


class Followed:
    """A job that says two things and a half."""

    def __init__(self, end: Job, refusal: str | None) -> None:
        self.job = job(State.RUNNING, exit_code=None)
        self._end = end
        self.fed: list[bytes] = []
        self._refusal = refusal

    async def output(self) -> AsyncIterator[LogChunk | None]:
        yield LogChunk(step="build", attempt=1, offset=0, data=b"one\n\n\x1b[2Jname? ")
        yield None
        await asyncio.sleep(0.05)
        while self._refusal is None and self.fed[-1:] != [b""]:
            await asyncio.sleep(0.01)
            yield None
        yield LogChunk(step="build", attempt=1, offset=20, data=b"Ana\nover")
        self.job = self._end

    async def refusal(self) -> str | None:
        return self._refusal

    async def feed(self, data: bytes, *, close: bool = False) -> None:
        self.fed.append(data)

    def report(self) -> RunReport:
        failed = int(self.job.state is State.FAILED)
        return RunReport(jobs=(self.job,), summary=RunSummary(failed=failed))


class Desk:
    """Jobs of a state with one job."""

    def __init__(self, followed: Followed | None = None) -> None:
        self.calls: list[object] = []
        self.followed = followed or Followed(job(), "it was not begun with --interactive")
        self.old = [(PUT_AWAY,), (PUT_AWAY,), ()]

    async def find(self, prefix: str) -> Job:
        return replace(job(), id=JobId(prefix * 12 if len(prefix) == 1 else "0123456789ab"))

    async def pause(self, name: JobId, *, step: str | None = None, seconds: float = 0.0) -> Job:
        self.calls.append((name, step, seconds))
        return HELD

    async def resume(self, name: JobId) -> Job:
        self.calls.append(name)
        raise RefusedError(
            f"cannot resume job {name}: it is running", hint="ctl resume TARGET lifts a suspension"
        )

    async def stop(self, name: JobId, *, step: str | None = None, grace: float = 10.0) -> Job:
        self.calls.append(name)
        return replace(job(State.CANCELLED, exit_code=None), id=name)

    @asynccontextmanager
    async def attach(self, found: Job, *, step: str | None = None) -> AsyncIterator[Followed]:
        self.calls.append((found.id, step))
        yield self.followed

    async def archive(self, jobs: Sequence[JobId], *, out: Path | None = None) -> tuple[Job, ...]:
        self.calls.append((jobs, out))
        return (PUT_AWAY,)

    async def archive_older(self, before: datetime, *, out: Path | None = None) -> tuple[Job, ...]:
        self.calls.append(before)
        return self.old.pop(0)

    async def workspace(self, name: JobId) -> Mapping[str, int]:
        return {"a\x1b[2J": 3, "deep/b": 5}

    async def get(self, name: JobId, names: Sequence[str], outdir: Path) -> tuple[Moved, ...]:
        self.calls.append((names, outdir))
        return (Moved(name="a", path=outdir / "a", size=3, sha256="cd" * 32, resumed=1),)

    async def put(self, name: JobId, source: Path, path: str, *, executable: bool = False) -> Moved:
        self.calls.append((source, path, executable))
        return Moved(name=path, path=source, size=3, sha256="cd" * 32)

    async def remove(self, name: JobId, names: Sequence[str]) -> None:
        self.calls.append(names)


class Office:
    state = ".ctl"

    def __init__(self, desk: Desk, pools: Sequence[ServerPool] = ()) -> None:
        self.jobs = desk
        self.asked: list[object] = []
        self._pools = tuple(pools)

    async def pools(self, on: str, *, workers: int | None = None) -> tuple[ServerPool, ...]:
        self.asked.append((on, workers))
        return self._pools


def jobs(*argv: str, desk: Desk, stdin: str = "", tty: bool = False) -> Seen:
    return Stage(controller=Office(desk), cwd=Path("/srv"), stdin=stdin, tty=tty)("jobs", *argv)


def test_a_pause_hands_on_its_length_and_its_step_and_names_the_way_back() -> None:
    desk = Desk()
    seen = jobs("pause", "@last", "--for", "5m", "--step", "build", desk=desk)
    assert seen.code == 0
    assert desk.calls == [("0123456789ab", "build", 300.0)]
    assert "paused since" in seen.out
    assert "it goes on by itself in 5 min" in seen.err
    assert "next: ctl jobs resume 0123456789ab" in seen.err
    document = json.loads(jobs("pause", "@last", "-o", "json", desk=desk).out)
    assert document["state"] == "paused"
    assert document["paused_at"] == "2026-03-01T12:00:00Z"


def test_what_is_not_held_is_not_resumed_and_the_three_resumes_name_each_other() -> None:
    seen = jobs("resume", "@last", desk=Desk())
    assert seen.code == 4
    assert "ctl resume TARGET" in seen.err
    for words, others in {
        ("jobs", "resume"): ("ctl apply --resume RUN", "ctl resume TARGET"),
        ("resume",): ("ctl apply --resume RUN", "ctl jobs resume JOB"),
        ("apply",): ("ctl resume TARGET", "ctl jobs resume JOB"),
    }.items():
        told = " ".join(Stage()(*words, "--help").out.split())
        assert all(other in told for other in others), words


def test_several_jobs_are_stopped_each_once() -> None:
    desk = Desk()
    seen = jobs("stop", "a", "b", "a", "-o", "json", desk=desk)
    assert desk.calls == ["a" * 12, "b" * 12]
    assert [one["id"] for one in json.loads(seen.out)] == ["a" * 12, "b" * 12]
    assert jobs("stop", "a", "b", "--step", "x", desk=desk).code == 64
    assert json.loads(jobs("stop", "a", "-o", "json", desk=desk).out)["id"] == "a" * 12


def test_an_attached_job_shows_lines_that_are_not_complete_and_ends_as_the_job_does() -> None:
    desk = Desk(Followed(job(State.FAILED, exit_code=3), "it was not begun with --interactive"))
    seen = jobs("attach", "@last", "--step", "build", desk=desk, stdin="typed\n")
    assert seen.code == 2
    assert seen.out == "== build\none\n\n\\x1b[2Jname? Ana\nover\n"
    assert seen.err.count("input is not taken: it was not begun with --interactive") == 1
    assert "job 0123456789ab is failed" in seen.err
    assert desk.calls == [("0123456789ab", "build")]
    assert desk.followed.fed == []


def test_what_is_piped_is_fed_to_its_end() -> None:
    desk = Desk(Followed(job(), None))
    seen = jobs("attach", "@last", desk=desk, stdin="world\n~.\n")
    assert seen.code == 0
    assert b"".join(desk.followed.fed) == b"world\n~.\n"


def test_a_person_leaves_by_tilde_and_dot() -> None:
    desk = Desk(Followed(job(State.RUNNING, exit_code=None), None))
    seen = jobs("attach", "@last", desk=desk, stdin="world\n~.\nnever\n", tty=True)
    assert seen.code == 0
    assert b"".join(desk.followed.fed) == b"world\n"
    assert "detached; it goes on: ctl jobs attach 0123456789ab" in seen.err


def test_raw_bytes_are_not_for_terminals() -> None:
    assert jobs("attach", "@last", "--raw", desk=Desk(), tty=True).code == 64


def test_jobs_are_put_away_by_name_or_by_age() -> None:
    desk = Desk()
    seen = jobs("archive", "a", "a", "b", "--out", "away", desk=desk)
    assert desk.calls == [(("a" * 12, "b" * 12), Path("/srv/away"))]
    assert seen.out.splitlines()[1].split() == [
        "0123456789ab",
        "2.0",
        "KiB",
        "ab" * 8,
        "archive/2026/x.tar.gz",
    ]
    old = Desk()
    seen = jobs("archive", "--older-than", "30d", "-o", "json", desk=old)
    assert old.calls == [NOW - timedelta(days=30)] * 3
    assert [one["sha256"] for one in json.loads(seen.out)] == ["ab" * 32] * 2
    for wrong in ((), ("a", "--older-than", "1d")):
        assert jobs("archive", *wrong, desk=desk).code == 64


def test_files_of_the_workspace_go_both_ways() -> None:
    desk = Desk()
    out = jobs("workspace", "ls", "@last", desk=desk).out
    assert "deep/b" in out
    assert "\x1b" not in out
    (moved,) = json.loads(
        jobs("workspace", "get", "@last", "a", "--outdir", "o", "-o", "json", desk=desk).out
    )
    assert (moved["sha256"], moved["resumed_at"]) == ("cd" * 32, 1)
    assert "cd" * 32 in jobs("workspace", "put", "@last", "x/f", "--executable", desk=desk).out
    jobs("workspace", "rm", "@last", "a", "b", desk=desk)
    assert desk.calls == [(("a",), Path("/srv/o")), (Path("/srv/x/f"), "f", True), ("a", "b")]
    assert jobs("workspace", "put", "@last", "x", "y", "--as", "z", desk=desk).code == 64


GOOD = ServerPool(server="db-1", pool=Pool(workers=4, running=3, waiting=2))
PLAIN = ServerPool(server="web-1", trouble=NeedsAgentError("cannot show the worker pool"))
AWAY = ServerPool(server="web-2", trouble=TransportError("nobody is there", cause=Unreachable.TCP))
NO = ServerPool(server="web-3", trouble=RefusedError("users may not"))


def pool(*found: ServerPool, argv: Sequence[str] = ("show", "--on", "all")) -> Seen:
    return Stage(controller=Office(Desk(), found))("pool", *argv)


def test_pools_are_shown_with_what_runs_and_waits() -> None:
    rows = pool(GOOD, PLAIN).out.splitlines()
    assert rows[0].split() == ["SERVER", "WORKERS", "RUNNING", "WAITING", "REASON"]
    assert rows[1].split() == ["db-1", "4", "3", "2", "-"]
    assert "cannot show the worker pool" in rows[2]
    (one, two) = json.loads(pool(GOOD, AWAY, argv=("show", "--on", "all", "-o", "json")).out)
    assert (one["workers"], one["running"], one["waiting"], one["error"]) == (4, 3, 2, None)
    assert (two["workers"], two["error"]) == (None, "server-unreachable")


def test_the_exit_code_of_pools_says_what_stood_in_the_way() -> None:
    cases = {(GOOD,): 0, (GOOD, PLAIN): 0, (PLAIN,): 4, (GOOD, AWAY): 3, (GOOD, NO): 4}
    assert {found: pool(*found).code for found in cases} == cases


def test_a_pool_is_set_to_a_number() -> None:
    office = Office(Desk(), (GOOD,))
    assert Stage(controller=office)("pool", "set", "4", "--on", "db-1").code == 0
    assert office.asked == [("db-1", 4)]
    assert Stage(controller=office)("pool", "set", "0", "--on", "db-1").code == 64
    assert Stage(controller=office)("pool", "set", "4").code == 64


def test_what_waits_for_a_worker_says_so_in_lists() -> None:
    waiting = replace(
        job(State.RUNNING, exit_code=None),
        owner="ana",
        steps=(
            StepRun(
                name="build",
                state=State.DISPATCHED,
                attempts=(replace(_attempt(), state=State.DISPATCHED, reason="WaitingForWorker"),),
            ),
        ),
    )

    class Listing(Desk):
        async def list(self, **_asked: object) -> tuple[Job, ...]:
            return (waiting,)

    desk = Listing()
    assert "WaitingForWorker" in jobs("list", desk=desk).out
    assert "OWNER" not in jobs("list", desk=desk).out
    wide = jobs("list", "-o", "wide", desk=desk).out.splitlines()
    assert wide[0].split()[5] == "OWNER"
    assert wide[1].split()[5] == "ana"
    (document,) = json.loads(jobs("list", "-o", "json", desk=desk).out)
    assert (document["reason"], document["owner"]) == ("WaitingForWorker", "ana")


def _attempt() -> Attempt:
    return job().steps[0].attempts[0]
