"""The ledger never forgets what it was told, whatever a crash leaves of it."""

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from controller.execution.errors import BrokenError
from controller.execution.ledger import Ledger, fold, parse
from controller.execution.lines import decode, encode

RECORDS = [
    record
    for n in range(6)
    for record in (
        {"id": f"a.{n}", "event": "accepted", "job": "jöb\n\udcff"},
        {"id": f"a.{n}", "event": "started", "pid": n},
    )
]
LINES = [encode(record) for record in RECORDS]


@given(cut=st.integers(0, sum(map(len, LINES))), zeros=st.integers(0, 5000))
def test_whatever_is_torn_off_the_rest_is_read(cut: int, zeros: int) -> None:
    whole = b"".join(LINES)
    records, good, damaged = parse(whole[:cut] + bytes(zeros))
    assert records == RECORDS[: len(records)]
    assert (b"".join(LINES[: len(records)]), damaged) == (whole[:good], 0)
    assert cut - good < max(map(len, LINES))


@given(line=st.integers(0, len(LINES) - 2), at=st.integers(0, 1000), bit=st.integers(0, 7))
def test_a_flipped_bit_costs_its_line_alone_and_is_counted(line: int, at: int, bit: int) -> None:
    broken = bytearray(LINES[line])
    broken[at % len(broken)] ^= 1 << bit
    assert decode(bytes(broken)) is None
    records, _, damaged = parse(b"".join([*LINES[:line], bytes(broken), *LINES[line + 1 :]]))
    missing = [record for record in RECORDS if record not in records]
    assert damaged >= 1
    assert RECORDS[line] in missing
    assert len(missing) <= 2  # a lost newline takes the next line with it


@given(order=st.permutations(range(6)))
@settings(max_examples=20)
def test_each_attempt_is_known_by_its_own_records(order: list[int]) -> None:
    shuffled = [record for n in order for record in RECORDS[2 * n : 2 * n + 2]]
    assert fold(shuffled) == fold(RECORDS)


async def opened(path: Path, **more: int) -> Ledger:
    ledger = Ledger(path, **more)
    ledger.open()
    return ledger


async def test_what_was_appended_is_there_after_a_torn_end(tmp_path: Path) -> None:
    ledger = await opened(tmp_path / "ledger")
    await asyncio.gather(*(ledger.append(record) for record in RECORDS))
    await ledger.close()
    content = (tmp_path / "ledger").read_bytes().rstrip(b"\0")
    (tmp_path / "ledger").write_bytes(content + b"0000003a 1234")
    ledger = await opened(tmp_path / "ledger")
    assert ledger.known == fold(RECORDS)
    await ledger.append({"id": "b", "event": "accepted"})
    await ledger.close()
    ledger = await opened(tmp_path / "ledger")
    assert (set(ledger.known), ledger.damaged) == ({*fold(RECORDS), "b"}, 0)
    await ledger.close()


async def test_many_at_once_share_a_trip_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = await opened(tmp_path / "ledger")
    trips: list[int] = []
    put = ledger._put

    def counted(lines: bytes) -> None:
        trips.append(lines.count(b"\n"))
        put(lines)

    monkeypatch.setattr(ledger, "_put", counted)
    await asyncio.gather(
        *(ledger.append({"id": f"a.{n}", "event": "accepted"}) for n in range(100))
    )
    await ledger.close()
    assert sum(trips) == 100
    assert len(trips) <= 3


async def test_it_stays_small_and_forgets_only_the_oldest_of_the_discarded(tmp_path: Path) -> None:
    ledger = await opened(tmp_path / "ledger", compact_at=4000, remember=5)
    await ledger.append({"id": "open", "event": "accepted"})
    for n in range(200):
        await ledger.append({"id": f"a.{n}", "event": "accepted"})
        await ledger.append({"id": f"a.{n}", "event": "discarded"})
    await ledger.close()
    content = (tmp_path / "ledger").read_bytes().rstrip(b"\0")
    assert len(content) < 8000
    ledger = await opened(tmp_path / "ledger", remember=5)
    assert list(ledger.known) == ["open", *(f"a.{n}" for n in range(195, 200))]
    await ledger.close()


async def test_after_a_failed_write_nothing_is_promised_any_more(tmp_path: Path) -> None:
    ledger = await opened(tmp_path / "ledger")
    spare, ledger._descriptor = ledger._descriptor, os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(BrokenError, match="cannot write"):
        await ledger.append({"id": "a", "event": "accepted"})
    os.close(ledger._descriptor)
    ledger._descriptor = spare
    with pytest.raises(BrokenError, match="cannot write"):
        await ledger.append({"id": "b", "event": "accepted"})
    await ledger.close()
