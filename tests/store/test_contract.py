"""What every store promises, held against every adapter."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.errors import IllegalTransitionError, NotFoundError, StateError, Unreachable
from controller.model.applied import Tried
from controller.model.declaration import OnRemove, RefKind, Repo
from controller.model.ids import JobId, RunId, Sha, attempt_id
from controller.model.job import Archived, Attempt, Run, State, StepRun, Trigger
from controller.model.observation import CheckSeen, Holder, MarkerSeen, RepoSeen, ServerSeen
from controller.model.wishes import Hold, Wishes
from controller.store.ports import Store
from tests.fakes.clocks import FakeClock
from tests.store.conftest import Opens
from tests.store.shelf import (
    DIGEST,
    NOW,
    WORK,
    a_body,
    a_job,
    a_record,
    a_run,
    an_event,
    with_bodies,
)


@pytest.fixture
async def store(backend: Opens) -> AsyncIterator[Store]:
    made = backend(FakeClock())
    yield made
    await made.close()


async def test_a_run_with_its_jobs_reads_back_equal(store: Store) -> None:
    jobs = with_bodies(a_job(1), a_job(2, target=None))
    await store.runs.add(a_run(), jobs)
    assert await store.runs.get(a_run().id) == a_run()
    for job, body in jobs:
        assert await store.jobs.get(job.id) == job
        assert await store.jobs.body(job.id) == body
        assert await store.jobs.events(job.id) == ()


async def test_everything_a_job_was_recorded_with_reads_back(store: Store) -> None:
    job, other = a_job(1), a_job(2)
    body = replace(
        a_body(job),
        repo=Repo(name="shop", url="https://example.com/shop.git", kind=RefKind.TAG, ref="v*"),
        undo=replace(WORK, task="undo"),
        on_remove=OnRemove.RUN,
        protect=True,
        removes=True,
        was=("shop", "old-name"),
    )
    await store.runs.add(a_run(), [(job, body), (other, replace(body, job=other.id))])
    assert await store.jobs.body(job.id) == body


async def test_many_bodies_are_read_at_once(store: Store) -> None:
    jobs = with_bodies(*(a_job(number) for number in range(1, 6)))
    await store.runs.add(a_run(), jobs)
    wanted = [job.id for job, _ in jobs[1:4]]
    found = await store.jobs.bodies([*wanted, JobId("none")])
    assert found == {job.id: body for job, body in jobs[1:4]}
    assert await store.jobs.bodies([]) == {}


async def test_the_serial_counts_runs_and_never_goes_back(store: Store) -> None:
    assert await store.runs.serial() == 0
    for number in range(1, 4):
        await store.runs.add(a_run(number), [])
        await store.runs.finish(replace(a_run(number), finished_at=NOW))
        assert await store.runs.serial() == number


async def test_a_run_without_jobs_is_a_run(store: Store) -> None:
    await store.runs.add(a_run(), [])
    assert await store.runs.list() == (a_run(),)


async def test_what_was_never_recorded_is_not_found(store: Store) -> None:
    assert await store.runs.get(RunId("none")) is None
    assert await store.jobs.get(JobId("none")) is None
    assert await store.jobs.events(JobId("none")) == ()
    with pytest.raises(NotFoundError):
        await store.jobs.body(JobId("none"))
    with pytest.raises(NotFoundError):
        await store.jobs.append(a_job(9), [an_event(a_job(9), 1)])
    with pytest.raises(NotFoundError):
        await store.jobs.request_stop(JobId("none"))
    with pytest.raises(NotFoundError):
        await store.runs.finish(a_run(9))


async def test_a_refused_run_leaves_nothing_behind(store: Store) -> None:
    await store.runs.add(a_run(1), with_bodies(a_job(1)))
    for run, jobs in (
        (a_run(1), with_bodies(a_job(2))),  # the run's id is taken
        (a_run(2), with_bodies(a_job(3, run=2), a_job(1, run=2))),  # a job's id is taken
        (a_run(2), with_bodies(a_job(3, run=2), a_job(3, run=2))),  # one id twice
        (a_run(2), with_bodies(a_job(3, run=1))),  # another run's job
        (a_run(2), [(a_job(3, run=2), a_body(a_job(4)))]),  # another job's body
    ):
        with pytest.raises(IllegalTransitionError):
            await store.runs.add(run, jobs)
    assert await store.runs.list() == (a_run(1),)
    assert await store.jobs.list() == (a_job(1),)


async def test_a_ledger_grows_and_the_job_stands_as_told(store: Store) -> None:
    job = a_job()
    await store.runs.add(a_run(), with_bodies(job))
    attempt = Attempt(id=attempt_id(job.id, "fetch", 1), number=1, state=State.RUNNING)
    running = replace(
        job,
        state=State.RUNNING,
        started_at=NOW,
        steps=(StepRun(name="fetch", state=State.RUNNING, attempts=(attempt,)),),
    )
    events = [an_event(job, 1, State.DISPATCHED, boot_id="b"), an_event(job, 2, step="fetch")]
    await store.jobs.append(running, events)
    ended = replace(running, state=State.SUCCEEDED, exit_code=0, finished_at=NOW)
    last = an_event(job, 3, State.SUCCEEDED, exit_code=0, outputs={"version": "1.2"})
    await store.jobs.append(ended, [last])
    assert await store.jobs.get(job.id) == ended
    assert await store.jobs.events(job.id) == (*events, last)


async def test_a_seq_is_used_once_and_a_refused_append_changes_nothing(store: Store) -> None:
    job = a_job()
    await store.runs.add(a_run(), with_bodies(job))
    await store.jobs.append(replace(job, state=State.DISPATCHED), [an_event(job, 1)])
    for events in ([an_event(job, 2), an_event(job, 1)], [an_event(job, 3), an_event(job, 3)]):
        with pytest.raises(IllegalTransitionError, match="seq is taken"):
            await store.jobs.append(replace(job, state=State.RUNNING), events)
    with pytest.raises(IllegalTransitionError, match="to the ledger of"):
        await store.jobs.append(job, [an_event(a_job(2), 4)])
    assert await store.jobs.get(job.id) == replace(job, state=State.DISPATCHED)
    assert len(await store.jobs.events(job.id)) == 1


@pytest.mark.parametrize("state", [s for s in State if s.ended and s is not State.LOST])
async def test_the_end_of_a_job_is_written_once(store: Store, state: State) -> None:
    job = a_job()
    await store.runs.add(a_run(), with_bodies(job))
    ended = replace(job, state=state)
    await store.jobs.append(ended, [an_event(job, 1, state)])
    with pytest.raises(IllegalTransitionError, match=f"ended as {state}"):
        await store.jobs.append(replace(job, state=State.RUNNING), [an_event(job, 2)])
    assert await store.jobs.request_stop(job.id) is False
    assert await store.jobs.get(job.id) == ended
    assert len(await store.jobs.events(job.id)) == 1


async def test_a_lost_job_may_still_change(store: Store) -> None:
    job = a_job()
    await store.runs.add(a_run(), with_bodies(job))
    await store.jobs.append(replace(job, state=State.LOST), [an_event(job, 1, State.LOST)])
    assert [one.id for one in await store.jobs.open()] == [job.id]
    found = replace(job, state=State.SUCCEEDED)
    await store.jobs.append(found, [an_event(job, 2, State.SUCCEEDED)])
    assert await store.jobs.get(job.id) == found
    assert await store.jobs.open() == ()


async def test_of_two_ends_at_the_same_time_one_is_kept(store: Store) -> None:
    job = a_job()
    await store.runs.add(a_run(), with_bodies(job))
    ends = (State.SUCCEEDED, State.FAILED, State.CANCELLED, State.TIMED_OUT)
    tries = [
        store.jobs.append(replace(job, state=state), [an_event(job, seq, state)])
        for seq, state in enumerate(ends, start=1)
    ]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(result is None for result in results) == 1
    assert sum(isinstance(result, IllegalTransitionError) for result in results) == 3
    assert len(await store.jobs.events(job.id)) == 1


async def test_a_refused_write_takes_no_other_with_it(store: Store) -> None:
    jobs = [a_job(number) for number in range(1, 41)]
    await store.runs.add(a_run(), with_bodies(*jobs))
    tries = []
    for job in jobs:
        tries.append(store.jobs.append(replace(job, state=State.RUNNING), [an_event(job, 1)]))
        tries.append(store.jobs.append(replace(job, state=State.PAUSED), [an_event(job, 1)]))
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, IllegalTransitionError) for result in results) == 40
    for job in jobs:
        stored = await store.jobs.get(job.id)
        assert stored is not None
        assert stored.state is State.RUNNING
        assert len(await store.jobs.events(job.id)) == 1


async def test_a_wish_to_stop_survives_what_the_engine_writes(store: Store) -> None:
    job = a_job()
    await store.runs.add(a_run(), with_bodies(job))
    assert await store.jobs.request_stop(job.id) is True
    assert await store.jobs.request_stop(job.id) is True
    await store.jobs.append(replace(job, state=State.RUNNING), [an_event(job, 1)])
    assert await store.jobs.get(job.id) == replace(job, state=State.RUNNING, stop_requested=True)


async def test_lists_are_newest_first_filtered_and_bounded(store: Store) -> None:
    first = [a_job(1), a_job(2, target="blog")]
    second = [a_job(3, run=2), a_job(4, run=2, server="web-01")]
    await store.runs.add(a_run(1), with_bodies(*first))
    await store.runs.add(a_run(2), with_bodies(*second))
    ids = [job.id for job in (*first, *second)]

    async def listed(**filters: str) -> list[int]:
        return [ids.index(j.id) + 1 for j in await store.jobs.list(**filters)]  # type: ignore[arg-type]

    assert await listed() == [4, 3, 2, 1]
    assert await listed(target="blog") == [2]
    assert await listed(server="web-01") == [4, 1]
    assert await listed(run=a_run(2).id, server="web-03") == [3]
    assert await listed(target="nowhere") == []
    assert [job.id for job in await store.jobs.list(limit=1)] == ids[3:]
    assert await store.runs.list(limit=1) == (a_run(2),)
    assert await store.runs.list() == (a_run(2), a_run(1))
    assert [job.id for job in await store.jobs.open()] == ids


async def test_what_ran_of_a_target_is_summed_up_by_run(store: Store) -> None:
    one, two = Sha("1" * 40), Sha("2" * 40)
    first = [a_job(1, commit=one, cause="first"), a_job(2, commit=one), a_job(3, target="blog")]
    second = [
        a_job(4, run=2, commit=two, trigger=Trigger.ROLLBACK),
        a_job(5, run=2, commit=one),
        a_job(6, run=2, commit=two),
    ]
    await store.runs.add(a_run(1), with_bodies(*first))
    await store.runs.add(a_run(2), with_bodies(*second))
    for number, job in enumerate(first, start=1):
        ended = replace(
            job,
            state=State.SUCCEEDED,
            started_at=NOW + timedelta(minutes=number),
            finished_at=NOW + timedelta(hours=number),
        )
        await store.jobs.append(ended, [an_event(job, 1, State.SUCCEEDED)])
    failed = replace(second[0], state=State.FAILED, started_at=NOW, finished_at=NOW)
    await store.jobs.append(failed, [an_event(failed, 1, State.FAILED)])
    newest, oldest = await store.jobs.past("shop")
    assert (newest.run, newest.commits, newest.trigger) == (
        a_run(2).id,
        (two, one),
        Trigger.ROLLBACK,
    )
    assert newest.states == {State.FAILED: 1, State.PENDING: 2}
    assert (newest.ended, newest.succeeded, newest.finished_at) == (False, False, None)
    assert (oldest.commits, oldest.cause, oldest.servers) == ((one,), "first", ("web-01", "web-02"))
    assert oldest.started_at == NOW + timedelta(minutes=1)
    assert oldest.finished_at == NOW + timedelta(hours=2)
    assert (oldest.ended, oldest.succeeded) == (True, True)
    assert await store.jobs.past("shop", limit=1) == (newest,)
    assert await store.jobs.past("nowhere") == ()


async def test_jobs_are_found_by_the_beginning_of_their_id(store: Store) -> None:
    await store.runs.add(a_run(), with_bodies(*(a_job(number) for number in range(1, 13))))
    assert await store.jobs.find("job00000001") == (a_job(10), a_job(11), a_job(12))
    assert await store.jobs.find("job000000012") == (a_job(12),)
    assert len(await store.jobs.find("")) == 10
    assert await store.jobs.find("job%") == ()
    assert await store.jobs.find("job_") == ()
    assert await store.jobs.find("\udcff") == ()


async def test_a_run_ends(store: Store) -> None:
    await store.runs.add(a_run(), [])
    ended = replace(a_run(), finished_at=NOW)
    await store.runs.finish(ended)
    assert await store.runs.get(ended.id) == ended


async def test_records_replace_each_other_by_pair(store: Store) -> None:
    tried = Tried(digest=DIGEST, run=RunId("r"), at=NOW, state=State.FAILED)
    old, other = a_record(), a_record(server="web-02", key="00" * 32)
    new = a_record(tried=tried, manifest={"source": "abcdef01"}, params={"n": [1, 2]})
    await store.records.put([old, other])
    await store.records.put([new])
    await store.records.put([])
    assert await store.records.all() == {("shop", "web-01"): new, ("shop", "web-02"): other}
    await store.records.forget([("shop", "web-01"), ("shop", "never")])
    assert await store.records.all() == {("shop", "web-02"): other}


async def test_records_of_some_targets_are_read_alone(store: Store) -> None:
    shop, other, blog = a_record(), a_record(server="web-02"), a_record("blog")
    await store.records.put([shop, other, blog])
    both = {("shop", "web-01"): shop, ("shop", "web-02"): other}
    assert await store.records.all(targets={"shop", "never"}) == both
    assert await store.records.all(targets=()) == {}
    assert await store.records.all(targets={"shop"}, as_of=NOW + timedelta(days=9999)) == both
    assert await store.records.get("shop", "web-02") == other
    assert await store.records.get("blog", "web-02") is None
    assert await store.records.targets() == {"shop", "blog"}


async def test_what_was_seen_of_some_targets_is_read_alone(store: Store) -> None:
    record, holder = a_record(), Holder(run="r", who="o", controller="c", boot_id="b", since=NOW)
    check = CheckSeen(digest=DIGEST, exit_code=1, output="no", at=NOW)
    marker = MarkerSeen(record=record, sha256=DIGEST)
    both = ServerSeen(
        server="web-01",
        at=NOW,
        reached=True,
        boot_id="b",
        markers={"shop": marker, "blog": marker},
        checks={"blog": check},
        locks={"shop": holder, "blog": holder},
    )
    away = ServerSeen(server="web-02", at=NOW, reached=False, cause=Unreachable.DNS, message="no")
    await store.observations.put_servers([both, away])
    only = replace(both, markers={"shop": marker}, checks={}, locks={"shop": holder})
    found = await store.observations.servers(targets={"shop", "never"})
    assert found == {"web-01": only, "web-02": away}
    bare = replace(both, markers={}, checks={}, locks={})
    assert await store.observations.servers(targets=()) == {"web-01": bare, "web-02": away}


async def test_observations_replace_each_other(store: Store) -> None:
    seen = ServerSeen(
        server="web-01",
        at=NOW,
        reached=True,
        boot_id="b",
        markers={"shop": MarkerSeen(record=a_record(), sha256=DIGEST)},
        checks={"shop": CheckSeen(digest=DIGEST, exit_code=1, output="no", at=NOW)},
        locks={"shop": Holder(run="r", who="ops", controller="c", boot_id="b", since=NOW)},
    )
    gone = ServerSeen(server="web-02", at=NOW, reached=False, cause=Unreachable.DNS, message="no")
    await store.observations.put_servers([seen, gone])
    await store.observations.put_servers([replace(gone, message="still")])
    assert await store.observations.servers() == {
        "web-01": seen,
        "web-02": replace(gone, message="still"),
    }
    repo = RepoSeen(repo="shop", url="https://example.com/shop.git")
    await store.observations.put_repo(repo)
    await store.observations.put_repo(replace(repo, error="gone", error_code="source-unreachable"))
    repos = await store.observations.repos()
    assert list(repos) == ["shop"]
    assert repos["shop"].error == "gone"


async def test_what_cannot_be_kept_is_refused_and_leaves_no_trace(store: Store) -> None:
    bad = replace(a_run(), title="half a pair \ud800")
    with pytest.raises(StateError, match="cannot record a Run"):
        await store.runs.add(bad, [])
    job = replace(a_job(), cause="\ud800")
    with pytest.raises(StateError, match="cannot record a Job"):
        await store.runs.add(a_run(), with_bodies(job))
    assert await store.runs.list() == ()


async def test_hostile_names_are_only_text(store: Store) -> None:
    name = "x'; DROP TABLE jobs; --\x00\u202e"
    job = a_job(1, target=name, server=name, cause=name)
    run = Run(id=a_run().id, actor=name, created_at=NOW, title=name)
    await store.runs.add(run, with_bodies(job))
    assert await store.jobs.list(target=name, server=name) == (job,)
    assert await store.runs.list() == (run,)
    assert await store.jobs.get(JobId(name)) is None
    assert await store.jobs.find("\x00") == ()
    assert await store.jobs.bodies([JobId(name)]) == {}
    await store.records.put([a_record(name, name)])
    await store.records.put([a_record(name, name, by=name)])
    assert await store.records.all() == {(name, name): a_record(name, name, by=name)}


async def test_wishes_are_changed_one_after_the_other_and_read_back_with_the_job(
    store: Store,
) -> None:
    job = a_job(state=State.RUNNING)
    await store.runs.add(a_run(), with_bodies(job))
    until = NOW + timedelta(minutes=5)
    assert await store.jobs.wish(job.id, lambda now: now.with_hold(Hold(until=until)))
    assert await store.jobs.wish(job.id, lambda now: now.with_stop("fetch"))
    found = await store.jobs.get(job.id)
    assert found is not None
    assert found.wishes == Wishes(stops=("fetch",), holds=(Hold(until=until),))
    await store.jobs.append(replace(job, reason="x"), [an_event(job, 1)])
    (again,) = await store.jobs.list()
    assert again.wishes == found.wishes


async def test_nothing_can_be_wished_of_a_job_that_has_ended(store: Store) -> None:
    job = a_job(state=State.FAILED)
    await store.runs.add(a_run(), with_bodies(job))
    assert not await store.jobs.wish(job.id, lambda now: now.with_stop("fetch"))
    with pytest.raises(NotFoundError):
        await store.jobs.wish(JobId("none"), lambda now: now)


async def test_an_archived_job_leaves_the_list_and_is_found_all_the_same(store: Store) -> None:
    ended = a_job(1, state=State.SUCCEEDED, finished_at=NOW)
    late = a_job(2, state=State.FAILED, finished_at=NOW + timedelta(hours=1))
    open_ = a_job(3, state=State.RUNNING)
    await store.runs.add(a_run(), with_bodies(ended, late, open_))
    assert await store.jobs.to_archive(NOW, limit=5) == ()
    soon = NOW + timedelta(minutes=1)
    assert [job.id for job in await store.jobs.to_archive(soon, limit=5)] == [ended.id]
    place = Archived(at=NOW, path="archive/2026/a.tar.gz", size=3, sha256=DIGEST)
    await store.jobs.archive(ended.id, place)
    assert await store.jobs.to_archive(soon, limit=5) == ()
    assert await store.jobs.list(archived=False) == (open_, late)
    (found,) = await store.jobs.list(archived=True)
    assert found == replace(ended, archived=place)
    assert len(await store.jobs.list()) == 3
    assert await store.jobs.get(ended.id) == found
    assert await store.jobs.to_clear(limit=5) == (found,)
    await store.jobs.archive(ended.id, replace(place, cleared=True))
    assert await store.jobs.to_clear(limit=5) == ()


async def test_only_what_has_ended_for_good_is_archived(store: Store) -> None:
    jobs = (a_job(1, state=State.RUNNING), a_job(2, state=State.LOST))
    await store.runs.add(a_run(), with_bodies(*jobs))
    place = Archived(at=NOW, path="a", size=3, sha256=DIGEST)
    for job in jobs:
        with pytest.raises(IllegalTransitionError, match="cannot archive"):
            await store.jobs.archive(job.id, place)
    with pytest.raises(NotFoundError):
        await store.jobs.archive(JobId("none"), place)


async def test_jobs_are_listed_page_by_page(store: Store) -> None:
    jobs = [a_job(number) for number in range(1, 6)]
    await store.runs.add(a_run(), with_bodies(*jobs))
    first = await store.jobs.list(limit=2)
    assert first == (jobs[4], jobs[3])
    second = await store.jobs.list(limit=2, before=first[-1].id)
    assert second == (jobs[2], jobs[1])
    assert await store.jobs.list(limit=2, before=jobs[1].id, server="web-01") == (jobs[0],)
    assert await store.jobs.list(before=jobs[0].id) == ()
    assert await store.jobs.list(before=JobId("gone")) == ()


async def test_jobs_are_listed_by_their_states(store: Store) -> None:
    jobs = [a_job(number) for number in range(1, 4)]
    await store.runs.add(a_run(), with_bodies(*jobs))
    ran = replace(jobs[1], state=State.RUNNING)
    await store.jobs.append(ran, [])
    assert await store.jobs.list(states=[State.RUNNING, State.FAILED]) == (ran,)
    assert await store.jobs.list(states={State.PENDING}, limit=1) == (jobs[2],)
    assert await store.jobs.list(states=()) == ()
