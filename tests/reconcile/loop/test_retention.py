"""What is old is put away, what is older is deleted, files and all; what goes on is never touched."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.errors import StateError
from controller.model.ids import Digest, RunId
from controller.model.job import Archived, Job, State
from controller.model.serving import Contact, Due
from controller.reconcile.loop import owing, retention, servers, targets
from controller.reconcile.loop.result import After
from tests.reconcile.loop.small_world import START, SmallWorld, small_world

DAY = 86_400.0
SETTINGS = "settings: {retention: {output: 1d, jobs: 3d, runs: 10, history: 2d, dues: 7d}}\n"
TARGET = "tasks: {note: {run: 'true'}}\ntargets: {shop: {servers: all, task: note}}\n"


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[SmallWorld]:
    async with small_world(tmp_path / "house") as made:
        made.house.config.commit({"ctl.yaml": SETTINGS})
        made.house.config.commit({"pipelines/main.yaml": TARGET})
        made.house.config.commit({"inventory/s.yaml": "servers: {web-1: {}}\n"})
        await made.in_force()
        yield made


async def clean(town: SmallWorld) -> After:
    result = await retention.reconcile(town.world, "")
    assert isinstance(result, After)
    return result


async def ran(town: SmallWorld) -> Job:
    """Have a job run that leaves something."""
    known = await town.world.rooms.store.jobs.ids()
    await town.house.controller.run(town.asked("shop"))
    (job,) = [one for one in await town.house.jobs() if one.id not in known]
    (attempt,) = job.steps[0].attempts
    await town.world.rooms.output.append(attempt.id, 0, b"said\n")
    return job


def files(town: SmallWorld, job: Job) -> list[str]:
    """Say what there is of a job on disk."""
    state = Path(town.world.rooms.state)
    found = {path.relative_to(state).parts[0] for path in state.rglob(f"*{job.id}*")}
    return sorted(found)


async def test_output_is_put_away_and_then_deleted_with_its_job(town: SmallWorld) -> None:
    job = await ran(town)
    newest = await ran(town)
    assert (await clean(town)).seconds == retention.EVERY
    assert files(town, job) == ["output"]
    town.pass_time(1.5 * DAY)
    await clean(town)
    assert files(town, job) == ["archive"]
    kept = await town.world.rooms.store.jobs.get(job.id)
    assert kept is not None
    assert kept.archived is not None
    town.pass_time(2 * DAY)
    await clean(town)
    assert files(town, job) == []
    assert await town.world.rooms.store.jobs.ids() == {newest.id}, "the newest run stays"
    assert town.house.events().count("runs-dropped") == 1


async def test_more_runs_than_are_kept_go_whatever_their_age(town: SmallWorld) -> None:
    jobs = [await ran(town) for _ in range(13)]
    await clean(town)
    left = await town.world.rooms.store.jobs.ids()
    assert left == {job.id for job in jobs[3:]}
    assert files(town, jobs[0]) == []
    assert files(town, jobs[3]) == ["output"]


async def test_a_job_that_has_not_ended_is_kept_however_old_it_is(town: SmallWorld) -> None:
    await servers.reconcile(town.world, "web-1")
    await targets.reconcile(town.world, "shop")
    (job,) = await town.house.jobs()
    assert job.state is State.PENDING
    town.pass_time(400 * DAY)
    await clean(town)
    assert await town.world.rooms.store.jobs.ids() == {job.id}


async def test_a_crash_between_files_and_rows_is_made_good(
    town: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, _ = await ran(town), await ran(town)
    town.pass_time(10 * DAY)

    async def die(_: object) -> int:
        raise StateError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr(town.world.rooms.store.cleaning, "drop_runs", die)
        with pytest.raises(StateError):
            await retention.reconcile(town.world, "")
    assert files(town, job) == []
    await clean(town)
    assert await town.world.rooms.store.jobs.get(job.id) is None


async def test_a_folder_for_archives_that_takes_none_keeps_nothing_else_from_going(
    town: SmallWorld,
) -> None:
    old, young = await ran(town), await ran(town)
    archives = Path(town.world.rooms.state) / "archive"
    archives.write_text("in the way")
    town.pass_time(1.5 * DAY)
    with pytest.raises(retention.NotPutAwayError, match=r"cannot use .*archive"):
        await retention.reconcile(town.world, "")
    town.pass_time(2 * DAY)
    with pytest.raises(retention.NotPutAwayError):
        await retention.reconcile(town.world, "")
    assert await town.world.rooms.store.jobs.ids() == {young.id}
    assert files(town, old) == []
    archives.unlink()
    await clean(town)
    assert files(town, young) == ["archive"]


async def test_an_archive_that_is_gone_keeps_no_other_job_from_being_put_away(
    town: SmallWorld,
) -> None:
    gone, other = await ran(town), await ran(town)
    store = town.world.rooms.store
    lost = Archived(at=START, path="archive/2026/gone.tar.gz", size=1, sha256=Digest("ab" * 32))
    await store.jobs.archive(gone.id, lost)
    town.pass_time(1.5 * DAY)
    with pytest.raises(retention.NotPutAwayError, match=r"cannot find the archive"):
        await retention.reconcile(town.world, "")
    assert files(town, other) == ["archive"]
    assert files(town, gone) == ["output"], "nobody else has it"


async def test_an_archive_that_a_person_put_elsewhere_is_theirs(
    town: SmallWorld, tmp_path: Path
) -> None:
    job, _ = await ran(town), await ran(town)
    (tmp_path / "mine").mkdir()
    (done,) = await town.house.controller.jobs.archive([job.id], out=tmp_path / "mine")
    assert done.archived is not None
    town.pass_time(10 * DAY)
    await clean(town)
    assert await town.world.rooms.store.jobs.get(job.id) is None
    assert [path.name for path in (tmp_path / "mine").iterdir()] == [f"{job.id}.tar.gz"]


async def test_much_is_deleted_in_bounded_parts(
    town: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "RUNS", 2)
    for _ in range(6):
        await ran(town)
    town.pass_time(10 * DAY)
    left = []
    while (await clean(town)).seconds == retention.SOON:
        left.append(len(await town.world.rooms.store.runs.list()))
    assert left == [4, 2]
    assert len(await town.world.rooms.store.runs.list()) == 1


async def test_due_times_that_are_over_go_but_the_latest(town: SmallWorld) -> None:
    for day in range(3):
        due = START.replace(day=day + 1)
        await town.world.rooms.store.dues.claim(
            Due(target="shop", due=due, at=due, outcome="fired")
        )
    town.pass_time(30 * DAY)
    await clean(town)
    assert [one.due.day for one in await town.world.rooms.store.dues.list("shop")] == [3]


async def test_what_is_no_longer_declared_is_let_go(town: SmallWorld) -> None:
    contact = Contact(server="gone", reached=True, since=START, checked_at=START)
    await town.world.rooms.store.contacts.put([contact])
    owed = owing.Owed(due=START, run=RunId("r1"))
    await owing.promise(town.world, "shop", owed)
    town.queue.news()
    await clean(town)
    assert town.queue.news() == {"server/gone"}
    assert await owing.known(town.world) == set()
