"""Markers and locks of targets: promised as over ssh, in the same files, so that both carriers see each other's."""

import asyncio
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from controller.agent import elsewhere
from controller.agent.asker import Asker
from controller.agent.errors import AgentError, LockedError
from controller.agent.holders import decode_holder, encode_holder
from controller.execution.errors import RefusedError
from controller.model.ids import AttemptId, Digest, JobId
from controller.model.inventory import Carrier, Server
from controller.model.observation import Holder as Theirs
from controller.transport.local import LocalDialer
from controller.transport.port import AttemptSpec, Session
from controller.transport.targets import encode_holder as encode_theirs
from controller.wire.messages.attempts import Attempt, StopAttempt
from controller.wire.messages.server import Done
from controller.wire.messages.targets import (
    ClaimTarget,
    ForgetTarget,
    Forgotten,
    Holder,
    LockPage,
    MarkerPage,
    ReadLocks,
    ReadMarkers,
    ReleaseTarget,
    TargetClaim,
)
from tests.agent.answers_room import MAIN, Room, asker, until
from tests.fakes import processes

pytestmark = pytest.mark.real
SINCE = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
MARKER = b'{"odd": "\' \\" $HOME `x` \xc3\xa9\n"}'
OTHER = asker("main", "controller", "other")
HERE = Server(name="here", address="", carrier=Carrier.LOCAL)
WHO = 'o\'neil "x" \\ é \u2028'


def holder(run: str) -> Holder:
    return Holder(
        run=run, who=WHO, controller="host-one", boot_id="boot-one", since=SINCE.timestamp()
    )


def theirs(run: str) -> Theirs:
    return Theirs(run=run, who=WHO, controller="host-one", boot_id="boot-one", since=SINCE)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def claim(
    room: Room, run: str, expect: bytes | None, marker: bytes = MARKER, who: Asker = MAIN
) -> TargetClaim:
    asked = ClaimTarget(
        project=room.project,
        target="web",
        holder=holder(run),
        expect=None if expect is None else digest(expect),
        marker=marker,
    )
    return await room.ask(asked, TargetClaim, who)


async def release(room: Room, run: str, marker: bytes | None, who: Asker = MAIN) -> None:
    asked = ReleaseTarget(
        project=room.project,
        target="web",
        run=run,
        delete=marker is None,
        marker=marker or b"",
    )
    await room.ask(asked, Done, who)


async def markers(room: Room) -> dict[str, bytes]:
    return dict((await room.ask(ReadMarkers(project=room.project), MarkerPage)).markers)


async def locks(room: Room, who: Asker = MAIN) -> dict[str, Holder]:
    return dict((await room.ask(ReadLocks(project=room.project), LockPage, who)).locks)


def test_a_holder_is_written_as_the_controller_writes_it_over_ssh() -> None:
    for since in (SINCE, SINCE.replace(microsecond=0), datetime(2038, 12, 31, 23, 59, tzinfo=UTC)):
        ours = replace(holder("r1"), since=since.timestamp())
        written = encode_holder(ours)
        assert written == encode_theirs(replace(theirs("r1"), since=since))
        assert decode_holder(written) == ours
        assert msgspec.json.decode(written, type=Theirs).since == since


async def test_a_claim_writes_the_marker_and_holds_the_lock_until_its_release(room: Room) -> None:
    assert await claim(room, "run1", None) == TargetClaim(taken=True)
    assert await markers(room) == {"web": MARKER}
    assert await locks(room) == {"web": holder("run1")}
    await release(room, "run1", b"done")
    assert (await markers(room), await locks(room)) == ({"web": b"done"}, {})
    assert await claim(room, "run2", b"done") == TargetClaim(taken=True)
    await release(room, "run2", None)
    assert await markers(room) == {}
    await release(room, "run2", None)  # done twice it is done once


@pytest.mark.parametrize("expect", [None, b"another"])
async def test_another_marker_is_told_and_kept(room: Room, expect: bytes | None) -> None:
    await claim(room, "run1", None, b"first")
    await release(room, "run1", b"first")
    stale = await claim(room, "run2", expect)
    assert stale == TargetClaim(taken=False, is_stale=True, stale=b"first")
    assert (await markers(room), await locks(room)) == ({"web": b"first"}, {})


async def test_a_marker_that_is_not_there_is_stale(room: Room) -> None:
    assert await claim(room, "r", b"x") == TargetClaim(taken=False, is_stale=True)


async def test_a_held_target_names_its_holder(room: Room) -> None:
    await claim(room, "run1", None, b"mine")
    for expect in (None, b"mine"):
        held = await claim(room, "run2", expect, b"yours", OTHER)
        assert held == TargetClaim(taken=False, holder=holder("run1"))
    assert await markers(room) == {"web": b"mine"}
    with pytest.raises(LockedError):
        await release(room, "run2", b"[]", OTHER)


