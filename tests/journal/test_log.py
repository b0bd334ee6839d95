"""The logs: one line each, chained, and whatever is done to them afterwards is found."""

import asyncio
import itertools
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from controller.errors import StateError
from controller.journal.line import LONGEST, hash_line
from controller.journal.log import POLL, Log
from controller.journal.reading import read_since
from controller.journal.verify import TORN
from tests.fakes.clocks import FakeClock
from tests.journal.disks import full
from tests.journal.maskers import OneSecret

WHO = "ops@example.com"


def a_log(folder: Path, clock: FakeClock | None = None) -> Log:
    return Log(folder, "activity", clock=clock or FakeClock(), masker=OneSecret("hunter22"))


def lines_of(folder: Path, year: int = 2026) -> list[bytes]:
    return (folder / f"activity-{year}.log").read_bytes().splitlines(keepends=True)


async def five_lines(folder: Path) -> Log:
    log = a_log(folder)
    for number in range(1, 6):
        await log.append("job-ended", WHO, number=number)
    return log


async def test_each_line_is_one_object_chained_to_the_one_before(tmp_path: Path) -> None:
    await five_lines(tmp_path)
    lines = lines_of(tmp_path)
    prev = "0" * 64
    for seq, line in enumerate(lines, start=1):
        told = json.loads(line)
        assert list(told)[:5] == ["ts", "seq", "prev", "event", "actor"]
        assert told["ts"] == "2026-03-01T12:00:00.000000Z"
        assert (told["seq"], told["prev"], told["number"]) == (seq, prev, seq)
        prev = hash_line(line[:-1])
    path = tmp_path / "activity-2026.log"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_the_chain_goes_on_over_new_year_and_a_clock_set_back(tmp_path: Path) -> None:
    clock = FakeClock(datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC))
    log = a_log(tmp_path, clock)
    await log.append("old-year", WHO)
    await clock.advance(2)
    await log.append("new-year", WHO)
    clock.set(datetime(2026, 6, 1, tzinfo=UTC))
    await log.append("set-back", WHO)
    assert len(lines_of(tmp_path, 2026)) == 1
    assert len(lines_of(tmp_path, 2027)) == 2
    assert [line.seq for line in log.tail(10)] == [1, 2, 3]
    assert log.verify() == ()


async def test_an_untouched_log_verifies_and_so_does_none(tmp_path: Path) -> None:
    assert a_log(tmp_path).verify() == ()
    assert os.listdir(tmp_path) == []  # noqa: PTH208
    assert (await five_lines(tmp_path)).verify() == ()


def flip(lines: list[bytes], index: int) -> None:
    lines[index] = lines[index].replace(b'"number":', b'"Number":')


@pytest.mark.parametrize(
    ("harm", "code", "line"),
    [
        (lambda x: flip(x, 0), "altered", 1),
        (lambda x: flip(x, 2), "altered", 3),
        (lambda x: flip(x, 4), "altered", 5),
        (lambda x: x.pop(0), "removed", 1),
        (lambda x: x.pop(2), "removed", 3),
        (lambda x: x.pop(4), "removed", 5),
        (lambda x: x.clear(), "removed", 1),
        (lambda x: x.insert(1, x.pop(3)), "removed", 2),
        (lambda x: x.insert(3, x.pop(1)), "removed", 2),
        (lambda x: x.append(x[1]), "reordered", 6),
        (lambda x: x.insert(2, b"not a line\n"), "altered", 3),
        (lambda x: x.append(x.pop()[:40]), "truncated", 5),
    ],
)
async def test_what_is_done_to_a_log_is_found_where_it_was_done(
    tmp_path: Path, harm: Callable[[list[bytes]], object], code: str, line: int
) -> None:
    log = await five_lines(tmp_path)
    lines = lines_of(tmp_path)
    harm(lines)
    (tmp_path / "activity-2026.log").write_bytes(b"".join(lines))
    findings = log.verify()
    assert findings
    assert all(finding.broken for finding in findings)
    assert (findings[0].code, findings[0].line) == (code, line)
    assert findings[0].file == "activity-2026.log"


