"""What a job is recorded with: all that is needed to carry it out, or take it up, after its declaration is gone."""

from pathlib import Path

from controller.jobs.marker import marker_digest
from controller.model.declaration import OnRemove
from controller.model.job import JobBody, Trigger
from controller.reconcile.exchange.requests import RunRequest
from tests.fakes.house import House, house
from tests.fakes.repositories import Repository

TEXT = """\
repos: {{shop: {{url: {url}}}}}
tasks: {{work: {{run: 'work {n}'}}, undo: {{run: undo}}}}
targets:
  {name}:
    repo: shop
    servers: all
    task: work
    protect: true
    on_remove: {{run: undo}}
    rollout: {{canary: 1, batch: 2, max_failures: 1}}
    priority: 3{more}
"""


def declare(h: House, shop: Repository, n: int = 1, *, name: str = "t", more: str = "") -> None:
    h.declare(TEXT.format(url=shop.path, n=n, name=name, more=more), servers=4)


async def newest(h: House) -> JobBody:
    return await h.rooms.store.jobs.body((await h.jobs())[0].id)


async def test_a_job_is_recorded_with_all_that_a_takeover_needs(tmp_path: Path) -> None:
    shop = Repository(tmp_path / "shop")
    commit = shop.commit({"app": "1"})
    async with house(tmp_path / "house") as h:
        declare(h, shop)
        report = (await h.apply()).report
        body = await newest(h)
        assert body.undo is not None
        assert (body.protect, body.on_remove, body.undo.task) == (True, OnRemove.RUN, "undo")
        assert body.repo is not None
        assert (body.repo.name, body.facts["CTL_REPO"]) == ("shop", "shop")
        assert body.committed_at is not None
        assert {job.commit for job in await h.jobs()} == {commit}
        run = await h.run_of(report)
        order = run.orders["t"]
        assert (order.max_failures, order.priority) == (1, 3)
        assert sorted(job.wave for job in await h.jobs()) == [1, 2, 2, 3]


async def test_a_target_that_is_run_by_hand_keeps_its_waves_and_limits(tmp_path: Path) -> None:
    shop = Repository(tmp_path / "shop")
    shop.commit({"app": "1"})
    async with house(tmp_path / "house") as h:
        declare(h, shop)
        await h.apply()
        h.town.bad = {"web-1", "web-2"}
        report = await h.controller.run(RunRequest(target="t"))
        assert set(report.halted) == {"t"}
        assert report.run is not None
        jobs = await h.jobs(report.run.id)
        assert sorted(job.wave for job in jobs) == [1, 2, 2, 3]
        assert {job.trigger for job in jobs} == {Trigger.MANUAL}
        assert ("t", "web-4") not in h.town.worked[4:]


async def test_a_renamed_pair_that_runs_expects_no_marker_of_its_new_name(tmp_path: Path) -> None:
    shop = Repository(tmp_path / "shop")
    shop.commit({"app": "1"})
    async with house(tmp_path / "house") as h:
        declare(h, shop)
        await h.apply()
        declare(h, shop, 2, name="u", more="\n    was: t")
        await h.apply()
        body = await newest(h)
        assert (body.was, body.expect) == (("t", body.server.name), None)
        declare(h, shop, 3, name="u")
        before = {
            name: marker_digest(h.town.fleet.machine(name).markers["main", "u"])
            for name in ("web-1", "web-2", "web-3", "web-4")
        }
        await h.apply()
        body = await newest(h)
        assert body.expect == before[body.server.name]
        assert (await h.plan()).changes == ()
