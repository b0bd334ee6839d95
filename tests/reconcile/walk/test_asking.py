"""`ctl why` asks about one pair and knows all that comes before it."""

from pathlib import Path

import pytest

from controller.errors import NotFoundError
from controller.model.declaration import Declaration
from controller.model.plan import Gate
from controller.planning.gates import GateResult, first_no
from controller.reconcile.walk.asking import before
from tests.fakes.house import House, house
from tests.planning.world import declaration, target

CHAIN = """\
tasks: {work: {run: 'work'}, base: {run: 'base %s'}}
targets:
  db: {servers: all, task: base%s}
  cache: {servers: all, task: base, after: [db]}
  web: {servers: all, task: work, after: [cache]}
"""


async def why(h: House, target_: str = "web", server: str = "web-1") -> GateResult | None:
    return first_no(await h.controller.why(target_, server))


async def test_what_comes_before_what_comes_before_is_known(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.declare(CHAIN % ("1", ""), servers=2)
        assert await why(h) is None
        h.declare(CHAIN % ("2", ", suspended: {reason: audit}"))
        found = await why(h)
        assert found is not None
        assert found.gate is Gate.DEPENDENCY
        assert "cache" in found.message
        plan = await h.plan()
        [blocker] = {
            c.blocked_by.message for c in plan.changes if c.target == "web" and c.blocked_by
        }
        assert blocker == found.message


async def test_every_gate_answers_once_and_in_order(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.declare(CHAIN % ("1", ""), servers=1)
        await h.apply()
        assert [one.gate for one in await h.controller.why("web", "web-1")] == list(Gate)


async def test_asking_why_names_no_target_by_that(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.declare(CHAIN % ("1", ", on_commit: ignore"), servers=1)
        found = await why(h, "db")
        assert found is not None
        assert (found.gate, found.clear) == (Gate.ON_COMMIT, "ctl apply --target db")


async def test_only_servers_of_the_targets_that_are_asked_about_are_opened(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        text = CHAIN % ("1", "") + "  other: {servers: web-2, task: work}\n"
        h.declare(text.replace("servers: all", "servers: web-1"), servers=2)
        await why(h)
        assert h.town.opened == ["web-1"]


@pytest.mark.parametrize(("name", "server"), [("wbe", "web-1"), ("web", "web-9")])
async def test_what_does_not_exist_cannot_be_asked_about(
    tmp_path: Path, name: str, server: str
) -> None:
    async with house(tmp_path) as h:
        h.declare(CHAIN % ("1", ""), servers=1)
        with pytest.raises(NotFoundError):
            await h.controller.why(name, server)


def test_a_circle_of_targets_is_gone_through_once() -> None:
    made: Declaration = declaration(
        target("a", "s", after=("b", "gone")), target("b", "s", after=("a",)), target("c", "s")
    )
    assert before(made, "a") == {"a", "b"}
    assert before(made, "c") == {"c"}
