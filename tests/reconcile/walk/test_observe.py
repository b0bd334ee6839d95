"""Which servers are opened: those of today's pairs, and those that left while something is known of them."""

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from controller.model.applied import Applied
from controller.model.ids import Digest
from controller.model.inventory import Carrier, Server, Ssh
from controller.model.observation import MarkerSeen, ServerSeen
from controller.model.scope import Scope
from controller.model.work import Pair, Work
from controller.reconcile.walk.observe import left, records_there, servers_to_see
from controller.reconcile.walk.seen import Seen
from tests.planning.world import declaration, server, target

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HERE = server("web-1", address="10.0.0.1")
SOLD = server("web-2", address="10.0.0.2")
WORK = Work(task="deploy", digest=Digest("d"))


def known(*connections: Server, target_: str = "shop") -> dict[tuple[str, str], Applied]:
    return {
        (target_, one.name): Applied(target=target_, server=one.name, connection=one)
        for one in connections
    }


def seen(*servers: Server, records: dict[tuple[str, str], Applied], scope: Scope = Scope()) -> Seen:  # noqa: B008 - frozen
    made = declaration(target("shop", *(one.name for one in servers)), servers=servers)
    pairs = tuple(Pair(target="shop", server=one.name, work=WORK) for one in servers)
    return Seen(declaration=made, records=records, pairs=pairs, scope=scope)


def names(found: Seen) -> list[str]:
    return [one.name for one in servers_to_see(found)]


def test_a_server_that_left_is_opened_as_it_was_reached_last() -> None:
    found = seen(HERE, records=known(HERE, SOLD))
    assert names(found) == ["web-1", "web-2"]
    assert left(found) == {"web-2": SOLD}


def test_a_server_that_left_is_known_by_the_name_of_its_record() -> None:
    moved = {("shop", "web-2"): replace(known(SOLD)["shop", "web-2"], connection=server("old-2"))}
    assert left(seen(HERE, records=moved))["web-2"].name == "web-2"


def test_outside_of_the_scope_nothing_is_opened() -> None:
    records = known(HERE, SOLD)
    assert names(seen(HERE, records=records, scope=Scope(servers=frozenset({"web-1"})))) == [
        "web-1"
    ]
    assert names(seen(records=records, scope=Scope(targets=frozenset({"other"})))) == []


def test_a_renamed_server_is_opened_under_the_name_of_today_only() -> None:
    new = replace(HERE, name="new", address="10.0.0.9", was="web-2")
    assert names(seen(new, records=known(SOLD))) == ["new"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (HERE, replace(HERE, name="x"), True),
        (HERE, replace(HERE, name="x", ssh=Ssh(port=2222)), False),
        (HERE, replace(HERE, name="x", ssh=Ssh(user="root")), True),
        (HERE, replace(HERE, name="x", ssh=Ssh(jump="bastion")), False),
        (HERE, SOLD, False),
        (
            replace(HERE, carrier=Carrier.LOCAL),
            server("x", carrier=Carrier.LOCAL, address="other"),
            True,
        ),
    ],
)
def test_what_is_reached_the_same_way_is_one_machine_and_did_not_leave(
    one: Server, other: Server, same: bool
) -> None:
    assert (left(seen(one, records=known(other))) == {}) is same


def marked(target_: str) -> ServerSeen:
    record = Applied(target=target_, server="web-1", by="the marker")
    marker = MarkerSeen(record=record, sha256=Digest("0" * 64))
    return ServerSeen(server="web-1", at=NOW, reached=True, markers={target_: marker})


def test_what_a_server_says_counts_for_the_target_that_has_the_name_today() -> None:
    made = declaration(target("shop", "web-1", was="old"))
    found = Seen(declaration=made)
    assert set(records_there(found, marked("old"))) == {"shop"}
    assert set(records_there(found, marked("shop"))) == {"shop"}


def test_what_one_server_says_is_read_without_looking_at_all_the_others() -> None:
    servers = tuple(server(f"web-{n}") for n in range(20_000))
    found = Seen(declaration=declaration(target("shop", "web-1", was="old"), servers=servers))
    began = time.process_time()
    for _ in range(2_000):
        records_there(found, marked("old"))
    assert time.process_time() - began < 2.0
