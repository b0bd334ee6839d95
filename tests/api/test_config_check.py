"""Looking at the config repository over HTTP: who may ask, what the worker is told, and how long whoever asks waits."""

import asyncio

import pytest

from controller.api.resources import config
from controller.model.ids import Sha
from controller.model.token import Role
from controller.reconcile.loop import looks
from controller.reconcile.loop.accepting import ACCEPTED
from controller.reconcile.loop.keys import CONFIG
from controller.reconcile.said import Said, say
from tests.api.serving import House, until

PATH = "/api/v1/config/check"
OLD, NEW = Sha("a" * 40), Sha("b" * 40)
WORD = {"accept_rewind": True, "reason": "we meant it"}


async def poked(home: House) -> bool:
    """Say whether somebody wished for a look."""
    return bool(home.small.pokes)


async def test_the_look_is_waited_for_and_its_end_told(home: House) -> None:
    marks, clock = home.small.store.marks, home.small.clock
    operator = await home.token("op", Role.OPERATOR)
    await marks.put(ACCEPTED, OLD)
    await looks.keep(marks, looks.Look(began=clock.now(), commit=OLD))
    asking = asyncio.create_task(home.ask("POST", PATH, token=operator, json={}))

    await until(lambda: poked(home))
    assert not asking.done(), "a look of before answers nobody"
    assert home.small.pokes == [("config", 0.0)]
    await marks.put(ACCEPTED, NEW)
    await looks.keep(marks, looks.Look(began=clock.now(), commit=NEW))
    told = (await asking).json()
    assert (told["previous"], told["in_force"], told["commit"]) == (OLD, NEW, NEW)
    assert (told["error"], told["waiting"]) == (None, False)
    assert await marks.get(looks.CONSENT) is None


async def test_declarations_with_errors_are_told(home: House) -> None:
    marks, clock = home.small.store.marks, home.small.clock
    operator = await home.token("op", Role.OPERATOR)
    await marks.put(ACCEPTED, OLD)
    await say(marks, str(CONFIG), Said(reason="Invalid", message="2 errors"), clock.now())
    asking = asyncio.create_task(home.ask("POST", PATH, token=operator, json={}))
    await until(lambda: poked(home))
    await looks.keep(marks, looks.Look(began=clock.now(), commit=NEW))
    told = (await asking).json()
    assert (told["in_force"], told["commit"], told["error"]) == (OLD, NEW, "2 errors")


async def test_only_admins_of_the_whole_fleet_accept_a_rewind_with_a_reason(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "WAIT", 0.05)
    marks = home.small.store.marks
    await marks.put(ACCEPTED, OLD)
    operator = await home.token("op", Role.OPERATOR)
    scoped = await home.token("scoped", Role.ADMIN, targets="shop")
    admin = await home.token("admin", Role.ADMIN)
    for token in (operator, scoped):
        assert (await home.ask("POST", PATH, token=token, json=WORD)).status_code == 403
    for reason in ("", "  "):
        bad = {**WORD, "reason": reason}
        assert (await home.ask("POST", PATH, token=admin, json=bad)).status_code == 422
    assert await marks.get(looks.CONSENT) is None
    told = (await home.ask("POST", PATH, token=admin, json=WORD)).json()
    assert told["waiting"], "nobody looks here"
    given = await looks.consented(marks, accepted=OLD, now=home.small.clock.now())
    assert given is not None
    assert (given.by, given.reason, given.previous) == ("admin", "we meant it", OLD)
    events = [one.event for one in home.small.base.activity.tail(20)]
    assert events.count("rewind-accepting") == 1
