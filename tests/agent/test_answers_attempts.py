"""What an agent answers about attempts: started once, followed exactly, stopped wholly, and in their turn."""

import asyncio
import hashlib
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from controller.agent.errors import AgentError
from controller.execution.digest import attempt_digest
from controller.execution.errors import (
    DigestError,
    ExecutionError,
    FullError,
    RefusedError,
    UnknownAttemptError,
)
from controller.execution.spec import Spec
from controller.wire.messages.attempts import (
    Attempt,
    AttemptPage,
    Bounds,
    Discard,
    GetAttempt,
    ListAttempts,
    PauseAttempt,
    ResumeAttempt,
    StopAttempt,
    WaitAttempt,
)
from controller.wire.messages.server import Done, GetPool, Pool, SetPool
from controller.wire.messages.streams import OpenInput, OpenOutput, OpenUpload
from tests.agent.answers_room import OPS, Line, Room, asker, until

pytestmark = pytest.mark.real


async def test_an_attempt_runs_and_tells_how_it_ended(room: Room) -> None:
    began = time.time()
    first = await room.start("echo out; echo err >&2; echo k=v > $CTL_OUTPUT; exit 3")
    assert (first.fresh, first.phase) == (True, "running")
    ended = await room.wait(first.id)
    assert (ended.phase, ended.ending, ended.exit_code) == ("ended", "exit", 3)
    assert (ended.length, ended.outputs, ended.fresh) == (8, b"k=v\n", False)
    assert ended.sha256 == hashlib.sha256(b"out\nerr\n").hexdigest()
    assert began <= ended.started_at <= ended.ended_at <= time.time()
    assert ended.reach in ("group", "cgroup")
    assert await room.output(first.id) == b"out\nerr\n"


async def test_fifty_starts_of_one_id_run_it_once(room: Room) -> None:
    asked = room.start_of("echo once; sleep 0.2; exit 5")
    told = await asyncio.gather(*(room.ask(asked, Attempt) for _ in range(50)))
    assert sum(one.fresh for one in told) == 1
    assert (await room.wait(asked.id)).exit_code == 5
    assert await room.output(asked.id) == b"once\n"


async def test_who_goes_away_half_way_leaves_a_whole_start_or_none(room: Room) -> None:
    for number in range(12):
        asked = room.start_of(f"echo {number}")
        task = asyncio.ensure_future(room.ask(asked, Attempt))
        await asyncio.sleep(number * 0.001)
        task.cancel()
        await asyncio.wait({task})
        await room.ask(asked, Attempt)
        assert (await room.wait(asked.id)).exit_code == 0
        assert await room.output(asked.id) == b"%d\n" % number


async def test_what_nobody_started_is_unknown_and_has_no_output(room: Room) -> None:
    for message in (
        GetAttempt(attempt="never.1"),
        WaitAttempt(attempt="never.1"),
        StopAttempt(attempt="never.1"),
    ):
        assert (await room.ask(message, Attempt)).phase == "none"
    assert await room.output("never.1", follow=True) == b""


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".", "..", "a\nb", "-x", "a" * 129, "ä"])
async def test_a_name_that_could_leave_the_folder_is_refused(room: Room, name: str) -> None:
    for message in (
        room.start_of("true", id=name),
        room.start_of("true", job=name),
        GetAttempt(attempt=name),
        StopAttempt(attempt=name),
        Discard(attempts=(name,)),
        Discard(attempts=(), job=name),
    ):
        with pytest.raises(RefusedError):
            await room.ask(message, Attempt)
    for opening in (OpenOutput(attempt=name), OpenInput(attempt=name)):
        with pytest.raises(RefusedError):
            await room.serve(opening, Line().give(b"x"))


