"""A job is put away whole or not at all, whenever the process that does it is killed."""

import json
import tarfile
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from controller.errors import NotFoundError, RefusedError, StateError
from controller.journal.archive import ArchiveFiles
from controller.model.ids import JobId, RunId
from controller.model.job import Archived, Job, State
from controller.reconcile.controller import LocalController
from controller.reconcile.desk.archiving import archive, archive_older, kept
from controller.reconcile.rooms import Rooms
from controller.store.memory import MemoryJobs
from tests.fakes.house import House, house

DECLARED = """\
tasks: {a: {run: echo, timeout: 1h}}
targets: {t: {servers: all, task: a}}
"""


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as made:
        made.declare(DECLARED, servers=1)
        yield made


async def ran(home: House) -> Job:
    """A job that has ended and left something."""
    await home.apply()
    (job,) = await home.jobs()
    (attempt,) = job.steps[0].attempts
    await home.rooms.output.append(attempt.id, 0, b"said\n")
    await home.rooms.output.append(attempt.id, 100, b"more\n", gap=95)
    await home.rooms.artifacts.save(job.id, "artifacts/a.txt", _bytes(b"left\n"), lambda _: None)
    return job


async def _bytes(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def said(rooms: Rooms, job: JobId) -> bytes:
    desk = LocalController(rooms).jobs
    return b"".join([chunk.data async for chunk in desk.logs(job)])


async def test_an_archived_job_leaves_the_list_and_keeps_everything(home: House) -> None:
    job = await ran(home)
    desk = home.controller.jobs
    (done,) = await desk.archive([job.id])
    assert done.archived is not None
    assert await desk.list() == ()
    assert [each.id for each in await desk.list(archived=True)] == [job.id]
    assert (await desk.find(job.id[:5])).id == job.id
    assert await said(home.rooms, job.id) == b"said\nmore\n"
    assert [chunk.gap async for chunk in desk.logs(job.id)] == [0, 95]
    assert await desk.artifacts(job.id) == {"artifacts/a.txt": 5}
    state = Path(home.rooms.state)
    assert not (state / "output" / job.id).exists()
    assert not (state / "artifacts" / job.id).exists()
    path = state / done.archived.path
    assert done.archived.path == f"archive/2026/{job.id}.tar.gz"
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as tar:
        told = json.loads(tar.extractfile("job.json").read())  # type: ignore[union-attr]
        assert told["id"] == job.id
        ledger = tar.extractfile("ledger.jsonl")
        assert ledger is not None
        assert len(ledger.read().splitlines()) == len(await home.rooms.store.jobs.events(job.id))
    assert not [p for p in path.parent.iterdir() if p.name.endswith(".part")]
    assert home.events()[-2:] == ["job-archiving", "job-archived"]


async def test_archiving_twice_changes_nothing(home: House) -> None:
    job = await ran(home)
    first = await archive(home.rooms, [job.id], out=None)
    assert await archive(home.rooms, [job.id, job.id], out=None) == (first[0], first[0])
    assert await said(home.rooms, job.id) == b"said\nmore\n"


async def test_what_goes_on_or_is_lost_is_not_archived_and_nothing_else_of_the_call(
    home: House,
) -> None:
    job = await ran(home)
    (run,) = await home.rooms.store.runs.list()
    other = replace(run, id=RunId("other"))
    lost = replace(job, id=JobId("lost0lost000"), run=other.id, state=State.LOST)
    body = replace(await home.rooms.store.jobs.body(job.id), job=lost.id)
    await home.rooms.store.runs.add(other, [(lost, body)])
    with pytest.raises(RefusedError, match="it is lost"):
        await archive(home.rooms, [job.id, lost.id], out=None)
    assert (await home.rooms.store.jobs.get(job.id) or job).archived is None
    with pytest.raises(NotFoundError):
        await archive(home.rooms, [JobId("nothing")], out=None)


class Killed(BaseException):
    """The process is gone."""


STEPS = ("write", "recorded", "cleared one", "cleared", "cleared recorded")


@pytest.mark.parametrize("after", STEPS)
async def test_a_kill_at_any_step_loses_nothing_and_the_next_call_goes_on(
    home: House, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    job = await ran(home)
    _kill(monkeypatch, after)
    with pytest.raises(Killed):
        await archive(home.rooms, [job.id], out=None)
    monkeypatch.undo()
    assert await said(home.rooms, job.id) == b"said\nmore\n"
    assert await home.controller.jobs.artifacts(job.id) == {"artifacts/a.txt": 5}
    (done,) = await archive(home.rooms, [job.id], out=None)
    assert done.archived is not None
    assert done.archived.cleared
    assert await said(home.rooms, job.id) == b"said\nmore\n"
    assert not (Path(home.rooms.state) / "output" / job.id).exists()


def _kill(monkeypatch: pytest.MonkeyPatch, after: str) -> None:
    """Let the process be killed after a step."""
    write, clear, record = ArchiveFiles.write, ArchiveFiles.clear, MemoryJobs.archive

    def then_die(step: str, do: Callable[..., object]) -> Callable[..., object]:
        def done(*args: object, **more: object) -> object:
            made = do(*args, **more)
            if step == after:
                raise Killed
            return made

        return done

    async def recorded(self: MemoryJobs, job: JobId, archived: Archived) -> None:
        await record(self, job, archived)
        if after == ("cleared recorded" if archived.cleared else "recorded"):
            raise Killed

    def half(self: ArchiveFiles, job: JobId, archive: object) -> None:
        (self._state / "output" / job).rename(self._state / "gone")
        raise Killed

    monkeypatch.setattr(ArchiveFiles, "write", then_die("write", write))
    monkeypatch.setattr(
        ArchiveFiles, "clear", half if after == "cleared one" else then_die("cleared", clear)
    )
    monkeypatch.setattr(MemoryJobs, "archive", recorded)


async def test_what_is_old_goes_a_part_at_a_time(home: House) -> None:
    job = await ran(home)
    assert job.finished_at is not None
    assert await archive_older(home.rooms, job.finished_at - timedelta(days=1), out=None) == ()
    later = job.finished_at + timedelta(days=1)
    (done,) = await archive_older(home.rooms, later, out=None, most=1)
    assert done.id == job.id
    assert await archive_older(home.rooms, later, out=None) == ()


async def test_an_archive_elsewhere_is_found_and_must_be_what_was_written(
    home: House, tmp_path: Path
) -> None:
    job, out = await ran(home), tmp_path / "backup"
    with pytest.raises(StateError, match="cannot archive"):
        await archive(home.rooms, [job.id], out=out)
    assert await said(home.rooms, job.id) == b"said\nmore\n"
    out.mkdir()
    (done,) = await archive(home.rooms, [job.id], out=out)
    path = out / f"{job.id}.tar.gz"
    assert done.archived is not None
    assert done.archived.path == str(path)
    assert await said(home.rooms, job.id) == b"said\nmore\n"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(StateError, match="not what was written"):
        await said(home.rooms, job.id)
    path.unlink()
    with pytest.raises(NotFoundError, match="cannot find the archive"):
        await said(home.rooms, job.id)


async def test_what_was_unpacked_is_gone_afterwards_also_what_a_killed_process_left(
    home: House,
) -> None:
    job = await ran(home)
    (done,) = await archive(home.rooms, [job.id], out=None)
    opened = Path(home.rooms.state) / "archive" / ".open"
    (opened / "4194999-left").mkdir(parents=True)
    async with kept(home.rooms, done) as files:
        assert await files.artifacts.list(job.id)
        assert [p.name.partition("-")[0] for p in opened.iterdir()] != ["4194999"]
        assert len(list(opened.iterdir())) == 1
    assert list(opened.iterdir()) == []


async def test_an_archived_job_is_shown_by_who_follows_it(home: House) -> None:
    job = await ran(home)
    (done,) = await archive(home.rooms, [job.id], out=None)
    async with home.controller.jobs.attach(done) as attached:
        chunks = [chunk async for chunk in attached.output() if chunk is not None]
        assert await attached.refusal() == "it has ended"
    assert b"".join(chunk.data for chunk in chunks) == b"said\nmore\n"
