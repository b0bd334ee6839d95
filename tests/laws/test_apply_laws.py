"""Laws of `apply`, resumed runs, renames and rollbacks: a whole controller on a simulated fleet that fails and heals at will."""

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from controller.errors import RefusedError, StalePlanError
from controller.model.ids import RunId
from controller.model.job import State
from controller.model.plan import Gate
from tests.fakes.house import House, house
from tests.fakes.repositories import Repository

SERVERS = tuple(f"web-{number}" for number in range(1, 6))
INVENTORY = "servers: {'web-[1:5]': {}}\n"


def law(examples: int) -> settings:
    """Each example is a controller with its repositories: few tell enough."""
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
    )


few = st.sets(st.sampled_from(SERVERS), max_size=3)
moods = st.tuples(few, few)
"""Which servers fail, and which do not answer."""
rollouts = st.sampled_from(
    [
        "",
        ", rollout: {canary: 1, batch: 2, max_failures: 0}",
        ", rollout: {batch: 2, max_failures: 1}",
        ", rollout: {batch: 40%, max_failures: 40%}, when_offline: skip",
        ", when_offline: fail",
    ]
)


def text(n: int, web: str, db: str) -> str:
    return (
        f"tasks: {{work: {{run: 'work {n}'}}}}\n"
        "targets:\n"
        f"  web: {{servers: all, task: work, after: [db]{web}}}\n"
        f"  db: {{servers: 'web-1,web-2', task: work{db}}}\n"
    )


async def feel(h: House, mood: tuple[set[str], set[str]]) -> None:
    bad, down = mood
    h.town.bad = set(bad)
    for name in SERVERS:
        h.town.fleet.stand_up(name)
        if name in down:
            h.town.fleet.lay_down(name)


async def in_sync(h: House) -> set[tuple[str | None, str]]:
    """The pairs in which what was asked for last is in force."""
    records = await h.records()
    asked = {(job.target, job.server): job.digest for job in reversed(await h.jobs())}
    return {
        key
        for key, digest in asked.items()
        if key[0] is not None
        and (record := records.get((key[0], key[1]))) is not None
        and record.tried is None
        and record.applied == digest
    }


async def go_on(h: House, run: RunId) -> None:
    """Go on with a run, and demand that nothing is touched but what is left of it."""
    before = len(h.town.worked)
    done = await in_sync(h)
    left = {(job.target, job.server) for job in await h.jobs(run)}
    try:
        await h.apply(resume=run)
    except StalePlanError:
        raise
    except RefusedError:
        return  # nothing is left of it
    began = set(h.town.worked[before:])
    assert not began & done
    run_ = await h.rooms.store.runs.get(run)
    assert run_ is not None
    if run_.resumes is None:
        assert began <= left


async def once_in_each_run(h: House) -> None:
    """Demand that no run began a pair twice, and that nothing more began than was recorded."""
    jobs = await h.jobs()
    pairs = Counter((job.run, job.target, job.server) for job in jobs)
    assert all(count == 1 for count in pairs.values())
    begun = [job for job in jobs if any(step.attempts for step in job.steps)]
    assert len(h.town.worked) == len(begun)
    assert all(count == 1 for count in h.town.fleet.starts.values())