async def test_a_year_taken_away_is_missed(tmp_path: Path) -> None:
    clock = FakeClock(datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC))
    log = a_log(tmp_path, clock)
    await log.append("old-year", WHO)
    await clock.advance(2)
    await log.append("new-year", WHO)
    (tmp_path / "activity-2026.log").unlink()
    assert [finding.code for finding in log.verify()] == ["removed"]


@given(cut=st.integers(min_value=1, max_value=150))
@settings(deadline=None, max_examples=25)
def test_a_line_cut_short_by_a_crash_is_closed_off(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    async def go() -> None:
        folder = tmp_path_factory.mktemp("torn")
        log = await five_lines(folder)
        path = folder / "activity-2026.log"
        head = (folder / "activity.head").read_bytes()
        await log.append("cut", WHO, number=6)
        (folder / "activity.head").write_bytes(head)  # the crash came before the head was written
        whole = path.read_bytes()
        last = len(lines_of(folder)[-1])
        path.write_bytes(whole[: len(whole) - min(cut, last - 1)])
        await a_log(folder).append("after", WHO)
        await a_log(folder).append("again", WHO)
        assert [finding.code for finding in log.verify()] == (["torn"] if cut > 1 else [])
        assert not any(finding.broken for finding in log.verify())
        events = [line.event for line in log.tail(3)]
        assert events == [TORN if cut > 1 else "cut", "after", "again"]

    asyncio.run(go())


async def test_a_foreign_line_is_never_taken_for_a_crash(tmp_path: Path) -> None:
    log = await five_lines(tmp_path)
    with (tmp_path / "activity-2026.log").open("ab") as file:
        file.write(b"somebody wrote this\n")
    await log.append("after", WHO)
    assert [(finding.code, finding.broken) for finding in log.verify()] == [("altered", True)]


@given(text=st.text(), name=st.text(min_size=1))
@settings(deadline=None, max_examples=50)
def test_no_text_can_forge_a_line(
    tmp_path_factory: pytest.TempPathFactory, text: str, name: str
) -> None:
    folder = tmp_path_factory.mktemp("forge")
    log = a_log(folder)
    hostile = {"message": text + '\n{"seq":2}\r\u2028', f"x-{name}": [text, {"deep": text}]}
    asyncio.run(log.append(text or "e", text, **hostile))
    data = (folder / "activity-2026.log").read_bytes()
    assert data.count(b"\n") == 1
    assert all(0x20 <= byte < 0x7F for byte in data[:-1])
    assert log.tail()[0].fields["message"] == hostile["message"]
    assert log.verify() == ()


async def test_fixed_keys_cannot_be_taken_by_fields(tmp_path: Path) -> None:
    log = a_log(tmp_path)
    await log.append("e", WHO, seq=99, prev="no", ts="never")
    line = log.tail()[0]
    assert (line.seq, line.prev, dict(line.fields)) == (1, "0" * 64, {})


async def test_secrets_do_not_reach_a_log(tmp_path: Path) -> None:
    log = a_log(tmp_path)
    await log.append(
        "hunter22", "hunter22@x", a="is hunter22", b=["hunter22"], hunter22=1, c={"k": b"hunter22"}
    )
    assert b"hunter22" not in (tmp_path / "activity-2026.log").read_bytes()


async def test_values_are_bounded(tmp_path: Path) -> None:
    log = a_log(tmp_path)
    nested: list[object] = []
    nested.append(nested)
    await log.append(
        "e", WHO, text="x" * 10_000, many=list(range(1000)), nested=nested, nan=float("nan"),
        big=10**400, when=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    await log.append("e", WHO, **{f"k{number}": "x" * 4000 for number in range(50)})
    lines = lines_of(tmp_path)
    assert all(len(line) <= LONGEST for line in lines)
    assert "more" in json.loads(lines[0])["text"]
    assert len(json.loads(lines[0])["many"]) == 101
    assert "left_out" in json.loads(lines[1])
    assert log.verify() == ()


async def test_the_end_and_a_time_can_be_read(tmp_path: Path) -> None:
    clock = FakeClock()
    log = a_log(tmp_path, clock)
    start = clock.now()
    for number in range(300):
        await log.append("e", WHO, number=number, filler="x" * 1000)
        await clock.advance(60)
    assert [line.fields["number"] for line in log.tail(3)] == [297, 298, 299]
    assert len(log.tail(250)) == 250
    assert len(log.tail(1000)) == 300
    later = log.since(start + timedelta(minutes=290))
    assert [line.fields["number"] for line in later] == list(range(290, 300))
    assert log.tail(0) == ()


async def test_a_line_that_is_being_written_is_left_for_the_next_look(tmp_path: Path) -> None:
    log = await five_lines(tmp_path)
    path = tmp_path / "activity-2026.log"
    whole = path.read_bytes()
    for short in range(1, 20):
        path.write_bytes(whole[:-short])
        assert [line.seq for line in read_since(log._files, seq=2)] == [3, 4]
    path.write_bytes(whole)
    assert [line.seq for line in read_since(log._files, seq=4)] == [5]


async def test_following_gives_each_new_line_once(tmp_path: Path) -> None:
    clock = FakeClock()
    log = a_log(tmp_path, clock)
    await log.append("before", WHO)
    seen: list[str] = []

    async def watch() -> None:
        async for line in log.follow():
            seen.append(line.event)  # noqa: PERF401  # it never ends

    task = asyncio.create_task(watch())
    await asyncio.sleep(0.05)
    for number in range(3):
        await log.append(f"new-{number}", WHO)
        await clock.advance(POLL)
        await asyncio.sleep(0.05)
    task.cancel()
    assert seen == ["new-0", "new-1", "new-2"]


WRITER = """
import asyncio, sys
from pathlib import Path
from controller.clock import SystemClock
from controller.journal.log import Log

async def main():
    log = Log(Path(sys.argv[1]), "activity", clock=SystemClock())
    async def caller(name):
        for number in range(10):
            await log.append("e", name, number=number)
    await asyncio.gather(*(caller(f"{sys.argv[2]}-{number}") for number in range(16)))

asyncio.run(main())
"""


@pytest.mark.real
def test_processes_with_many_callers_take_turns_and_keep_one_chain(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), f"writer-{number}"])
        for number in range(3)
    ]
    assert [writer.wait(timeout=30) for writer in writers] == [0, 0, 0]
    log = a_log(tmp_path)
    assert log.verify() == ()
    lines = log.tail(1000)
    assert [line.seq for line in lines] == list(range(1, 3 * 16 * 10 + 1))
    for writer, caller in itertools.product(range(3), range(16)):
        mine = [x.fields["number"] for x in lines if x.actor == f"writer-{writer}-{caller}"]
        assert mine == list(range(10))


