"""Letting go of a restored state over HTTP: by admins of the whole fleet, with a reason, heard at once."""

from controller.jobs.held import HELD
from controller.model.token import Role
from tests.api.serving import House

PATH = "/api/v1/release"
REASON = {"reason": "the old machine is gone"}


async def test_a_release_wakes_the_controller_and_is_written_down(home: House) -> None:
    marks, admin = home.small.store.marks, await home.token("admin", Role.ADMIN)
    await marks.put(HELD, "restored from a backup of 2026-01-01")
    assert (await home.ask("POST", PATH, token=admin, json={"reason": ""})).status_code == 422
    scoped = await home.token("scoped", Role.ADMIN, targets="shop")
    assert (await home.ask("POST", PATH, token=scoped, json=REASON)).status_code == 403
    assert home.small.woken == 0
    got = await home.ask("POST", PATH, token=admin, json=REASON)
    assert (got.status_code, got.json()["released"]) == (
        200,
        "restored from a backup of 2026-01-01",
    )
    assert home.small.woken == 1
    assert await marks.get(HELD) is None
    (line,) = [one for one in home.small.base.activity.tail(20) if one.event == "dispatch-released"]
    assert (line.actor, line.fields["reason"]) == ("admin", REASON["reason"])
    again = await home.ask("POST", PATH, token=admin, json=REASON)
    assert again.json()["released"] is None
    assert home.small.woken == 1