async def test_what_is_not_what_was_planned_does_not_run(room: Room) -> None:
    planned = room.start_of("echo mine", env={"A": "1"}, salt=b"salt")
    spec = Spec(
        id=planned.id,
        job=planned.job,
        text=planned.text,
        env=planned.env,
        workdir="/",
        salt=b"salt",
    )
    good = replace(planned, digest=attempt_digest(spec))
    for changed in (replace(good, text=b"echo other"), replace(good, env={"A": "2"})):
        with pytest.raises(DigestError):
            await room.ask(changed, Attempt)
    assert (await room.ask(good, Attempt)).fresh


async def test_a_plugin_is_sent_as_a_text_and_not_by_its_name(room: Room) -> None:
    with pytest.raises(RefusedError, match="plugin"):
        await room.start("true", plugin="http-check")


async def test_what_comes_too_late_does_not_start(closed: Room) -> None:
    await closed.open(workers=1)
    with pytest.raises(RefusedError, match="too late"):
        await closed.start("true", not_after=time.time() - 1)
    await closed.apart("sleep 0.4")
    late = await closed.apart("echo no", not_after=time.time() + 0.1)
    assert late.phase == "waiting"
    ended = await closed.wait(late.id)
    assert (ended.ending, ended.exit_code) == ("unstarted", None)
    assert await closed.output(late.id) == b""


async def test_one_runs_and_the_others_wait_in_their_order(closed: Room) -> None:
    await closed.open(workers=1)
    first = await closed.apart("sleep 0.3; date +%s%N")
    later = [await closed.apart("date +%s%N") for _ in range(3)]
    assert [one.phase for one in (first, *later)] == ["running", "waiting", "waiting", "waiting"]
    assert all(one.fresh for one in later)
    assert await closed.ask(GetPool(), Pool) == Pool(workers=1, running=1, waiting=3)
    await asyncio.gather(*(closed.wait(one.id) for one in later))
    times = [int(await closed.output(one.id)) for one in (first, *later)]
    assert times == sorted(times)


async def test_a_job_that_runs_has_its_worker_for_all_its_attempts(closed: Room) -> None:
    await closed.open(workers=1)
    first = await closed.start("sleep 0.5")
    other = await closed.apart("true")
    beside = await closed.start("echo beside")
    assert [one.phase for one in (first, other, beside)] == ["running", "waiting", "running"]
    assert await closed.ask(GetPool(), Pool) == Pool(workers=1, running=1, waiting=1)
    assert (await closed.wait(other.id)).exit_code == 0


async def test_the_pool_grows_while_it_is_full(closed: Room) -> None:
    await closed.open(workers=1)
    names = [(await closed.apart("sleep 1")).id for _ in range(3)]
    assert await closed.ask(SetPool(workers=3), Pool, OPS) == Pool(workers=3, running=3, waiting=0)
    began = time.monotonic()
    await asyncio.gather(*(closed.wait(name) for name in names))
    assert time.monotonic() - began < 2.7
    for wrong in (0, 1001):
        with pytest.raises(RefusedError):
            await closed.ask(SetPool(workers=wrong), Pool)


async def test_what_waits_is_stopped_without_having_run(closed: Room) -> None:
    await closed.open(workers=1)
    first = await closed.apart("sleep 30")
    waiting = await closed.apart("echo no")
    following = asyncio.ensure_future(closed.output(waiting.id, follow=True))
    stopped = await closed.ask(StopAttempt(attempt=waiting.id), Attempt)
    assert (stopped.ending, stopped.exit_code) == ("stop", None)
    assert await asyncio.wait_for(following, 5) == b""
    await closed.ask(StopAttempt(attempt=first.id, grace=0.2), Attempt)
    last = await closed.run("exit 4")
    assert last.exit_code == 4


async def test_what_was_accepted_and_not_started_when_the_agent_ended_never_ran(
    closed: Room,
) -> None:
    await closed.open(workers=1)
    running = await closed.apart("sleep 2; exit 7")
    waiting = await closed.apart("echo no")
    await closed.again()
    ended = await closed.wait(waiting.id)
    assert (ended.phase, ended.ending) == ("ended", "unstarted")
    assert (await closed.ask(GetPool(), Pool)).running == 1
    assert (await closed.wait(running.id)).exit_code == 7
    await until(lambda: closed.answers is not None and not closed.answers.state().running)
    assert (await closed.start("true", id=waiting.id)).ending == "unstarted"