async def test_a_log_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    log = a_log(tmp_path / "nowhere")
    with pytest.raises(StateError, match="cannot write the activity log"):
        await log.append("e", WHO)


async def test_the_line_after_a_change_is_written_before_any_other_once_the_disk_has_room(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    log = a_log(tmp_path, clock)
    await log.append("run-submitting", WHO, run="r")
    with full(tmp_path / "activity-2026.log"):
        with pytest.raises(StateError, match="cannot write the activity log"):
            await log.conclude("run-submitted", WHO, run="r")
        await clock.advance(60)
        with pytest.raises(StateError, match="cannot write the activity log"):
            await log.append("run-submitting", WHO, run="never")
    await log.append("run-submitting", WHO, run="s")
    await log.conclude("run-submitted", WHO, run="s")
    told = [(line.event, line.fields["run"], line.fields.get("due")) for line in log.tail()]
    assert told == [
        ("run-submitting", "r", None),
        ("run-submitted", "r", "2026-03-01T12:00:00+00:00"),
        ("run-submitting", "s", None),
        ("run-submitted", "s", None),
    ]
    assert log.verify() == ()


async def test_a_link_in_the_place_of_a_log_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"")
    (tmp_path / "activity-2026.log").symlink_to(victim)
    with pytest.raises(StateError):
        await a_log(tmp_path).append("e", WHO)
    assert victim.read_bytes() == b""


async def test_what_is_not_known_is_left_out(tmp_path: Path) -> None:
    await a_log(tmp_path).append("job-ended", WHO, target=None, server="web-1")
    told = json.loads(lines_of(tmp_path)[0])
    assert list(told) == ["ts", "seq", "prev", "event", "actor", "server"]
