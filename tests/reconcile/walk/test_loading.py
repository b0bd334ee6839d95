"""Filters: a target may be named as long as anything is known of it."""

import pytest

from controller.errors import NotFoundError
from controller.model.declaration import Declaration, Target
from controller.reconcile.exchange.requests import PlanRequest
from controller.reconcile.walk.loading import scope_of
from controller.reconcile.walk.seen import Seen

DECLARED = Declaration(targets={"shop": Target(name="shop", task="work", servers="all")})


def asked(*targets: str) -> Seen:
    return Seen(request=PlanRequest(targets=targets))


def test_a_target_whose_block_is_gone_can_still_be_named() -> None:
    scope = scope_of(DECLARED, asked("gone"), {"shop", "gone"})
    assert scope.targets == frozenset({"gone"})


def test_a_target_that_nobody_knows_is_told_with_those_that_are_declared() -> None:
    with pytest.raises(NotFoundError, match="no target 'shp'") as told:
        scope_of(DECLARED, asked("shop", "shp"), {"shop"})
    assert told.value.hint == "declared targets: shop"
