"""A retry runs a job as it was recorded, but only while every gate lets its pair through."""

from datetime import timedelta
from pathlib import Path

import pytest

from controller.errors import RefusedError
from controller.model.ids import JobId
from controller.model.job import State
from tests.fakes.house import House, house
from tests.fakes.repositories import Repository

TEXT = """\
tasks: {work: {run: 'work'}}
targets: {t: {servers: all, task: work%s}}
"""
CLOSED = ", windows: [{allow: '0 3 * * *', for: 1h}]"


async def failed(h: House, more: str = "") -> JobId:
    """A job that failed, on a server that is well again."""
    h.declare(TEXT % more, servers=1)
    h.town.bad = {"web-1"}
    await h.apply()
    h.town.bad = set()
    return (await h.jobs())[0].id


async def refused(h: House, job: JobId, *words: str) -> None:
    began = len(h.town.worked)
    with pytest.raises(RefusedError) as error:
        await h.controller.jobs.retry(job)
    said = f"{error.value.message} ({error.value.hint})"
    assert all(word in said for word in words), said
    assert len(h.town.worked) == began
    assert len(await h.jobs()) == 1


async def test_what_failed_runs_again_when_nothing_holds_it(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        report = await h.controller.jobs.retry(await failed(h))
        assert [job.state for job in report.jobs] == [State.SUCCEEDED]
        assert (await h.plan()).changes == ()


async def test_a_suspended_target_is_not_retried_until_it_is_resumed(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        job = await failed(h)
        await h.controller.suspend("t", reason="audit")
        await refused(h, job, "suspended", "audit", "ctl resume t")
        await h.controller.resume("t")
        await h.controller.jobs.retry(job)
        assert len(h.town.worked) == 2


async def test_nothing_is_retried_outside_of_its_window(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        job = await failed(h)
        h.declare(TEXT % CLOSED)
        await refused(h, job, "window")
        h.town.jump(h.town.clock.now().replace(hour=3, minute=30) + timedelta(days=1))
        await h.controller.jobs.retry(job)
        assert len(h.town.worked) == 2


async def test_a_target_that_is_named_by_its_job_needs_no_other_word(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        job = await failed(h)
        h.declare(TEXT % ", on_commit: ignore")
        await h.controller.jobs.retry(job)
        assert len(h.town.worked) == 2


async def test_a_job_of_a_commit_that_was_rolled_back_waits_for_the_pin_to_go(
    tmp_path: Path,
) -> None:
    async with house(tmp_path / "house") as h:
        shop = Repository(tmp_path / "shop")
        repo = f"repos: {{shop: {{url: {shop.path}}}}}\n"
        h.declare(repo + TEXT % ", repo: shop", servers=1)
        shop.commit({"app": "good"})
        await h.apply()
        shop.commit({"app": "bad"})
        h.town.bad = {"web-1"}
        await h.apply()
        h.town.bad = set()
        job = (await h.jobs())[0].id
        until = h.town.clock.now() + timedelta(hours=1)
        await h.controller.rollback("t", to="previous", reason="500s", until=until)
        with pytest.raises(RefusedError, match="rolled t back from"):
            await h.controller.jobs.retry(job)
        h.town.jump(until)
        report = await h.controller.jobs.retry(job)
        assert [one.state for one in report.jobs] == [State.SUCCEEDED]


async def test_a_job_of_a_pair_that_is_called_otherwise_now_is_not_retried(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        job = await failed(h)
        h.declare((TEXT % ", was: t").replace("{t:", "{u:"))
        await refused(h, job, "t on web-1 is now u on web-1", "ctl run --target u --on web-1")
        assert h.town.markers("web-1") == {"t"}


async def test_what_comes_before_holds_a_retry_too(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        job = await failed(h)
        h.declare(
            "tasks: {work: {run: 'work'}, other: {run: 'other'}}\n"
            "targets: {t: {servers: all, task: work, after: [db]}, "
            "db: {servers: all, task: other, suspended: {reason: audit}}}\n"
        )
        await refused(h, job, "dependency", "db")