async def test_the_same_run_takes_its_lock_again_whatever_the_marker_says(room: Room) -> None:
    await claim(room, "run1", None, b"one")
    assert (await claim(room, "run1", b"else", b"two", OTHER)).taken
    assert await markers(room) == {"web": b"two"}


async def test_of_many_who_race_one_wins(room: Room) -> None:
    for turn in range(5):
        before = b"%d" % (turn - 1) if turn else None
        claims = await asyncio.gather(
            *(claim(room, f"r{turn}-{n}", before, b"x", asker(session=f"s{n}")) for n in range(6))
        )
        (winner,) = [n for n, one in enumerate(claims) if one.taken]
        assert {one.holder for one in claims if not one.taken} == {holder(f"r{turn}-{winner}")}
        await release(room, f"r{turn}-{winner}", b"%d" % turn)


async def test_a_lock_whose_session_has_left_is_taken_over(room: Room) -> None:
    await claim(room, "run1", None, b"left")
    assert room.answers is not None
    room.answers.left(MAIN.session)
    assert await locks(room, OTHER) == {}
    over = await claim(room, "run2", b"left", who=OTHER)
    assert over == TargetClaim(taken=True, took_over=holder("run1"))
    with pytest.raises(LockedError):
        await release(room, "run1", b"too late")


async def test_who_comes_back_in_time_holds_the_lock_again(room: Room) -> None:
    await claim(room, "run1", None)
    one = await room.start("sleep 30")
    assert room.answers is not None
    room.answers.left(MAIN.session)
    assert await locks(room) == {"web": holder("run1")}
    await room.ask(StopAttempt(attempt=one.id, grace=0.1), Attempt)
    assert not (await claim(room, "run2", MARKER, who=OTHER)).taken


async def test_a_lock_is_held_while_its_work_runs_or_waits(closed: Room) -> None:
    answers = await closed.open(workers=1)
    await claim(closed, "run1", None)
    await closed.start("sleep 0.3")
    last = await closed.start("sleep 0.3")
    answers.left(MAIN.session)
    assert (await claim(closed, "run2", MARKER, who=OTHER)).holder == holder("run1")
    await closed.wait(last.id)
    assert (await claim(closed, "run2", MARKER, who=OTHER)).took_over == holder("run1")


async def test_a_lock_is_held_between_the_steps_of_a_run(room: Room) -> None:
    await claim(room, "run1", None)
    await room.run("true")
    assert (await claim(room, "run2", MARKER, who=OTHER)).holder == holder("run1")
    assert (await claim(room, "run2", MARKER)).took_over == holder("run1")  # its own session


async def test_work_for_another_target_does_not_hold_a_lock(closed: Room) -> None:
    answers = await closed.open()
    await claim(closed, "run1", None)
    one = await closed.start("sleep 30", env={"CTL_TARGET": "db"})
    answers.left(MAIN.session)
    assert (await claim(closed, "run2", MARKER, who=OTHER)).taken
    await closed.ask(StopAttempt(attempt=one.id, grace=0.1), Attempt)


async def test_a_lock_of_an_earlier_boot_is_taken_over(room: Room) -> None:
    await claim(room, "run1", None)
    (file,) = (room.base / room.project / "locks" / "web").glob("h.*")
    lines = file.read_text().split("\n")
    file.write_text("\n".join(["of-another-boot", *lines[1:]]))
    assert await locks(room) == {}
    assert (await claim(room, "run2", MARKER, who=OTHER)).took_over == holder("run1")


async def test_a_torn_lock_is_free(room: Room) -> None:
    await claim(room, "run1", None)
    (file,) = (room.base / room.project / "locks" / "web").glob("h.*")
    file.write_bytes(file.read_bytes()[:-3])
    assert (await claim(room, "run2", MARKER, who=OTHER)).taken


async def test_after_a_restart_a_lock_lasts_as_long_as_its_work(room: Room) -> None:
    await claim(room, "run1", None)
    one = await room.start("sleep 1")
    await room.again()
    assert (await claim(room, "run2", MARKER, who=OTHER)).holder == holder("run1")
    await room.wait(one.id)
    assert (await claim(room, "run2", MARKER, who=OTHER)).took_over == holder("run1")


