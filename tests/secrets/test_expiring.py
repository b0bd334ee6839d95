"""Warnings of ends: once for each threshold, and to the right people."""

from datetime import UTC, datetime, timedelta

import pytest

from controller.model.declaration import Declaration, Repo, Secret, SecretKind
from controller.model.task import Task
from controller.secrets.expiring import expiring

END = datetime(2026, 5, 1, tzinfo=UTC)


def declaration(**ends: str | None) -> Declaration:
    return Declaration(
        secrets={
            name: Secret(name=name, kind=SecretKind.ENV, source="X", expires=end)
            for name, end in ends.items()
        },
        repos={"shop": Repo(name="shop", url="https://example.com/x", token="login")},  # noqa: S106  # a name
        tasks={"deploy": Task(name="deploy", secrets={"DB": "db"})},
    )


@pytest.mark.parametrize(
    ("before", "left", "notice"),
    [
        (timedelta(days=30), 30, 30),
        (timedelta(days=7, seconds=1), 8, 30),
        (timedelta(days=7), 7, 7),
        (timedelta(days=2), 2, 7),
        (timedelta(days=1), 1, 1),
        (timedelta(seconds=1), 1, 1),
        (timedelta(0), 0, 0),
        (timedelta(days=-100), -100, 0),
    ],
)
def test_each_threshold_has_its_own_warning(before: timedelta, left: int, notice: int) -> None:
    (found,) = expiring(declaration(login="2026-05-01"), END - before)
    assert (found.left, found.notice) == (left, notice)
    assert found.key == f"secret/login/2026-05-01/{notice}"


def test_what_is_far_or_endless_is_not_told() -> None:
    assert expiring(declaration(a="2026-05-01", b=None), END - timedelta(days=30, seconds=1)) == ()


def test_the_nearest_end_comes_first_with_everything_that_depends_on_it() -> None:
    found = expiring(declaration(db="2026-05-02", login="2026-05-01"), END)
    assert [(one.name, one.repos, one.tasks) for one in found] == [
        ("login", ("shop",), ()),
        ("db", (), ("deploy",)),
    ]


def test_the_day_is_that_of_utc() -> None:
    east = datetime.fromisoformat("2026-05-01T01:00:00+03:00")
    (found,) = expiring(declaration(login="2026-05-01"), east)
    assert found.left == 1


def test_a_secret_of_webhooks_is_one_of_its_repo() -> None:
    secret = Secret(name="hook", kind=SecretKind.ENV, source="X", expires="2026-05-01")
    repo = Repo(name="shop", url="https://example.com/x", webhook="hook")
    (found,) = expiring(Declaration(secrets={"hook": secret}, repos={"shop": repo}), END)
    assert found.repos == ("shop",)
