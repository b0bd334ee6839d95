"""A file is fetched whole, goes on where it ended, and lands where it may."""

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from controller.errors import (
    NotFoundError,
    RefusedError,
    SessionLostError,
    StateError,
    TransportError,
    Unreachable,
)
from controller.reconcile.desk.fetching import LocalSource, fetch
from controller.reconcile.exchange.answers import Moved
from tests.fakes.jumping_clock import JumpingClock

DATA = os.urandom(300_000)


class Remote:
    """A file on a server whose session breaks after so many bytes, as often as it is told."""

    def __init__(
        self, data: bytes, *, breaks: int = 0, after: int = 0, told: int | None = None
    ) -> None:
        self.data = data
        self.read_from: list[int] = []
        self._breaks = breaks
        self._after = after
        self._told = told

    async def size(self) -> int | None:
        return len(self.data) if self._told is None else self._told

    async def read(self, offset: int) -> AsyncIterator[bytes]:
        self.read_from.append(offset)
        given_ = 0
        for begin in range(offset, len(self.data), 10_000):
            if self._breaks and given_ >= self._after:
                self._breaks -= 1
                raise SessionLostError("the session broke", cause=Unreachable.LOST)
            piece = self.data[begin : begin + 10_000]
            given_ += len(piece)
            yield piece


async def get(source: Remote | LocalSource, outdir: Path, name: str = "a") -> Moved:
    return await fetch(source, name, outdir, tell=lambda _d, _t: None, clock=JumpingClock())


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_file_arrives_whole_with_its_digest(tmp_path: Path) -> None:
    moved = await get(Remote(DATA), tmp_path, "deep/er/a")
    assert (tmp_path / "deep/er/a").read_bytes() == DATA
    assert (moved.size, moved.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())
    assert [p.name for p in (tmp_path / "deep/er").iterdir()] == ["a"]
    assert (tmp_path / "deep/er/a").stat().st_mode & 0o777 == 0o600


async def test_a_broken_session_is_gone_on_from_where_it_broke(tmp_path: Path) -> None:
    source = Remote(DATA, breaks=3, after=100_000)
    moved = await get(source, tmp_path)
    assert (tmp_path / "a").read_bytes() == DATA
    assert moved.sha256 == hashlib.sha256(DATA).hexdigest()
    assert max(source.read_from) >= 100_000


async def test_a_session_that_breaks_for_ever_leaves_a_part_for_the_next_time(
    tmp_path: Path,
) -> None:
    with pytest.raises(TransportError):
        await get(Remote(DATA, breaks=99, after=20_000), tmp_path)
    assert not (tmp_path / "a").exists()
    moved = await get(Remote(DATA), tmp_path)
    assert moved.resumed >= 20_000
    assert (tmp_path / "a").read_bytes() == DATA


async def test_a_file_that_is_another_one_now_is_fetched_anew(tmp_path: Path) -> None:
    (tmp_path / ".a.part").write_bytes(b"x" * 200_000)
    moved = await get(Remote(DATA), tmp_path)
    assert moved.resumed == 0
    assert (tmp_path / "a").read_bytes() == DATA
    (tmp_path / ".b.part").write_bytes(DATA + b"longer")
    assert (await get(Remote(DATA), tmp_path, "b")).resumed == 0


async def test_a_file_that_grows_while_it_is_read_is_not_taken_for_whole(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="it changed while it was read"):
        await get(Remote(DATA, told=len(DATA) - 1), tmp_path)
    assert names(tmp_path) == []


class Endless(Remote):
    """A file that never ends."""

    given = 0

    async def read(self, offset: int) -> AsyncIterator[bytes]:
        while self.given < 1000:
            self.given += 1
            yield b"x" * 1000


async def test_a_file_without_an_end_does_not_fill_the_disk(tmp_path: Path) -> None:
    endless = Endless(DATA, told=3)
    with pytest.raises(StateError, match="it changed while it was read"):
        await get(endless, tmp_path)
    assert endless.given <= 2
    assert names(tmp_path) == []


async def test_nothing_that_is_there_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    (tmp_path / "b").symlink_to(tmp_path / "c")
    for name in "ab":
        with pytest.raises(StateError, match="it is there already"):
            await get(Remote(DATA), tmp_path, name)
    assert (tmp_path / "a").read_text() == "mine"


@pytest.mark.parametrize("name", ["../a", "/etc/a", "a/../../b", "", "a//b", "./a", "a/", "a\0b"])
async def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    with pytest.raises(RefusedError, match="leads out"):
        await get(Remote(DATA), out, name)
    assert not out.exists()


async def test_no_link_leads_out_of_the_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "deep").symlink_to(tmp_path)
    with pytest.raises(StateError, match="a link leads out"):
        await get(Remote(DATA), out, "deep/a")
    (out / ".b.part").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError, match="cannot write"):
        await get(Remote(DATA), out, "b")
    assert not (tmp_path / "elsewhere").exists()


async def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        await get(LocalSource(tmp_path / "none"), tmp_path)
    (tmp_path / "source").write_bytes(DATA)
    await get(LocalSource(tmp_path / "source"), tmp_path / "out")
    assert (tmp_path / "out/a").read_bytes() == DATA


@given(st.binary(max_size=3000), st.integers(0, 3000))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_a_fetch_goes_on_from_any_byte(tmp_path: Path, data: bytes, cut: int) -> None:
    part, whole = tmp_path / ".a.part", tmp_path / "a"
    whole.unlink(missing_ok=True)
    part.write_bytes(data[:cut])
    moved = await get(Remote(data), tmp_path)
    assert whole.read_bytes() == data
    assert moved.resumed == min(cut, len(data))
    assert moved.sha256 == hashlib.sha256(data).hexdigest()