async def test_a_marker_is_forgotten_only_as_it_was_seen_and_unlocked(room: Room) -> None:
    await claim(room, "run1", None, b"last")

    async def forget(data: bytes) -> bool:
        asked = ForgetTarget(project=room.project, target="web", expect=digest(data))
        return (await room.ask(asked, Forgotten, OTHER)).gone

    assert not await forget(b"last")
    await release(room, "run1", b"last")
    assert not await forget(b"else")
    assert await markers(room) == {"web": b"last"}
    assert await forget(b"last")
    assert await forget(b"last")
    assert (await markers(room), await locks(room)) == ({}, {})


async def test_many_large_markers_come_in_pages(room: Room) -> None:
    large = b"\xff" * 65536
    for n in range(20):
        asked = ClaimTarget(
            project=room.project,
            target=f"t{n:02}",
            holder=replace(holder("r"), who="é" * 600),
            expect=None,
            marker=large,
        )
        assert (await room.ask(asked, TargetClaim)).taken
    found: dict[str, bytes] = {}
    held: dict[str, Holder] = {}
    more = True
    while more:
        page = await room.ask(
            ReadMarkers(project=room.project, after=max(found, default="")), MarkerPage
        )
        found.update(page.markers)
        more = page.more
    more = True
    while more:
        sheet = await room.ask(
            ReadLocks(project=room.project, after=max(held, default="")), LockPage
        )
        held.update(sheet.locks)
        more = sheet.more
    assert found == {f"t{n:02}": large for n in range(20)}
    assert sorted(held) == sorted(found)
    with pytest.raises(RefusedError, match="65537"):
        await claim(room, "run1", None, b"x" * 65537)


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".", "..", "a b", "$(x)", "-n", "a\n"])
async def test_a_name_that_could_leave_the_folder_is_refused(room: Room, name: str) -> None:
    good = ClaimTarget(
        project=room.project, target="web", holder=holder("r"), expect=None, marker=b"{}"
    )
    for changed in (
        replace(good, project=name),
        replace(good, target=name),
        replace(good, holder=replace(good.holder, run=name)),
    ):
        with pytest.raises(RefusedError):
            await room.ask(changed, TargetClaim)
    with pytest.raises(RefusedError):
        await room.ask(ReadMarkers(project=name), MarkerPage)
    assert not (room.base / room.project).exists()