async def test_a_stop_reaches_every_process(room: Room) -> None:
    one = await room.start("trap '' TERM; setsid sleep 61 & sleep 61 & echo up; wait; sleep 61")
    await until(lambda: len(room.running()) >= 3)
    stops = await asyncio.gather(
        *(room.ask(StopAttempt(attempt=one.id, grace=0.3), Attempt) for _ in range(3))
    )
    assert {stop.ending for stop in stops} == {"stop"}
    assert {stop.incomplete for stop in stops} == {""}
    assert room.running() == []


async def test_work_is_held_and_goes_on(room: Room) -> None:
    one = await room.start("while :; do echo x; sleep 0.02; done")
    await until(lambda: bool(room.running()))
    held = await room.ask(PauseAttempt(attempt=one.id), Attempt)
    assert (held.phase, held.paused) == ("running", True)
    before = (await room.ask(GetAttempt(attempt=one.id), Attempt)).length
    await asyncio.sleep(0.2)
    assert (await room.ask(GetAttempt(attempt=one.id), Attempt)).length <= before + 2
    on = await room.ask(ResumeAttempt(attempt=one.id), Attempt)
    assert (on.phase, on.paused) == ("running", False)
    await room.ask(StopAttempt(attempt=one.id, grace=0.1), Attempt)
    with pytest.raises(RefusedError):
        await room.ask(PauseAttempt(attempt=one.id), Attempt)


@pytest.mark.parametrize("offset", [0, 1, 262_144, 700_000, 1_300_000])
async def test_output_is_exact_from_any_offset(room: Room, offset: int) -> None:
    ended = await room.run("seq 1 400000 | head -c 1300000")
    whole = b"".join(b"%d\n" % n for n in range(1, 400_001))[:1_300_000]
    line = await room.serve(OpenOutput(attempt=ended.id, offset=offset))
    assert bytes(line.taken) == whole[offset:]
    assert line.ended == (1_300_000, hashlib.sha256(whole).hexdigest())


async def test_a_flood_is_cut_in_the_middle_and_summed_up_whole(room: Room) -> None:
    ended = await room.run("seq 1 3000000 | head -c 20000000", head=1 << 20, tail=2 << 20)
    line = await room.serve(OpenOutput(attempt=ended.id))
    whole = b"".join(b"%d\n" % n for n in range(1, 3_000_001))[:20_000_000]
    assert line.ended == (20_000_000, hashlib.sha256(whole).hexdigest())
    ((at, gap),) = line.gaps
    assert (bytes(line.taken[:at]), bytes(line.taken[at:])) == (whole[:at], whole[at + gap :])
    assert line.offset == 20_000_000


async def test_two_follow_the_same_and_see_the_same(room: Room) -> None:
    one = await room.start("for n in 1 2 3 4; do echo $n; sleep 0.05; done")
    seen = await asyncio.gather(*(room.output(one.id, follow=True) for _ in range(2)))
    assert seen == [b"1\n2\n3\n4\n"] * 2


async def test_discarded_work_is_gone_but_known(room: Room) -> None:
    ended = await room.run("echo said; exit 2")
    going = await room.start("sleep 20")
    await room.ask(Discard(attempts=(ended.id, going.id)), Done)
    assert (await room.ask(GetAttempt(attempt=going.id), Attempt)).phase == "running"
    with pytest.raises(RefusedError):
        await room.ask(Discard(attempts=(), job=room.job), Done)
    await room.ask(StopAttempt(attempt=going.id, grace=0.1), Attempt)
    await room.ask(Discard(attempts=(going.id,), job=room.job), Done)
    assert not (room.folder / "state" / "jobs" / room.job).exists()
    assert await room.output(ended.id) == b""
    again = await room.start("echo more", id=ended.id)
    assert (again.fresh, again.phase, again.exit_code) == (False, "ended", 2)


