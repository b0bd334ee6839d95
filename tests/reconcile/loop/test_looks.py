"""A config repository whose history was rewritten comes into force when somebody accepts that, and not before."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.clock import SystemClock
from controller.model.ids import Sha
from controller.reconcile.loop import looks
from controller.reconcile.loop.accepting import ACCEPTED, follow
from controller.reconcile.loop.keys import CONFIG
from controller.store.memory import MemoryStore
from tests.reconcile.loop.estate import Estate, Land, estate

SHOP = "  shop: {task: deploy, servers: 'web-*', repo: app}\n"
OTHER = "  other: {task: deploy, servers: web-1, repo: app}\n"


def rewrite(land: Land, targets: str = OTHER) -> Sha:
    """Put another history in the place of the branch."""
    land.config.git("checkout", "--quiet", "--orphan", "rewritten")
    land.declare(targets)
    land.config.git("branch", "-M", "main")
    return Sha(land.config.head)


async def accept(here: Estate, *, age: float = 0.0, previous: str | None = "now") -> None:
    """Say that a rewind is accepted, and have somebody look."""
    now = here.world.rooms.clock.now()
    known = await here.land.store.marks.get(ACCEPTED)
    given = looks.Consent(
        by="ops", reason="a secret was in it", at=now - timedelta(seconds=age),
        previous=Sha(known) if previous == "now" and known else None,
    )  # fmt: skip
    await looks.consent(here.land.store.marks, given)
    await looked(here)


async def looked(here: Estate) -> looks.Look:
    """Have somebody look, and wait until that is over."""
    since = here.world.rooms.clock.now()
    found: list[looks.Look] = []
    await here.world.poke(CONFIG, why="test")

    async def over() -> bool:
        look = await looks.last(here.land.store.marks)
        found[:] = [] if look is None else [look]
        return look is not None and look.began >= since

    await here.until(over)
    return found[0]


def in_force(here: Estate) -> str | None:
    generation = here.world.generation
    return None if generation is None else generation.revision.sha


async def test_a_rewind_comes_into_force_when_it_is_accepted_and_that_counts_once(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        good, new = land.config.head, rewrite(land)
        look = await looked(here)
        assert (look.commit, look.reference) == (None, "history-rewound")
        assert in_force(here) == good
        assert "ctl check config --accept-rewind" in ((await here.said())["config"].clear or "")
        await accept(here)
        assert in_force(here) == new
        await here.applied("other", "web-1")
        assert "config" not in await here.said()
        told = [
            one for one in here.world.rooms.activity.tail(100) if one.event == "rewind-accepted"
        ]
        assert [(one.actor, one.fields["previous"], one.fields["commit"]) for one in told] == [
            ("ops", good, new)
        ]
        again = rewrite(land, SHOP)
        await looked(here)
        assert in_force(here) == new, "the word was spent"
        await accept(here)
        assert in_force(here) == again


async def test_a_word_counts_for_what_was_in_force_and_for_a_while(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        good = land.config.head
        rewrite(land)
        await accept(here, age=looks.CONSENT_SECONDS + 1)
        assert in_force(here) == good
        await accept(here, age=-5)
        assert in_force(here) == good
        await accept(here, previous=None)
        assert in_force(here) == good
        assert await land.store.marks.get(looks.CONSENT) is None


async def test_rewritten_declarations_that_hold_errors_change_nothing(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        good, new = land.config.head, rewrite(land, "  x: {tusk: y}\n")
        await accept(here)
        look = await looks.last(land.store.marks)
        assert look is not None
        assert (look.commit, in_force(here)) == (new, good)
        assert "tusk" in (await here.said())["config"].message
        told = [one.event for one in here.world.rooms.activity.tail(100)]
        assert "rewind-accepted" not in told


async def test_a_lost_mirror_and_a_rewound_branch_begin_anew_when_it_is_accepted(
    tmp_path: Path,
) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
    shutil.rmtree(tmp_path / "mirror")
    new = rewrite(land)
    async with estate(land) as here:
        look = await looked(here)
        assert look.reference == "history-rewound"
        assert in_force(here) is None
        await accept(here)
        await here.until(lambda: in_force(here) == new)


async def test_another_process_follows_to_what_was_accepted(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
    async with estate(land, begin=False) as there:  # its mirror knows the old history alone
        new = rewrite(land)
        await land.store.marks.put(ACCEPTED, new)
        await follow(there.world)
        assert in_force(there) == new


@pytest.mark.parametrize("text", ['{"began": 1}', "null", "[]"])
async def test_what_another_version_wrote_is_nothing(text: str) -> None:
    marks = MemoryStore(SystemClock()).marks
    await marks.put(looks.LOOK, text)
    await marks.put(looks.CONSENT, text)
    assert await looks.last(marks) is None
    assert await looks.consented(marks, accepted=None, now=datetime.now(UTC)) is None
