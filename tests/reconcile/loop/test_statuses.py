"""A commit is pending until all is known, red as soon as anything goes wrong, and green only when all is well."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from controller.declaration.inputs import Sourced
from controller.model.ids import Digest, JobId, RunId, Sha
from controller.model.job import Job, Run, State
from controller.model.plan import Action, Blocker, Change, Gate, Plan
from controller.model.revision import Revision
from controller.notify.forges.statuses import Light, Status
from controller.reconcile.loop import outbox, statuses
from controller.reconcile.loop.notices import Noticeboard
from controller.reconcile.loop.statuses import decide
from controller.reconcile.walk.seen import Seen
from tests.fakes.clocks import START
from tests.fakes.forges import SHA as FORGE_SHA, TOKEN, fake_forge
from tests.reconcile.loop.small_world import SmallWorld, small_world

SHA, OTHER = Sha("1" * 40), Sha("2" * 40)
RUN = Run(id=RunId("run1"), actor="ops", created_at=START, finished_at=START, title="shop")
CHANGE = Change(target="shop", server="web-1", task="deploy", action=Action.CHANGE, reason="x")


def a_job(server: str = "web-1", state: State = State.SUCCEEDED, commit: Sha = SHA) -> Job:
    return Job(
        id=JobId(f"{server}-{state}"),
        run=RUN.id,
        target="shop",
        task="deploy",
        server=server,
        digest=Digest("ab" * 32),
        created_at=START,
        state=state,
        commit=commit,
    )


def light(*jobs: Job, changes: tuple[Change, ...] = (), run: Run = RUN) -> Light | None:
    status = said(*jobs, changes=changes, run=run)
    return None if status is None else status.state


def said(*jobs: Job, changes: tuple[Change, ...] = (), run: Run = RUN) -> Status | None:
    return decide("shop", SHA, changes=changes, jobs=jobs, runs={run.id: run})


def test_a_commit_is_green_when_every_server_is_in_sync_and_well() -> None:
    assert light(a_job(), a_job("web-2")) is Light.SUCCESS
    assert light() is Light.SUCCESS


@pytest.mark.parametrize(
    "change",
    [
        CHANGE,
        replace(CHANGE, unknown=True),
        replace(CHANGE, blocked_by=Blocker(gate=Gate.WINDOW, message="outside the window")),
    ],
)
def test_a_commit_is_never_green_before_everything_is_known(change: Change) -> None:
    assert light(changes=(change,)) is Light.PENDING
    assert light(a_job("web-2"), changes=(change,)) is Light.PENDING
    assert light(a_job(state=State.RUNNING)) is Light.PENDING


@pytest.mark.parametrize("state", [State.FAILED, State.TIMED_OUT, State.INTERRUPTED])
def test_a_commit_is_red_as_soon_as_anything_goes_wrong(state: State) -> None:
    running = a_job("web-2", State.RUNNING)
    assert light(a_job(state=state), running, changes=(CHANGE,)) is Light.FAILURE


def test_a_halted_rollout_is_red_although_every_job_ended_well() -> None:
    halted = replace(RUN, halted={"shop": "health: exit 1"})
    assert light(a_job(), changes=(CHANGE,), run=halted) is Light.FAILURE


def test_a_commit_is_not_green_while_a_check_of_health_may_be_to_come() -> None:
    assert light(a_job(), run=replace(RUN, finished_at=None)) is Light.PENDING


def test_the_newest_job_of_a_server_counts_and_only_those_of_the_commit() -> None:
    old = a_job("web-1", State.FAILED)
    assert light(a_job(), old) is Light.SUCCESS
    assert light(a_job("web-1", State.FAILED, OTHER)) is Light.SUCCESS


def test_projects_that_share_a_repo_are_told_apart() -> None:
    assert statuses.prefix_of("main") == "ctl"
    assert statuses.prefix_of("eu") == "ctl-eu"


def test_drift_says_nothing_of_a_commit() -> None:
    drifted = replace(CHANGE, action=Action.NONE, drift="/etc/x differs")
    assert light(a_job(), changes=(drifted,)) is None


def test_what_waits_says_for_what() -> None:
    blocked = replace(CHANGE, blocked_by=Blocker(gate=Gate.WINDOW, message="outside the window"))
    status = said(changes=(blocked,))
    assert status is not None
    assert (status.description, status.context) == ("outside the window", "ctl/shop")


@given(states=st.lists(st.sampled_from(State), max_size=5), in_sync=st.booleans())
def test_green_means_that_nothing_is_open_or_went_wrong(states: list[State], in_sync: bool) -> None:
    jobs = [a_job(f"web-{number}", state) for number, state in enumerate(states)]
    found = light(*jobs, changes=() if in_sync else (CHANGE,))
    well = in_sync and set(states) <= {State.SUCCEEDED}
    assert (found is Light.SUCCESS) is well
    if any(state is State.FAILED for state in states):
        assert found is Light.FAILURE


TEXT = """
tasks: {note: {run: 'true'}}
repos: {shop: {url: https://git.example.com/acme/shop.git, token: forge-token}}
secrets: {forge-token: {file: TOKEN}}
targets: {shop: {servers: all, task: note, repo: shop}}
"""


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[SmallWorld]:
    token = tmp_path / "token"
    await asyncio.to_thread(token.write_text, TOKEN)
    async with small_world(tmp_path / "house") as made:
        await made.declare(TEXT.replace("TOKEN", str(token)), servers=1)
        rooms = made.world.rooms
        made.world.notices = Noticeboard(
            rooms.store.outbox, made.force, made.queue, rooms.clock, rooms.masker
        )
        yield made


def seen(town: SmallWorld, url: str, *changes: Change, sha: str = FORGE_SHA) -> Seen:
    """Give what a plan saw of the target, with a repo on a forge."""
    generation = town.force.generation
    assert generation is not None
    declaration = generation.declaration
    repo = replace(declaration.repos["shop"], url=url)
    declaration = replace(declaration, repos={"shop": repo})
    town.force.generation = replace(
        generation, seen=replace(generation.seen, declaration=declaration)
    )
    revision = Revision(
        sha=Sha(sha),
        branch="main",
        author="ops",
        email="ops@example.com",
        subject="x",
        message="x",
        committed_at=START,
    )
    source = Sourced(revision=revision, digest=Digest("ab" * 32), repo="shop")
    plan = Plan(commit=None, digest=Digest(""), created_at=START, changes=changes)
    return replace(
        generation.seen,
        declaration=declaration,
        plan=plan,
        sources={"shop": source},
    )


async def test_what_is_said_of_a_commit_reaches_its_forge_once(town: SmallWorld) -> None:
    with fake_forge("gitea") as forge:
        for changes in ((CHANGE,), (CHANGE,), ()):
            await statuses.tell_of_commit(town.world, seen(town, forge.url, *changes), "shop")
            await outbox.reconcile(town.world, "")
        said = [(one["state"], one["context"], one["description"]) for one in forge.posted]
    assert said == [("pending", "ctl/shop", "x"), ("success", "ctl/shop", "in sync")]


async def test_a_commit_that_is_overtaken_does_not_stay_pending(town: SmallWorld) -> None:
    await statuses.tell_of_commit(town.world, seen(town, "https://x.org/a/b", CHANGE), "shop")
    later = seen(town, "https://x.org/a/b", CHANGE, sha="3" * 40)
    await statuses.tell_of_commit(town.world, later, "shop")
    letters = await town.world.rooms.store.outbox.list()
    said = sorted((one.status["commit"][:4], one.status["state"]) for one in letters)
    assert said == [("3333", "pending"), ("823b", "error"), ("823b", "pending")]


async def test_a_forge_without_a_token_hears_nothing(town: SmallWorld) -> None:
    found = seen(town, "https://x.org/a/b", CHANGE)
    repos = {"shop": replace(found.declaration.repos["shop"], token=None)}
    bare = replace(found, declaration=replace(found.declaration, repos=repos))
    await statuses.tell_of_commit(town.world, bare, "shop")
    await statuses.tell_of_commit(town.world, bare, "gone")
    assert await town.world.rooms.store.outbox.list() == ()


async def test_a_forge_that_is_away_is_told_later_and_only_the_newest(town: SmallWorld) -> None:
    with fake_forge("gitea") as forge:
        forge.instead = (503, {"Retry-After": "60"})
        await statuses.tell_of_commit(town.world, seen(town, forge.url, CHANGE), "shop")
        await outbox.reconcile(town.world, "")
        forge.instead = None
        town.pass_time(1)
        await statuses.tell_of_commit(town.world, seen(town, forge.url), "shop")
        await outbox.reconcile(town.world, "")
        assert forge.posted == []
        town.pass_time(61)
        await outbox.reconcile(town.world, "")
        assert [one["state"] for one in forge.posted] == ["success"]
    letters = await town.world.rooms.store.outbox.list()
    assert sorted(one.state.value for one in letters) == ["merged", "sent"]
    assert TOKEN not in repr(letters)
