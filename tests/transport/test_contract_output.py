"""The carrier port's promises about output, on every carrier."""

import asyncio
import hashlib
import subprocess
from pathlib import Path

import pytest

from controller.transport.port import Chunk, Ending, Phase
from tests.fakes import processes
from tests.transport.way import Way, output_of

pytestmark = pytest.mark.real
LARGE = 100_000_000
NUMBERS = f"seq 1 13000000 | head -c {LARGE}"
ALL_BYTES = 'i=0; while [ $i -lt 256 ]; do printf "\\\\$(printf %03o $i)"; i=$((i + 1)); done'


def resident() -> int:
    """Bytes of memory this process holds now."""
    words = Path("/proc/self/statm").read_text().split()
    return int(words[1]) * 4096


async def test_every_byte_arrives_as_it_was_written(every_way: Way) -> None:
    ended, output = await every_way.run(f"{ALL_BYTES}; {ALL_BYTES}")
    assert output == bytes(range(256)) * 2
    assert ended.length == 512
    assert ended.sha256 == hashlib.sha256(output).hexdigest()


async def test_both_streams_are_one_in_the_order_of_writing(every_way: Way) -> None:
    _, output = await every_way.run("for n in 1 2 3 4 5 6 7 8 9; do echo $n; echo e$n >&2; done")
    assert output == b"".join(b"%d\ne%d\n" % (n, n) for n in range(1, 10))


@pytest.mark.parametrize("offset", [0, 1, 4095, 65536, 70_000, 1_048_575, 1_048_577, 3_000_000])
async def test_output_is_read_again_from_any_offset(way: Way, offset: int) -> None:
    ended, whole = await way.run("seq 1 400000 | head -c 2500000")
    assert (ended.length, len(whole)) == (2_500_000, 2_500_000)
    assert await output_of(await way.open(), ended.id, offset=offset) == whole[offset:]


async def test_output_is_followed_while_the_work_goes_on(every_way: Way) -> None:
    session = await every_way.open()
    go = every_way.base / f"{every_way.job}.go"
    spec = every_way.spec(
        f"echo begun; while [ ! -e {every_way.job}.go ]; do sleep 0.05; done; printf end",
        workdir=session.facts.base,
    )
    await session.start(spec)
    seen = b""
    async with asyncio.timeout(20):
        async for chunk in session.output(spec.id, follow=True):
            assert chunk.offset == len(seen)
            seen += chunk.data
            if seen == b"begun\n":
                assert (await session.status(spec.id)).phase is Phase.RUNNING
                go.touch()
    go.unlink()
    assert seen == b"begun\nend"
    assert (await session.wait(spec.id)).exit_code == 0


async def test_two_followers_see_the_same(way: Way) -> None:
    first, second = await way.open(), await way.open()
    spec = way.spec("for n in 1 2 3 4 5 6; do echo $n; sleep 0.1; done")
    await first.start(spec)

    async def follow(session: object) -> bytes:
        stream = session.output(spec.id, follow=True)  # type: ignore[attr-defined]
        return b"".join([chunk.data async for chunk in stream])

    followed = await asyncio.gather(follow(first), follow(second))
    assert set(followed) == {b"1\n2\n3\n4\n5\n6\n"}


@pytest.mark.sweep
@pytest.mark.slow
async def test_a_hundred_megabytes_pass_in_bounded_memory(way: Way) -> None:
    session = await way.open()
    spec = way.spec(NUMBERS, tail=LARGE * 2)
    await session.start(spec)
    digest, length, before, most = hashlib.sha256(), 0, resident(), 0
    async for chunk in session.output(spec.id, follow=True):
        assert (chunk.offset, chunk.gap) == (length, 0)
        digest.update(chunk.data)
        length += len(chunk.data)
        most = max(most, resident())
    ended = await session.wait(spec.id)
    await session.discard((spec.id,))
    expected = subprocess.run(["sh", "-c", NUMBERS], capture_output=True, check=True).stdout  # noqa: ASYNC221 - a second
    assert length == ended.length == LARGE
    assert digest.hexdigest() == ended.sha256 == hashlib.sha256(expected).hexdigest()
    assert most - before < 40 << 20


