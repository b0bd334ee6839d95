"""What ends is told of 30, 7 and 1 days before, once; what held a target until now has it looked at."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.errors import StateError
from controller.model.notice import Occasion
from controller.model.standing import Suspension
from controller.model.token import Role, Token
from controller.pki import founding, issuing
from controller.pki.issuing import Wish
from controller.pki.role import Role as Bearer
from controller.reconcile.loop import expiring
from controller.reconcile.loop.result import After
from tests.reconcile.loop.small_world import START, SmallWorld, small_world

DAY = 86_400.0
DECLARED = (
    "secrets: {forge-token: {env: FORGE, expires: 2027-01-10}}\n"
    "repos: {shop: {url: /srv/shop.git, token: forge-token}}\n"
)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[SmallWorld]:
    async with small_world(tmp_path / "house") as made:
        await made.declare(DECLARED, servers=1)
        yield made


async def look(town: SmallWorld) -> After:
    result = await expiring.reconcile(town.world, "")
    assert isinstance(result, After)
    return result


def told(town: SmallWorld) -> list[tuple[str, object]]:
    return [(one.subject, one.facts["days"]) for one in town.board.posted]


async def test_each_threshold_is_told_once_and_the_end_as_well(town: SmallWorld) -> None:
    for _ in range(60):
        result = await look(town)
        await look(town)
        town.pass_time(result.seconds)
    assert told(town) == [("secret/forge-token", days) for days in (30, 7, 1, 0)]
    first = town.board.posted[0]
    assert first.occasion is Occasion.EXPIRING
    assert first.title == "secret forge-token ends in 30 days, on 2027-01-10 00:00 UTC"
    assert first.lines == ("used by repo shop",)
    assert [one.at.date().isoformat() for one in town.board.posted] == [
        "2026-12-11",
        "2027-01-03",
        "2027-01-09",
        "2027-01-10",
    ]


async def test_a_crash_between_telling_and_keeping_that_tells_nobody_twice(
    town: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: object) -> None:
        raise StateError("power cut")

    town.pass_time(20 * DAY)
    with monkeypatch.context() as patched:
        patched.setattr(town.world.rooms.store.marks, "put", die)
        with pytest.raises(StateError):
            await expiring.reconcile(town.world, "")
    town.pass_time(60)
    await look(town)
    assert told(town) == [("secret/forge-token", 30)]


async def test_tokens_that_somebody_still_has_are_told_of(town: SmallWorld) -> None:
    def token(id_: str, days: float, **more: object) -> Token:
        return Token(
            id=id_,
            name="ops",
            role=Role.OPERATOR,
            sha256="",
            created_at=START - timedelta(days=60),
            expires_at=START + timedelta(days=days),
            **more,  # type: ignore[arg-type]
        )

    for one in (
        token("soon", 5),
        token("later", 50),
        token("revoked", 5, revoked_at=START),
        token("rotated", 5, successor="soon", grace_until=START + timedelta(days=1)),
        token("long-over", -40),
    ):
        await town.world.rooms.store.tokens.add(one)
    await look(town)
    assert told(town) == [("token/soon", 7)]
    assert town.board.posted[0].lines == ("ctl token rotate soon",)


async def test_a_renewed_secret_is_told_of_again_before_its_new_end(town: SmallWorld) -> None:
    town.pass_time(35 * DAY)
    await look(town)
    await town.declare(DECLARED.replace("2027-01-10", "2028-01-10"))
    await look(town)
    assert told(town) == [("secret/forge-token", 7)]
    town.house.town.jump(datetime(2027, 12, 20, tzinfo=UTC))
    await look(town)
    assert told(town) == [("secret/forge-token", 7), ("secret/forge-token", 30)]


async def test_certificates_of_our_folder_are_told_of(town: SmallWorld, tmp_path: Path) -> None:
    folder = tmp_path / "pki"
    founding.found(folder, organisation="example", now=START, by="test")
    wish = Wish(name="web-1", role=Bearer.AGENT, days=40)
    issuing.issue(folder, wish, now=START, by="test")
    town.world.papers = folder
    await look(town)
    assert told(town) == []
    town.pass_time(34 * DAY)
    await look(town)
    assert ("certificate/web-1", 7) in told(town)


async def test_what_held_a_target_until_now_has_it_looked_at(town: SmallWorld) -> None:
    text = DECLARED + (
        "tasks: {note: {run: 'true'}}\n"
        "targets:\n"
        "  one: {servers: all, task: note, suspended: {reason: audit, until: '2026-12-03'}}\n"
        "  two: {servers: all, task: note}\n"
        "  three: {servers: all, task: note}\n"
    )
    await town.declare(text)
    await town.world.rooms.store.standings.put(
        Suspension(
            target="two",
            reason="audit",
            by="ops",
            at=START,
            until=START + timedelta(hours=5),
        )
    )
    town.queue.news()
    assert (await look(town)).seconds == 5 * 3_600
    assert town.queue.news() == set()
    town.pass_time(5 * 3_600)
    await look(town)
    assert town.queue.news() == {"target/two"}
    town.pass_time(3 * DAY)
    await look(town)
    assert town.queue.news() == {"target/one"}
    await look(town)
    assert town.queue.news() == set()


async def test_marks_of_what_is_no_more_are_let_go(town: SmallWorld) -> None:
    town.pass_time(35 * DAY)
    await look(town)
    assert await town.world.rooms.store.marks.prefixed(expiring.TOLD)
    await town.declare("repos: {}\n")
    await look(town)
    assert not await town.world.rooms.store.marks.prefixed(expiring.TOLD)
