"""What is known of pairs counts under the names of today, and the server is right where it was read."""

from dataclasses import replace
from datetime import UTC, datetime

from controller.model.applied import Applied
from controller.model.ids import Digest
from controller.model.inventory import Server
from controller.model.observation import MarkerSeen, ServerSeen
from controller.reconcile.exchange.requests import PlanRequest
from controller.reconcile.walk.known import known_connection, known_record, known_seen, known_today
from controller.reconcile.walk.seen import Seen
from tests.planning.world import declaration, server, target

NOW = datetime(2026, 3, 1, tzinfo=UTC)
OLD, NEW = ("old", "web-1"), ("shop", "web-1")
THERE = server("web-1", address="10.0.0.2")
BEFORE = server("web-1", address="10.0.0.1")
DECLARED = declaration(target("shop", "web-1", was="old"), servers=(THERE,))


def record(key: tuple[str, str], by: str, connection: Server | None = None) -> Applied:
    return Applied(target=key[0], server=key[1], by=by, connection=connection)


def seen_with(*, marker: bool = True, reached: bool = True, stored: bool = True) -> Seen:
    marked = MarkerSeen(record=record(OLD, "the marker"), sha256=Digest("0" * 64))
    return Seen(
        declaration=DECLARED,
        records={OLD: record(OLD, "the state", BEFORE)} if stored else {},
        servers={
            "web-1": ServerSeen(
                server="web-1", at=NOW, reached=reached, markers={"old": marked} if marker else {}
            )
        },
    )


def test_what_is_stored_keeps_its_name_and_what_is_asked_for_has_the_one_of_today() -> None:
    seen = seen_with()
    assert set(known_seen(seen).records) == {OLD}
    today = known_today(seen)
    assert set(today.records) == {NEW}
    assert known_record(today, NEW) == record(NEW, "the marker")
    assert known_record(today, OLD) is None


def test_the_state_is_asked_where_the_server_was_not_reached() -> None:
    today = known_today(seen_with(reached=False, marker=False))
    assert known_record(today, NEW) == record(NEW, "the state", BEFORE)
    gone = known_today(seen_with(marker=False))
    assert known_record(gone, NEW) is None


def test_how_a_server_is_reached_is_what_reached_it_last() -> None:
    for seen, wanted in (
        (seen_with(), THERE),
        (seen_with(reached=False), BEFORE),
        (seen_with(reached=False, stored=False), THERE),
        (
            replace(seen_with(), declaration=replace(DECLARED, inventory=declaration().inventory)),
            BEFORE,
        ),
    ):
        assert known_connection(seen, known_today(seen), NEW) == wanted


def test_what_one_commit_asked_for_is_all_there_is_between_two() -> None:
    assert not known_seen(seen_with()).complete
    between = replace(seen_with(), request=PlanRequest(between=("a", "b")))
    assert known_seen(between).complete
    assert not known_seen(between).refreshed