async def test_input_is_given_while_it_runs_each_byte_once(room: Room) -> None:
    one = await room.start("cat", interactive=True)
    line = Line()
    line.give(b"first\n", end=False)
    feeding = asyncio.ensure_future(room.serve(OpenInput(attempt=one.id), line))
    await until(lambda: line.granted == 6)
    line.came.put_nowait(ConnectionError("the session is gone"))
    with pytest.raises(AgentError):
        await feeding
    resumed = Line(offset=3)
    resumed.written = 3
    resumed.give(b"st\nmore\n")
    await room.serve(OpenInput(attempt=one.id, offset=3), resumed)
    assert (await room.wait(one.id)).exit_code == 0
    assert await room.output(one.id) == b"first\nmore\n"


async def test_input_for_what_takes_none_is_refused(room: Room) -> None:
    one = await room.start("sleep 30")
    with pytest.raises(RefusedError):
        await room.serve(OpenInput(attempt=one.id), Line().give(b"x"))
    await room.ask(StopAttempt(attempt=one.id, grace=0.1), Attempt)
    with pytest.raises(ExecutionError):
        await room.serve(OpenInput(attempt="never.1"), Line().give(b"x"))


async def test_what_is_too_large_is_sent_ahead(room: Room) -> None:
    text, stdin = b"#" * 3_000_000 + b"\ncat", bytes(range(256)) * 10_000
    await room.upload(text, 1)
    await room.upload(stdin, 3)
    ended = await room.run(b"", text_upload=1, stdin_upload=3)
    assert ended.exit_code == 0
    assert await room.output(ended.id) == stdin
    with pytest.raises(RefusedError, match="upload 1"):
        await room.start(b"", text_upload=1)


async def test_a_start_waits_for_what_is_still_coming(room: Room) -> None:
    line = Line(5)
    sending = asyncio.ensure_future(room.serve(OpenUpload(purpose="start", size=4), line))
    await asyncio.sleep(0)
    starting = asyncio.ensure_future(room.start(b"", text_upload=5))
    await asyncio.sleep(0.05)
    assert not starting.done()
    line.give(b"true")
    await sending
    assert (await starting).fresh


async def test_nobody_takes_the_upload_of_another_session(room: Room) -> None:
    await room.upload(b"true", 1)
    with pytest.raises(RefusedError):
        await room.start(b"", asker(session="other"), text_upload=1)


async def test_input_too_large_for_memory_goes_to_a_file_that_is_gone_when_it_runs(
    closed: Room,
) -> None:
    await closed.open(workers=1)
    stdin = os.urandom(1 << 20) * 6
    summed = hashlib.sha256(stdin).hexdigest()
    kept = closed.folder / "state" / "uploads"
    spec = Spec(id="x", job="x", text=b"sha256sum", workdir="/", stdin=stdin)
    await closed.upload(stdin, 1)
    first = await closed.start("sleep 0.3; sha256sum", stdin_upload=1)
    await closed.upload(stdin, 3)
    asked = closed.start_of(
        "sha256sum", job=f"{closed.job}-2", stdin_upload=3, digest=attempt_digest(spec)
    )
    waiting = await closed.ask(asked, Attempt)
    assert (first.phase, waiting.phase, files(kept)) == ("running", "waiting", 1)
    for name in (first.id, waiting.id):
        assert (await closed.wait(name)).exit_code == 0
        assert (await closed.output(name)).decode().split()[0] == summed
    assert files(kept) == 0


