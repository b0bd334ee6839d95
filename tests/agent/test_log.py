"""The daemon's log: one line for each thing, whatever strangers do."""

from __future__ import annotations

import asyncio
import io

import pytest

from controller.agent import log as log_module
from controller.agent.log import LONGEST, MOST, Log


def test_nothing_hostile_forges_a_line_or_moves_a_cursor() -> None:
    out = io.StringIO()
    Log(out).say("a\nctl-agent: forged\r\x1b[2J\u202e\x00 b")
    assert out.getvalue() == "ctl-agent: a\\nctl-agent: forged\\r\\x1b[2J\\u202e\\x00 b\n"


def test_a_long_line_is_cut() -> None:
    out = io.StringIO()
    Log(out).say("x" * 10_000)
    assert len(out.getvalue()) < LONGEST + 20


async def test_of_many_lines_of_one_kind_most_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "WINDOW", 0.05)
    out = io.StringIO()
    log = Log(out)
    for number in range(1_000):
        log.often("knocks", f"knock {number}")
    log.often("others", "is not counted with them")
    lines = out.getvalue().splitlines()
    assert lines[:MOST] == [f"ctl-agent: knock {number}" for number in range(MOST)]
    assert lines[MOST:] == ["ctl-agent: is not counted with them"]
    await asyncio.sleep(0.1)
    assert (
        out.getvalue().splitlines()[-1] == f"ctl-agent: knocks: {1_000 - MOST} more in the last 0 s"
    )
    log.often("knocks", "again")
    assert out.getvalue().endswith("again\n")


def test_a_log_that_nobody_reads_ends_nothing() -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError(32, "nobody reads")

    Log(Gone()).say("x")
