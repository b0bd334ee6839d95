"""The carrier port's promises about markers and locks of targets, on every carrier."""

import asyncio
import hashlib
from datetime import UTC, datetime

import pytest

from controller.errors import LockedError, RefusedError
from controller.model.ids import Digest
from controller.model.observation import Holder
from controller.transport.port import Session, TargetClaim
from tests.transport.way import Way

pytestmark = pytest.mark.real
SINCE = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MARKER = b'{"format": 1, "odd": "\' \\" $HOME `x` \xc3\xa9\n"}'


def holder(run: str) -> Holder:
    """Say who wants the lock."""
    return Holder(
        run=run, who='o\'neil "x"', controller="host-one", boot_id="boot-one", since=SINCE
    )


def digest(data: bytes) -> Digest:
    """Give the SHA-256 that the port compares."""
    return Digest(hashlib.sha256(data).hexdigest())


async def claim(
    session: Session, way: Way, run: str, *, expect: bytes | None, marker: bytes = MARKER
) -> TargetClaim:
    """Claim the target `web` for a run."""
    wanted = None if expect is None else digest(expect)
    return await session.claim_target(
        way.project, "web", holder=holder(run), expect=wanted, marker=marker
    )


async def test_a_claim_writes_the_marker_and_holds_the_lock(every_way: Way) -> None:
    session = await every_way.open()
    taken = await claim(session, every_way, "run1", expect=None)
    assert taken == TargetClaim(taken=True)
    assert await session.markers(every_way.project) == {"web": MARKER}
    assert await session.locks(every_way.project) == {"web": holder("run1")}


async def test_a_release_writes_the_last_marker_and_frees_the_lock(every_way: Way) -> None:
    session = await every_way.open()
    await claim(session, every_way, "run1", expect=None)
    await session.release_target(every_way.project, "web", run="run1", marker=b"done")
    assert await session.markers(every_way.project) == {"web": b"done"}
    assert await session.locks(every_way.project) == {}
    again = await claim(session, every_way, "run2", expect=b"done")
    assert again == TargetClaim(taken=True)


async def test_a_release_without_marker_deletes_it(way: Way) -> None:
    session = await way.open()
    await claim(session, way, "run1", expect=None)
    await session.release_target(way.project, "web", run="run1", marker=None)
    assert await session.markers(way.project) == {}


@pytest.mark.parametrize("expect", [None, b"another"])
async def test_another_marker_is_told_and_kept(every_way: Way, expect: bytes | None) -> None:
    session = await every_way.open()
    await claim(session, every_way, "run1", expect=None, marker=b"first")
    await session.release_target(every_way.project, "web", run="run1", marker=b"first")
    stale = await claim(session, every_way, "run2", expect=expect)
    assert stale == TargetClaim(taken=False, stale=b"first")
    assert await session.markers(every_way.project) == {"web": b"first"}
    assert await session.locks(every_way.project) == {}


async def test_a_marker_that_should_be_there_and_is_not_is_stale(way: Way) -> None:
    stale = await claim(await way.open(), way, "run1", expect=b"expected")
    assert (stale.taken, stale.holder) == (False, None)
    assert stale.stale == b""


async def test_a_held_target_names_its_holder_and_stays_as_it_is(every_way: Way) -> None:
    mine, yours = await every_way.open(), await every_way.open()
    await claim(mine, every_way, "run1", expect=None, marker=b"mine")
    held = await claim(yours, every_way, "run2", expect=b"mine", marker=b"yours")
    assert held == TargetClaim(taken=False, holder=holder("run1"))
    assert await yours.markers(every_way.project) == {"web": b"mine"}


async def test_the_same_run_takes_its_lock_again_whatever_the_marker_says(way: Way) -> None:
    session = await way.open()
    await claim(session, way, "run1", expect=None, marker=b"one")
    fresh = await way.open()
    again = await claim(fresh, way, "run1", expect=b"something else", marker=b"two")
    assert again.taken
    assert await session.markers(way.project) == {"web": b"two"}


async def test_of_sessions_that_race_one_wins(every_way: Way) -> None:
    sessions = [await every_way.open() for _ in range(4)]
    for round_ in range(5):
        before = b"%d" % (round_ - 1) if round_ else None
        claims = await asyncio.gather(
            *(
                claim(one, every_way, f"run{round_}-{n}", expect=before, marker=b"x")
                for n, one in enumerate(sessions)
            )
        )
        winners = [n for n, one in enumerate(claims) if one.taken]
        assert len(winners) == 1
        for one in claims:
            assert one.taken or one.holder == holder(f"run{round_}-{winners[0]}")
        await sessions[winners[0]].release_target(
            every_way.project, "web", run=f"run{round_}-{winners[0]}", marker=b"%d" % round_
        )