@pytest.mark.sweep
@law(10)
@given(rollouts, rollouts, st.lists(moods, min_size=1, max_size=3))
async def test_whatever_fails_in_between_apply_and_resume_bring_everything_in_sync(
    web: str, db: str, story: list[tuple[set[str], set[str]]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with house(Path(folder) / "house") as h:
            h.declare(text(1, web, db), INVENTORY)
            await h.apply()
            h.declare(text(2, web, db))
            for mood in story:
                await feel(h, mood)
                report = (await h.apply()).report
                if report.run is not None:
                    await go_on(h, report.run.id)
            await feel(h, (set(), set()))
            for _ in range(len(story) * len(SERVERS)):
                plan = (await h.apply()).plan
                if not plan.changes:
                    break
                for record in (await h.records()).values():
                    if record.tried is not None and record.tried.state in {
                        State.FAILED,
                        State.TIMED_OUT,
                    }:
                        await go_on(h, record.tried.run)
                        break
            assert (await h.plan()).changes == ()
            assert await in_sync(h) == {
                *(("web", name) for name in SERVERS),
                *(("db", name) for name in SERVERS[:2]),
            }
            await once_in_each_run(h)


@law(8)
@given(st.sampled_from([0, 1, 2]), few, st.integers(1, 3))
async def test_after_a_halt_nothing_starts_until_somebody_goes_on(
    most: int, bad: set[str], batch: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with house(Path(folder) / "house") as h:
            h.declare(
                text(1, f", rollout: {{batch: {batch}, max_failures: {most}}}", ""), INVENTORY
            )
            await feel(h, (bad, set()))
            await h.apply()
            failing = [one for one in h.town.worked if one[0] == "web" and one[1] in bad]
            assert len(failing) <= most + batch
            held = {c.blocked_by.gate for c in (await h.plan()).changes if c.blocked_by}
            count = len(h.town.worked)
            await h.apply()
            again = h.town.worked[count:]
            if Gate.BUDGET in held:
                assert not [one for one in again if one[0] == "web"]
            assert not set(again) & set(failing)


names = st.sampled_from(["a", "b", "c", "d"])


@pytest.mark.sweep
@law(6)
@given(st.lists(st.tuples(names, st.integers(1, 5), st.booleans()), min_size=1, max_size=4))
async def test_a_rename_runs_nothing_and_leaves_nothing_behind(
    story: list[tuple[str, int, bool]],
) -> None:
    """Each chapter renames the target, perhaps a server, and perhaps changes an input as well."""
    with tempfile.TemporaryDirectory() as folder:
        async with house(Path(folder) / "house") as h:
            target, inputs = "start", 0

            def declare(was: str) -> None:
                more = f", was: {was}" if was else ""
                h.declare(
                    f"tasks: {{work: {{run: 'work {inputs}'}}}}\n"
                    f"targets: {{{target}: {{servers: all, task: work{more}}}}}\n",
                    INVENTORY,
                )

            declare("")
            await h.apply()
            for name, number, changes in story:
                was, target = target, f"{name}-{number}"
                inputs += changes
                before = len(h.town.worked)
                declare("" if was == target else was)
                await h.apply()
                expected = [(target, server) for server in SERVERS] if changes else []
                assert sorted(h.town.worked[before:]) == expected
                assert (await h.plan()).changes == ()
                assert all(h.town.markers(server) == {target} for server in SERVERS)
                assert set(await h.records()) == {(target, server) for server in SERVERS}


@pytest.mark.sweep
@law(4)
@given(st.integers(2, 4), st.data())
async def test_a_rollback_is_stable_and_can_be_taken_back_and_done_again(
    commits: int, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = Repository(Path(folder) / "shop")
        async with house(Path(folder) / "house") as h:
            h.declare(
                f"repos: {{shop: {{url: {shop.path}}}}}\n"
                "tasks: {work: {run: 'work'}}\n"
                "targets: {t: {repo: shop, servers: all, task: work}}\n",
                "servers: {web-1: {}, web-2: {}}\n",
            )
            made = []
            for number in range(commits):
                made.append(shop.commit({"app": str(number)}))
                await h.apply()
            to = made[data.draw(st.integers(0, commits - 2))]

            async def back() -> tuple[str, str]:
                pinned = await h.controller.rollback("t", to=to, reason="500s")
                return pinned.pin.commit, pinned.pin.bad

            async def applied() -> set[str | None]:
                await h.apply()
                assert (await h.plan()).changes == ()
                return {record.commit for record in (await h.records()).values()}

            first = await back()
            assert await back() == first
            assert first[0] == to
            assert await applied() == {to}
            assert await back() == first
            assert (await h.plan()).changes == ()
            await h.controller.lift_pin("t", reason="it was the proxy")
            assert await applied() == {made[-1]}
            assert await back() == first
            assert await applied() == {to}
            fixed = shop.commit({"app": "fixed"})
            assert await applied() == {fixed}
            assert (await h.rooms.store.standings.all()).pins == {}
            await once_in_each_run(h)
