"""A session over a channel that misbehaves: noise before the runner, silence, nonsense, and death at any moment."""

import asyncio

import pytest

from controller.errors import SessionLostError, TransportError, Unreachable
from controller.model.ids import AttemptId, JobId
from controller.transport.port import AttemptSpec, Phase
from controller.transport.session import RunnerSession, open_session
from tests.transport.way import Way

HELLO = (
    b"@n 0 boot=b login=deploy uid=1000 pid=7 born=9 tools=sync,fullblock base=/home/de ploy/ctl\n"
)


class Script:
    """A channel that says what it is told to, whatever it hears."""

    def __init__(self, *words: bytes, complaint: str = "") -> None:
        self._words: asyncio.Queue[bytes] = asyncio.Queue()
        self._complaint = complaint
        self.heard = b""
        self.closed = False
        for word in words:
            self.say(word)

    def say(self, word: bytes) -> None:
        self._words.put_nowait(word)

    async def read(self, limit: int) -> bytes:
        return await self._words.get()

    async def write(self, data: bytes) -> None:
        self.heard += data

    async def complaint(self) -> str:
        return self._complaint

    async def close(self) -> None:
        self.closed = True


async def opened(*channels: Script) -> RunnerSession:
    left = list(channels)

    async def open_channel() -> Script:
        return left.pop(0)

    return await open_session(open_channel, server="web-1", nonce=lambda: "n")


async def test_what_rc_files_print_is_passed_over() -> None:
    session = await opened(Script(b"Last login: today\n\xff\xfe@x", HELLO))
    assert (session.facts.login, session.facts.root) == ("deploy", False)
    assert session.facts.base == "/home/de ploy/ctl"
    assert session.facts.tools == {"sync"}
    await session.close()


@pytest.mark.parametrize(
    ("words", "complaint", "cause"),
    [
        (b"@n 0 error=state msg=cannot write\n", "", Unreachable.STATE),
        (b"@n 0 error=version msg=the server has no dd\n", "", Unreachable.VERSION),
        (b"", "sudo: a password is required", Unreachable.SUDO),
        (b"", "sh: not found", Unreachable.VERSION),
        (b"", "Connection closed", Unreachable.LOST),
        (b"@n 0 bytes=x\n", "", Unreachable.LOST),
    ],
)
async def test_a_runner_that_does_not_come_up_says_why(
    words: bytes, complaint: str, cause: Unreachable
) -> None:
    channel = Script(words, b"", complaint=complaint)
    with pytest.raises(TransportError) as caught:
        await opened(channel)
    assert caught.value.cause is cause
    assert channel.closed


async def test_everybody_who_waits_learns_that_the_channel_died() -> None:
    control = Script(HELLO)
    session = await opened(control)
    spec = AttemptSpec(id=AttemptId("j.s.1"), job=JobId("j"), text=b"true")
    waiting = [asyncio.create_task(session.start(spec)) for _ in range(3)]
    await asyncio.sleep(0)
    control.say(b"")
    for one in waiting:
        with pytest.raises(SessionLostError):
            await one
    assert session.lost
    with pytest.raises(SessionLostError):
        await session.status(spec.id)
    await session.close()


async def test_a_wait_ends_when_the_channel_dies() -> None:
    control = Script(HELLO)
    session = await opened(control)
    spec = AttemptSpec(id=AttemptId("j.s.1"), job=JobId("j"), text=b"true")
    starting = asyncio.create_task(session.start(spec))
    await asyncio.sleep(0.01)
    control.say(b"@n 1 phase=running fresh=1\n")
    assert (await starting).fresh
    waiting = asyncio.create_task(session.wait(spec.id))
    await asyncio.sleep(0)
    control.say(b"")
    with pytest.raises(SessionLostError):
        await waiting
    await session.close()


async def test_an_end_that_overtakes_the_answer_is_heard() -> None:
    push = b"@n ! attempt=j.s.1 phase=ended bytes=3 ending=exit code=0 length=3 sha=- outputs=0 msg=\nhi\n"
    control = Script(HELLO)
    session = await opened(control)
    spec = AttemptSpec(id=AttemptId("j.s.1"), job=JobId("j"), text=b"echo hi")
    started = asyncio.create_task(session.start(spec))
    await asyncio.sleep(0.01)
    control.say(push + b"@n 1 phase=running fresh=1\n")
    assert (await started).fresh
    ended = await session.wait(spec.id)
    assert (ended.phase, ended.exit_code, ended.length) == (Phase.ENDED, 0, 3)
    assert [chunk.data async for chunk in session.output(spec.id)] == [b"hi\n"]
    await session.close()


async def test_an_end_that_nobody_asked_for_is_not_believed() -> None:
    push = (
        b"@n ! attempt=j.s.9 phase=ended bytes=0 ending=exit code=0 length=0 sha=- outputs=0 msg=\n"
    )
    session = await opened(Script(HELLO, push))
    await asyncio.sleep(0.01)
    assert not session._ended
    await session.close()


async def test_a_cancelled_wait_leaves_the_work_and_the_session_alone(way: Way) -> None:
    session = await way.open()
    spec = way.spec("sleep 0.3; echo done")
    await session.start(spec)
    waiting = asyncio.create_task(session.wait(spec.id))
    await asyncio.sleep(0.05)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert (await session.wait(spec.id)).exit_code == 0


async def test_large_requests_and_small_ones_share_a_line(way: Way) -> None:
    session = await way.open()
    specs = [
        way.spec('cat; printf %s "$BIG" | wc -c', env={"BIG": "x" * size}, stdin=b"a" * size)
        for size in (0, 100, 5000, 9000, 100_000)
    ]
    await asyncio.gather(*(session.start(spec) for spec in specs))
    ended = await asyncio.gather(*(session.wait(spec.id) for spec in specs))
    assert [one.exit_code for one in ended] == [0] * 5
    for spec, one in zip(specs, ended, strict=True):
        size = len(spec.stdin)
        assert one.length == size + len(f"{size}\n")