async def test_a_lock_whose_holder_has_gone_is_taken_over(every_way: Way) -> None:
    gone = await every_way.open()
    await claim(gone, every_way, "run1", expect=None, marker=b"left")
    every_way.cut()
    await asyncio.sleep(0.3)
    fresh = await every_way.open()
    over = await claim(fresh, every_way, "run2", expect=b"left")
    assert over == TargetClaim(taken=True, took_over=holder("run1"))


async def test_a_lock_of_an_earlier_boot_is_taken_over(every_way: Way) -> None:
    session = await every_way.open()
    await claim(session, every_way, "run1", expect=None, marker=b"left")
    boot = session.facts.boot_id
    for file in (every_way.base / every_way.project / "locks").rglob("h.*"):
        file.write_text(file.read_text().replace(boot, "of-another-boot", 1))
    fresh = await every_way.open()
    assert await fresh.locks(every_way.project) == {}
    over = await claim(fresh, every_way, "run2", expect=b"left")
    assert (over.taken, over.took_over) == (True, holder("run1"))


async def test_a_lock_stays_while_its_work_runs_without_a_session(way: Way) -> None:
    session = await way.open()
    await claim(session, way, "run1", expect=None, marker=b"mine")
    spec = way.spec(f"sleep {6 if way.of_agent else 1.5}")  # an agent starts again meanwhile
    await session.start(spec)
    await way.dialers[0].close()
    way.cut()
    fresh = await way.open()
    held = await claim(fresh, way, "run2", expect=b"mine")
    assert held.holder == holder("run1")
    await fresh.wait(spec.id)
    over = await claim(fresh, way, "run2", expect=b"mine")
    assert (over.taken, over.took_over) == (True, holder("run1"))


async def test_who_lost_the_lock_writes_no_marker(way: Way) -> None:
    late = await way.open()
    await claim(late, way, "run1", expect=None, marker=b"mine")
    way.cut()
    await asyncio.sleep(0.3)
    fresh = await way.open()
    await claim(fresh, way, "run2", expect=b"mine", marker=b"theirs")
    with pytest.raises(LockedError):
        await fresh.release_target(way.project, "web", run="run1", marker=b"too late")
    assert await fresh.markers(way.project) == {"web": b"theirs"}


async def test_a_marker_is_forgotten_only_as_it_was_seen_and_unlocked(way: Way) -> None:
    session, other = await way.open(), await way.open()
    await claim(session, way, "run1", expect=None, marker=b"last")
    forget = other.forget_target
    assert not await forget(way.project, "web", expect=digest(b"last"))
    await session.release_target(way.project, "web", run="run1", marker=b"last")
    assert not await forget(way.project, "web", expect=digest(b"else"))
    assert await session.markers(way.project) == {"web": b"last"}
    assert await forget(way.project, "web", expect=digest(b"last"))
    assert await session.markers(way.project) == {}
    assert (await claim(session, way, "run2", expect=None)).taken


async def test_markers_of_sixty_four_kilobytes_and_of_many_targets(way: Way) -> None:
    session = await way.open()
    names = [f"target-{n}" for n in range(20)]
    large = MARKER * (65536 // len(MARKER))
    await asyncio.gather(
        *(
            session.claim_target(way.project, name, holder=holder("r"), expect=None, marker=large)
            for name in names
        )
    )
    assert await session.markers(way.project) == dict.fromkeys(names, large)
    assert set(await session.locks(way.project)) == set(names)
    with pytest.raises(RefusedError, match="65537"):
        await claim(session, way, "run1", expect=None, marker=b"x" * 65537)


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".", "a b", "$(x)", "-n"])
async def test_a_name_that_could_leave_the_folder_is_refused(way: Way, name: str) -> None:
    session = await way.open()
    for project, target in ((way.project, name), (name, "web")):
        with pytest.raises(RefusedError):
            await session.claim_target(
                project, target, holder=holder("r"), expect=None, marker=b"{}"
            )


async def test_projects_do_not_see_each_other(way: Way) -> None:
    session = await way.open()
    await claim(session, way, "run1", expect=None)
    assert await session.markers("no-such-project") == {}
    assert await session.locks("no-such-project") == {}
