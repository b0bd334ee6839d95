"""What a record keeps for its removal follows the declaration, although it runs nothing."""

from typing import Any

import pytest

from controller.model.applied import Applied, Tried
from controller.model.declaration import OnRemove
from controller.model.digest import digest_of
from controller.model.ids import RunId
from controller.model.inventory import Ssh
from controller.model.work import Pair, Work
from controller.planning.inputs import Observed, PairKey
from controller.planning.keepsakes import outdated
from tests.planning.delivered import KEY, applied, looked, work
from tests.planning.world import NOW, declaration, server, target

UNDO = Work(task="undo", digest=digest_of("undo"))


def listed(record: Applied, undo: Work | None = None, **wishes: Any) -> tuple[PairKey, ...]:
    made = declaration(target(*KEY, **wishes))
    pair = Pair(target=KEY[0], server=KEY[1], work=work(a=1), undo=undo)
    observed = Observed(records={KEY: record}, servers={KEY[1]: looked(work(a=1), record=record)})
    assert outdated(made, [pair], observed, {KEY}) == ()
    return outdated(made, [pair], observed)


def record(**more: Any) -> Applied:
    return applied(work(a=1), **({"connection": server(KEY[1])} | more))


def test_a_record_that_keeps_what_is_declared_is_left_alone() -> None:
    assert listed(record()) == ()
    undoing = record(on_remove=OnRemove.RUN, undo=UNDO, protect=True)
    assert listed(undoing, UNDO, on_remove=OnRemove.RUN, protect=True) == ()


@pytest.mark.parametrize(
    "one",
    [
        record(protect=True),
        record(on_remove=OnRemove.BLOCK),
        record(undo=UNDO),
        record(connection=None),
        record(connection=server(KEY[1], address="10.0.0.1")),
        record(connection=server(KEY[1], ssh=Ssh(port=2222))),
    ],
)
def test_a_record_that_keeps_something_else_is_listed(one: Applied) -> None:
    assert listed(one) == (KEY,)


def test_what_is_new_in_the_declaration_is_listed() -> None:
    assert listed(record(), protect=True) == (KEY,)
    assert listed(record(), on_remove=OnRemove.BLOCK) == (KEY,)
    assert listed(record(), UNDO) == (KEY,)


def test_a_pair_that_is_not_in_sync_is_left_to_its_job() -> None:
    tried = Tried(digest=digest_of("x"), run=RunId("r"), at=NOW)
    assert listed(record(protect=True, tried=tried)) == ()
    assert listed(record(protect=True, applied=digest_of("other"))) == ()
