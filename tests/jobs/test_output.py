"""Output on its way from the server into the files: masked, exact, resumable."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given, settings, strategies as st

from controller.jobs import output
from controller.jobs.assignment import Assignment
from controller.model.ids import AttemptId, JobId, RunId
from controller.model.job import State
from controller.transport.port import AttemptSpec, Chunk, Session
from tests.fakes.fleet import Program
from tests.jobs.crashing import Crash, cause_of
from tests.jobs.rig import MemoryOutput, Rig, chain

SECRET = "hunter2secret"  # noqa: S105


@given(st.integers(0, 200_000), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
async def test_a_secret_is_masked_wherever_the_session_breaks(before: int, seed: int) -> None:
    content = b"a" * before + SECRET.encode() + b"b" * 100_000 + SECRET.encode()
    rig = Rig(lambda _s, _p: Program(seconds=5, output=content), secrets={"db": SECRET})
    throws = iter(range(seed, seed + 10_000))

    def cut(server: str, what: str, _before: bool) -> None:
        if what == "output" and next(throws) % 3 == 0:
            rig.fleet.cut(server)

    rig.fleet.disturb = cut
    (job,) = await rig.run(rig.job(secrets={"DB": "db"}))
    assert job.state is State.SUCCEEDED
    (kept,) = rig.output.files.values()
    assert bytes(kept) == content.replace(SECRET.encode(), b"*" * len(SECRET))
    assert rig.watcher.shown[job.id] == bytes(kept)
    (attempt,) = job.steps[0].attempts
    assert (attempt.stored, attempt.length) == (len(content), len(content))


async def test_a_secret_across_the_gap_leaves_nothing_of_itself() -> None:
    size = (1 << 20) + (9 << 20) + 1000
    content = bytearray(b"." * size)
    resumes = size - (9 << 20)
    content[(1 << 20) - 6 : (1 << 20) - 6 + len(SECRET)] = SECRET.encode()
    content[resumes - 6 : resumes - 6 + len(SECRET)] = SECRET.encode()
    rig = Rig(lambda _s, _p: Program(output=bytes(content)), secrets={"db": SECRET})
    (job,) = await rig.run(rig.job(secrets={"DB": "db"}))
    (kept,) = rig.output.files.values()
    assert len(kept) == size
    assert b"hunter" not in kept
    assert b"secret" not in kept
    assert kept[1 << 20 : resumes] == bytes(resumes - (1 << 20))
    assert kept[: (1 << 20) - 200] == content[: (1 << 20) - 200]
    assert kept[resumes + 200 :] == content[resumes + 200 :]
    assert job.steps[0].attempts[0].length == size


async def test_output_that_is_lost_at_its_end_is_known_to_be_missing() -> None:
    rig = Rig(lambda _s, _p: Program(output=b"0123456789", lost=90))
    (job,) = await rig.run(rig.job())
    assert job.steps[0].attempts[0].stored == 100
    (kept,) = rig.output.files.values()
    assert kept == b"0123456789" + bytes(90)


async def test_output_that_was_stored_before_a_kill_is_not_stored_twice() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=60, output=b"0123456789" * 1000))
    engine = await rig.submit(rig.job())
    await engine.drive(RunId("run1"), within=10)
    (job,) = (await rig.engine().settle()).jobs
    assert job.state is State.SUCCEEDED
    (kept,) = rig.output.files.values()
    assert bytes(kept) == b"0123456789" * 1000


class CachedOutput(MemoryOutput):
    """Output that a kill leaves in the cache of the disk: `durable` is what a loss of power would spare."""

    def __init__(self, rig: Rig) -> None:
        super().__init__()
        self.durable: dict[AttemptId, int] = {}
        self.dies = False
        self._rig = rig

    async def append(self, attempt: AttemptId, offset: int, data: bytes, *, gap: int = 0) -> None:
        await super().append(attempt, offset, data, gap=gap)
        if self.dies:
            self._rig.fleet.cut("web-1")
            raise Crash
        self.durable[attempt] = await self.stored(attempt)


async def test_what_a_killed_controller_stored_is_durable_before_its_server_forgets_it() -> None:
    rig = Rig(lambda _s, _p: Program(output=b"0123456789"))
    rig.output = output = CachedOutput(rig)
    engine = await rig.submit(rig.job())
    output.dies = True
    with pytest.raises(BaseException) as died:
        await engine.drive(RunId("run1"))
    assert isinstance(cause_of(died.value), Crash)
    output.dies = False
    (attempt,) = output.files
    assert (len(output.files[attempt]), output.durable) == (10, {})
    safe: list[int] = []

    def look(_server: str, what: str, before: bool) -> None:
        if what == "discard" and before:
            safe.append(output.durable.get(attempt, 0))

    rig.fleet.disturb = look
    (job,) = (await rig.engine().settle()).jobs
    assert job.state is State.SUCCEEDED
    assert job.steps[0].attempts[0].stored == 10
    assert safe == [10]


async def test_what_a_server_says_about_an_end_is_masked_before_it_is_recorded() -> None:
    def behave(_server: str, spec: AttemptSpec) -> Program:
        return Program(exit_code=1, message=f"cannot use {spec.env['DB']}" + "x" * 10_000)

    rig = Rig(behave, secrets={"db": SECRET})
    (job,) = await rig.run(rig.job(chain("a"), secrets={"DB": "db"}))
    assert SECRET not in repr(await rig.store.jobs.events(job.id))
    assert len(job.reason or "") < 600


class Endless:
    """A session with a server that says it has ended, and goes on."""

    async def output(
        self, attempt: AttemptId, *, offset: int, follow: bool
    ) -> AsyncIterator[Chunk]:
        assert not follow
        assert attempt == "a"
        while True:
            yield Chunk(offset=offset, data=b"x" * 1000)
            offset += 1000


async def test_of_output_that_never_ends_no_more_is_taken_than_a_server_keeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(output, "LEFT", 10_000)
    rig = Rig(lambda _s, _p: Program())
    assignment = SimpleNamespace(
        equipment=rig.equipment(), values={}, job=SimpleNamespace(id=JobId("j"))
    )
    copy = output.OutputCopy(cast("Assignment", assignment), AttemptId("a"), "run")
    assert await copy.run(cast("Session", Endless()), follow=False) == 10_000