async def test_past_the_cap_the_middle_is_a_gap_and_the_digest_is_of_all(every_way: Way) -> None:
    session = await every_way.open()
    count = 20_000_000
    spec = every_way.spec(f"seq 1 3000000 | head -c {count}", head=1 << 20, tail=2 << 20)
    await session.start(spec)
    ended = await session.wait(spec.id)
    chunks = [chunk async for chunk in session.output(spec.id)]
    expected = subprocess.run(  # noqa: ASYNC221 - a blink
        ["sh", "-c", f"seq 1 3000000 | head -c {count}"], capture_output=True, check=True
    ).stdout
    assert ended.length == count
    assert ended.sha256 == hashlib.sha256(expected).hexdigest()
    assert sum(chunk.gap > 0 for chunk in chunks) == 1
    for chunk in chunks:
        assert expected[chunk.offset : chunk.offset + len(chunk.data)] == chunk.data
    kept_head, kept_tail = ends_of(chunks, count)
    assert kept_head >= 1 << 20
    assert kept_tail >= 2 << 20
    if every_way.of_agent:
        return  # its spool is its own
    spooled = sum(file.stat().st_size for file in every_way.folder(spec.id).iterdir())
    assert spooled < 6 << 20


def ends_of(chunks: list[Chunk], length: int) -> tuple[int, int]:
    """How many bytes are there before the gap, and after it."""
    at = next(n for n, chunk in enumerate(chunks) if chunk.gap)
    assert chunks[-1].offset + len(chunks[-1].data) == length
    return chunks[at].offset - chunks[at].gap, length - chunks[at].offset


async def test_a_reader_that_never_comes_does_not_hold_up_the_work(way: Way) -> None:
    session = await way.open()
    spec = way.spec("seq 1 2000000; echo last; exit 7")
    await session.start(spec)
    async with asyncio.timeout(20):
        assert (await session.wait(spec.id)).exit_code == 7
    last = b""
    async for chunk in session.output(spec.id, offset=(await session.status(spec.id)).length - 5):
        last += chunk.data
    assert last == b"last\n"


async def test_a_child_that_keeps_the_output_open_does_not_hide_the_end(way: Way) -> None:
    session = await way.open()
    spec = way.spec("echo mine; sleep 30 & exit 3")
    await session.start(spec)
    async with asyncio.timeout(10):
        ended = await session.wait(spec.id)
    assert (ended.ending, ended.exit_code) == (Ending.EXIT, 3)
    assert ended.message
    assert await output_of(session, spec.id) == b"mine\n"


async def test_discarded_work_has_no_output_but_never_runs_again(way: Way) -> None:
    session = await way.open()
    spec = way.spec('echo kept >> "$CTL_ARTIFACTS/file"; echo said; exit 2')
    await session.start(spec)
    await session.wait(spec.id)
    await session.discard((spec.id,), job=way.job)
    assert await output_of(session, spec.id) == b""
    assert await session.artifacts(way.job) == {}
    again = await session.start(spec)
    assert (again.fresh, again.phase, again.exit_code) == (False, Phase.ENDED, 2)
    assert await session.artifacts(way.job) == {}


async def test_running_work_is_not_discarded(way: Way) -> None:
    session = await way.open()
    spec = way.spec("echo said; sleep 20")
    await session.start(spec)
    await processes.until(way.running)
    await session.discard((spec.id,))
    assert (await session.status(spec.id)).phase is Phase.RUNNING
    stopped = await session.stop(spec.id, grace=0.2)
    assert (stopped.ending, await output_of(session, spec.id)) == (Ending.STOP, b"said\n")
