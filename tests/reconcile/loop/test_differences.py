from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from controller.model.applied import Applied
from controller.model.files import DeliverySeen, FileKind, FileSeen
from controller.model.ids import Digest
from controller.model.observation import CheckSeen, Holder, MarkerSeen, ServerSeen
from controller.reconcile.loop.differences import changed_targets

AT = datetime(2026, 12, 1, tzinfo=UTC)
LATER = AT + timedelta(hours=12)


def marker(text: str) -> MarkerSeen:
    return MarkerSeen(record=Applied(target="shop", server="web-1"), sha256=Digest(text))


def seen(at: datetime) -> ServerSeen:
    return ServerSeen(
        server="web-1",
        at=at,
        reached=True,
        login="root",
        root=True,
        markers={"shop": marker("a"), "note": marker("b")},
        checks={"shop": CheckSeen(digest=Digest("d"), exit_code=0, at=at)},
        deliveries={
            "shop": DeliverySeen(
                digest=Digest("d"),
                at=at,
                files={"/etc/x": FileSeen(path="/etc/x", kind=FileKind.FILE)},
            )
        },
    )


def test_the_same_at_another_time_is_no_difference() -> None:
    assert changed_targets(seen(AT), seen(LATER)) == set()
    assert changed_targets(None, ServerSeen(server="web-1", at=AT, reached=True)) == set()


def test_everything_is_new_to_whoever_saw_nothing() -> None:
    assert changed_targets(None, seen(AT)) == {"shop", "note"}


def test_a_server_that_went_or_came_matters_to_all() -> None:
    gone = ServerSeen(server="web-1", at=LATER, reached=False)
    assert changed_targets(seen(AT), gone) == {"shop", "note"}
    assert changed_targets(gone, seen(LATER)) == {"shop", "note"}


@pytest.mark.parametrize(
    "change",
    [
        {"markers": {"shop": marker("c"), "note": marker("b")}},
        {"markers": {"note": marker("b")}},
        {"checks": {"shop": CheckSeen(digest=Digest("d"), exit_code=1, at=LATER)}},
        {"checks": {}},
        {"locks": {"shop": Holder(run="r", who="ops", controller="c", boot_id="b", since=LATER)}},
        {"deliveries": {"shop": DeliverySeen(digest=Digest("d"), at=LATER)}},
    ],
)
def test_what_differs_matters_to_its_target_alone(change: dict[str, object]) -> None:
    after = replace(seen(LATER), **change)  # type: ignore[arg-type]
    assert changed_targets(seen(AT), after) == {"shop"}


def test_another_login_matters_to_all() -> None:
    after = replace(seen(LATER), login="deploy", root=False)
    assert changed_targets(seen(AT), after) == {"shop", "note"}