async def test_a_base_that_is_a_link_is_not_used(closed: Room) -> None:
    (closed.folder / "real").mkdir()
    closed.base.symlink_to(closed.folder / "real")
    with pytest.raises(AgentError, match="link"):
        await closed.open()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("no right to mount here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


async def test_a_full_disk_takes_no_lock_and_loses_no_marker(
    small_disk: Path, closed: Room
) -> None:
    await closed.open(base=str(small_disk))
    await claim(closed, "run1", None, b"first")
    await release(closed, "run1", b"first")
    (small_disk / "filler").write_bytes(b"x" * 150_000)
    with pytest.raises(OSError, match="No space"):
        (small_disk / "more").write_bytes(b"x" * 100_000)
    with pytest.raises(AgentError, match="No space"):
        await claim(closed, "run2", b"first", b"y" * 60_000)
    assert await markers(closed) == {"web": b"first"}
    (small_disk / "more").unlink()
    (small_disk / "filler").unlink()
    assert (await claim(closed, "run2", b"first", b"y" * 60_000)).taken


# the other carrier on the same files


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[tuple[Room, Session]]:
    """An agent and a runner on one base, with a session of the runner."""
    dialer = LocalDialer(environment={**os.environ, "HOME": str(tmp_path)})
    session = await dialer.open(HERE)
    base = Path(session.facts.base)
    room = Room(folder=tmp_path, more={"base": str(base)})
    await room.open()
    yield room, session
    await dialer.close()
    await room.clear()
    for pid in processes.marked(f"CTL_MARK=:{room.job}.".encode()):
        processes.send(pid, signal.SIGKILL)
    left = [base / room.project, base / "jobs" / room.job]
    for folder in (*left, *(base / "attempts").glob(f"{room.job}.*")):
        shutil.rmtree(folder, ignore_errors=True)


async def test_a_lock_taken_here_is_seen_over_the_runner(local: tuple[Room, Session]) -> None:
    room, session = local
    await claim(room, "run1", None)
    assert await session.markers(room.project) == {"web": MARKER}
    assert await session.locks(room.project) == {"web": theirs("run1")}
    taken = await session.claim_target(
        room.project, "web", holder=theirs("run2"), expect=Digest(digest(MARKER)), marker=b"x"
    )
    assert (taken.taken, taken.holder) == (False, theirs("run1"))
    await release(room, "run1", b"done")
    taken = await session.claim_target(
        room.project, "web", holder=theirs("run2"), expect=Digest(digest(b"done")), marker=b"x"
    )
    assert taken.taken


async def test_a_lock_taken_over_the_runner_is_seen_here(local: tuple[Room, Session]) -> None:
    room, session = local
    taken = await session.claim_target(
        room.project, "web", holder=theirs("run1"), expect=None, marker=MARKER
    )
    assert taken.taken
    assert (await markers(room), await locks(room)) == ({"web": MARKER}, {"web": holder("run1")})
    assert (await claim(room, "run2", MARKER)).holder == holder("run1")
    await session.release_target(room.project, "web", run="run1", marker=b"done")
    assert (await claim(room, "run2", b"done")).taken


async def test_work_of_the_runner_holds_its_lock_here(local: tuple[Room, Session]) -> None:
    room, session = local
    await session.claim_target(
        room.project, "web", holder=theirs("run1"), expect=None, marker=MARKER
    )
    name = AttemptId(f"{room.job}.over.1")
    await session.start(AttemptSpec(id=name, job=JobId(room.job), text=b"sleep 1"))
    await session.close()
    for pid in set(processes.below(os.getpid())):
        if processes.fields_of(pid)[1:2] == [str(os.getpid())] and processes.name_of(pid) == "sh":
            processes.send(pid, signal.SIGKILL)
    assert (await claim(room, "run2", MARKER)).holder == holder("run1")
    await asyncio.sleep(1.5)
    assert (await claim(room, "run2", MARKER)).took_over == holder("run1")
    with pytest.raises(RefusedError, match="over ssh"):
        await room.start("true", id=str(name))


async def test_work_of_a_session_that_left_holds_its_lock_over_the_runner(
    local: tuple[Room, Session],
) -> None:
    room, session = local
    await claim(room, "run1", None)
    one = await room.start("sleep 0.8")
    assert room.answers is not None
    room.answers.left(MAIN.session)
    assert await session.locks(room.project) == {"web": theirs("run1")}
    await room.wait(one.id)
    await until(lambda: not (room.base / "attempts" / one.id).exists())
    await asyncio.sleep(0.1)
    assert await session.locks(room.project) == {}
    taken = await session.claim_target(
        room.project, "web", holder=theirs("run2"), expect=Digest(digest(MARKER)), marker=b"x"
    )
    assert (taken.taken, taken.took_over) == (True, theirs("run1"))


DAEMON = """
import asyncio, sys
from controller.agent.answering import Answers
from controller.agent.settings import Settings
from controller.wire.codec import read_message, unpack
from tests.agent.answers_room import MAIN, no_fetch
from tests.agent.test_answers_targets import holder
from controller.wire.messages.attempts import Start
from controller.wire.messages.targets import ClaimTarget

async def main(state, base, project, job):
    answers = Answers(Settings(state=state, base=base))
    await answers.open()
    await answers.answer(MAIN, ClaimTarget(project=project, target="web", holder=holder("run1"), expect=None, marker=b"m"), no_fetch)
    for n in (1, 2):
        await answers.answer(MAIN, Start(id=f"{job}.{n}", job=f"{job}-{n}", text=b"sleep 3", workdir="/"), no_fetch)
    print("up", flush=True)
    await asyncio.sleep(100)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_work_of_an_agent_that_was_killed_holds_its_lock_over_the_runner(
    local: tuple[Room, Session],
) -> None:
    room, session = local
    await room.close()
    daemon = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", DAEMON),
        *(str(room.folder / "state"), str(room.base), room.project, room.job),
        stdout=subprocess.PIPE,
    )
    assert daemon.stdout is not None
    assert await daemon.stdout.readline() == b"up\n"
    daemon.kill()
    await daemon.wait()
    daemon._transport.close()  # type: ignore[attr-defined]
    assert await session.locks(room.project) == {"web": theirs("run1")}
    await room.open()
    waited = await room.wait(f"{room.job}.2")
    assert waited.ending == "unstarted"
    assert await locks(room, OTHER) == {"web": holder("run1")}
    assert (await room.wait(f"{room.job}.1")).exit_code == 0
    await until(lambda: not (room.base / "attempts" / f"{room.job}.1").exists())
    assert await session.locks(room.project) == {}
    assert await locks(room, OTHER) == {}


def test_only_exactly_the_process_that_was_named_lives() -> None:
    mine = elsewhere.own_keeper()
    assert elsewhere.alive(mine)
    pid, started = mine.split()
    for wrong in (f"{pid} {int(started) + 1}", "0 0", "", "x y", f"-{pid} {started}", pid):
        assert not elsewhere.alive(wrong)


def test_a_holder_that_something_else_wrote_is_refused() -> None:
    for line in (b"", b"{}", b"[1]", b'{"run": 1', json.dumps({"run": "r", "who": "w"}).encode()):
        with pytest.raises(AgentError):
            decode_holder(line)
