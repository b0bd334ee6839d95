"""Tokens: made of letters nobody guesses, kept as hashes, good until they are over."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.errors import NotFoundError, RefusedError, UsageError
from controller.journal.log import Log
from controller.model.token import Role, Scope
from controller.reconcile.access.tokens import LENGTH, TokenDesk, id_of, matches, mint
from controller.store.ports import Store
from controller.store.sqlite import open_store

DAY = timedelta(days=1)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 31, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def shelf(tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    store = open_store(tmp_path, clock=clock)
    yield store
    await store.close()


@pytest.fixture
def desk(shelf: Store, tmp_path: Path, clock: Clock) -> TokenDesk:
    return TokenDesk(shelf.tokens, Log(tmp_path, "activity", clock=clock), clock)


async def test_a_token_proves_its_name_and_nothing_else_does(desk: TokenDesk, shelf: Store) -> None:
    made = await desk.create(name="ana", role=Role.OPERATOR, scope=Scope(targets="shop*"), by="x")
    assert len(made.text) == LENGTH == 32
    proof = await desk.verify(made.text.encode())
    assert proof.token == made.token
    assert proof.refusal is None
    kept = str(await shelf.tokens.all())
    assert made.text[8:] not in kept
    for wrong in (b"", b"a", made.text[:-1].encode(), made.text.encode() + b"a", made.text[:8].encode() + b"0" * 24,
                  b"0" * 32, "\u00e4".encode() * 16, b"\xff" * 32, b"\0" * 32, made.text.swapcase().encode()):  # fmt: skip
        assert await desk.verify(wrong) != proof, wrong
        assert (await desk.verify(wrong)).token is None


async def test_a_token_ends_at_the_second_it_says(desk: TokenDesk, clock: Clock) -> None:
    made = await desk.create(name="ana", role=Role.VIEWER, expires=DAY, by="x")
    clock.at += DAY - timedelta(seconds=1)
    assert (await desk.verify(made.text.encode())).refusal is None
    clock.at += timedelta(seconds=1)
    assert (await desk.verify(made.text.encode())).refusal == "expired"
    assert not await desk.still_good(made.token.id)


async def test_a_rotated_token_is_good_for_its_grace_and_rotates_once(
    desk: TokenDesk, clock: Clock
) -> None:
    made = await desk.create(name="ana", role=Role.VIEWER, expires=DAY * 90, by="x")
    clock.at += DAY
    fresh = await desk.rotate(made.token.id, grace=DAY, by="x")
    assert fresh.token.expires_at == clock.at + DAY * 90
    assert (fresh.token.name, fresh.token.role) == ("ana", Role.VIEWER)
    assert (await desk.verify(made.text.encode())).refusal is None
    with pytest.raises(RefusedError):
        await desk.rotate(made.token.id, grace=DAY, by="x")
    clock.at += DAY
    assert (await desk.verify(made.text.encode())).refusal == "rotated"
    assert (await desk.verify(fresh.text.encode())).refusal is None


async def test_of_rotations_at_once_one_wins_and_the_others_leave_nothing(desk: TokenDesk) -> None:
    made = await desk.create(name="ana", role=Role.VIEWER, by="x")
    done = await asyncio.gather(
        *(desk.rotate(made.token.id, grace=DAY, by="x") for _ in range(5)), return_exceptions=True
    )
    won = [one for one in done if not isinstance(one, BaseException)]
    assert len(won) == 1
    assert all(isinstance(one, RefusedError) for one in done if one is not won[0])
    good = [one for one in await desk.all() if one.revoked_at is None]
    assert {one.id for one in good} == {made.token.id, won[0].token.id}


async def test_a_revoked_token_is_over_at_once_and_for_good(desk: TokenDesk) -> None:
    made = await desk.create(name="ana", role=Role.VIEWER, by="x")
    ended = await desk.revoke(made.token.id, by="x")
    assert (await desk.verify(made.text.encode())).refusal == "revoked"
    assert await desk.revoke(made.token.id, by="y") == ended
    with pytest.raises(RefusedError):
        await desk.rotate(made.token.id, grace=DAY, by="x")
    with pytest.raises(NotFoundError):
        await desk.revoke("00000000", by="x")


async def test_the_first_token_is_made_once(desk: TokenDesk) -> None:
    first = await desk.first(by="start")
    assert first is not None
    assert first.token.role is Role.ADMIN
    assert await desk.first(by="start") is None


@pytest.mark.parametrize("name", ["", "a b", "a\nb", "\u00e4", "a" * 64, "a/b"])
async def test_a_name_is_a_word(desk: TokenDesk, name: str) -> None:
    with pytest.raises(UsageError):
        await desk.create(name=name, role=Role.VIEWER, by="x")


async def test_a_token_that_never_was_good_is_not_made(desk: TokenDesk) -> None:
    with pytest.raises(UsageError):
        await desk.create(name="a", role=Role.VIEWER, expires=timedelta(0), by="x")
    with pytest.raises(UsageError):
        await desk.rotate("00000000", grace=DAY * 31, by="x")


def test_two_tokens_are_never_the_same() -> None:
    texts = {mint() for _ in range(1000)}
    assert len(texts) == 1000
    assert all(id_of(text.encode()) == text[:8] for text in texts)


def test_an_unknown_token_is_compared_as_well() -> None:
    assert not matches(b"0" * 32, None)