async def test_a_file_that_nobody_starts_with_goes(
    closed: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    await closed.open(workers=1)
    kept = closed.folder / "state" / "uploads"
    large = b"x" * (5 << 20)
    await closed.upload(large, 1)
    with pytest.raises(DigestError):
        await closed.start("cat", stdin_upload=1, digest="0" * 64)
    assert files(kept) == 0
    await closed.upload(large, 3)
    with pytest.raises(RefusedError, match="its text"):
        await closed.start(b"", text_upload=3)
    with monkeypatch.context() as soon:
        soon.setattr("controller.agent.uploads.WITHIN", 0.05)
        await closed.upload(large, 5)
    assert files(kept) == 1
    await until(lambda: files(kept) == 0)
    with pytest.raises(RefusedError):
        await closed.serve(OpenUpload(purpose="start", size=5 << 20), Line().give(b"few"))
    await closed.upload(large, 7)
    assert files(kept) == 1
    await closed.again()
    assert files(kept) == 0


def files(folder: Path) -> int:
    return len(list(folder.iterdir()))


@pytest.mark.parametrize(("said", "came"), [(3, 4), (5, 4), (257 << 20, 0)])
async def test_an_upload_of_another_size_is_refused(room: Room, said: int, came: int) -> None:
    with pytest.raises(RefusedError):
        await room.serve(OpenUpload(purpose="start", size=said), Line().give(b"x" * came))
    with pytest.raises(RefusedError):
        await room.start(b"", text_upload=1)


async def test_uploads_of_a_session_are_bounded_and_go_after_a_while(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.agent.uploads.WITHIN", 0.5)
    for number in range(1, 9, 2):
        await room.upload(b"x" * (4 << 20), number)
    with pytest.raises(FullError):
        await room.upload(b"x", 9)
    await room.upload(b"x", 9, asker(session="other"))
    await asyncio.sleep(0.6)
    await room.upload(b"x", 11)
    with pytest.raises(RefusedError):
        await room.start(b"", text_upload=1)


async def test_limits_that_nothing_holds_are_refused(room: Room) -> None:
    with pytest.raises(ExecutionError) as caught:
        await room.start("true", limits=Bounds(cpu=0.5))
    assert caught.value.reference == "no-limits"
    held = await room.run("ulimit -v", limits=Bounds(memory=64 << 20))
    assert await room.output(held.id) == b"65536\n"
    assert "rlimit" in held.means["memory"]


async def test_a_user_who_is_not_there_is_an_end_that_says_so(room: Room) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may become somebody else")
    ended = await room.run("true", user="no-such-user")
    assert ended.ending == "start"
    assert "no-such-user" in ended.message


async def test_a_list_comes_in_pages_and_by_job(room: Room) -> None:
    names = [(await room.run("true", owner="ö" * 250)).id for _ in range(14)]
    other = await room.run("true", job=f"{room.job}z", id=f"{room.job}z.1", owner="x")
    found: list[str] = []
    after, more, pages = "", True, 0
    while more:
        page = await room.ask(ListAttempts(job=room.job, after=after), AttemptPage)
        found += [one.id for one in page.attempts]
        after, more, pages = found[-1], page.more, pages + 1
    assert (found, pages) == (sorted(names), 2)
    everything = await room.ask(ListAttempts(after=max(names)), AttemptPage)
    assert [one.id for one in everything.attempts] == [other.id]
    assert {one.phase for one in everything.attempts} == {"ended"}


async def test_it_drains_only_when_nothing_runs_or_waits(closed: Room) -> None:
    answers = await closed.open(workers=1)
    await asyncio.wait_for(answers.drain(), 1)
    for _ in range(3):
        await closed.apart("sleep 0.1")
    began = time.monotonic()
    await asyncio.wait_for(answers.drain(), 10)
    assert time.monotonic() - began > 0.25
    assert answers.state().idle


async def test_an_id_of_another_owner_cannot_be_taken_first(room: Room) -> None:
    mine = await room.run("exit 0", owner="ana")
    with pytest.raises(AgentError) as caught:
        await room.start("exit 1", id=mine.id, owner="")
    assert caught.value.reference == "denied"
    with pytest.raises(AgentError):
        await room.start("exit 1", owner="bob")  # the job is ana's


async def test_unknown_output_is_no_error_and_unknown_feeding_is(room: Room) -> None:
    assert await room.output("a.never") == b""
    with pytest.raises((UnknownAttemptError, RefusedError)):
        await room.serve(OpenInput(attempt="a.never"), Line().give(b""))
