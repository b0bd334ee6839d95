"""Standard streams that are closed, full or left by their reader: a clear error or a quiet end, never a traceback, and never for ever."""

import asyncio
import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TextIO

import pytest

from controller.cli.standard import Outlet, OutputError, ending, while_read

CTL = (sys.executable, "-m", "controller")
FULL = Path("/dev/full")


def shell(line: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a line of sh; "$@" in it is a command line of ours."""
    argv = ["sh", "-c", line, "sh", *CTL, *words]
    return subprocess.run(
        argv, check=False, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL
    )


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    """Make a pipe: the number of its reading end, and a stream into it."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        yield reading, stream


@pytest.mark.parametrize("words", [("explain", "task"), ("--help",), ("--version",)])
def test_a_full_disk_is_said_where_results_go(words: tuple[str, ...]) -> None:
    done = shell('exec "$@" > /dev/full', *words)
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot write to stdout: No space left on device\n")
    assert "Traceback" not in done.stderr


def test_a_stdout_that_is_closed_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    done = shell('exec "$@" >&-', "init", str(tmp_path / "fleet"))
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert done.stderr.startswith("error: cannot write to stdout: it is closed\n")
    assert not (tmp_path / "fleet").exists()


def test_a_full_or_closed_stderr_and_a_closed_stdin_keep_nothing_from_being_done() -> None:
    done = shell('exec "$@" <&- 2>&-', "explain", "task")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("task")
    assert shell('exec "$@" 2>/dev/full', "nonsense").returncode == 64


def test_a_reader_who_has_enough_hears_no_complaint() -> None:
    done = shell('{ sleep 0.1; "$@"; echo "ended with $?" >&2; } | :', "schema")
    assert done.stderr == "ended with 1\n"


def test_a_pipe_that_does_not_block_is_waited_for() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    got = bytearray()

    def read() -> None:
        time.sleep(0.1)
        while piece := os.read(reading, 1 << 20):
            got.extend(piece)

    reader = threading.Thread(target=read)
    reader.start()
    data = bytes(range(256)) * 4096
    with io.BufferedWriter(Outlet(writing, needed=True)) as stream:  # type: ignore[type-var]
        stream.write(data)
    os.close(writing)
    reader.join()
    os.close(reading)
    assert got == data


def test_after_a_failure_nothing_more_is_tried() -> None:
    with FULL.open("wb") as file:
        outlet = Outlet(file.fileno(), needed=True)
        with pytest.raises(OutputError, match="No space left"):
            outlet.write(b"one")
        assert outlet.write(b"two") == 3


async def test_what_is_silent_ends_when_nobody_reads_it_any_more(pipe: tuple[int, TextIO]) -> None:
    reading, stream = pipe
    left = asyncio.Event()

    async def silent() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            left.set()

    asyncio.get_running_loop().call_later(0.05, os.close, reading)
    with pytest.raises(BrokenPipeError):
        await asyncio.wait_for(while_read(stream, silent()), timeout=10)
    assert left.is_set()


async def test_what_is_read_to_its_end_gives_its_answer(pipe: tuple[int, TextIO]) -> None:
    reading, stream = pipe

    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert await while_read(stream, work()) == 7
    assert await while_read(io.StringIO(), work()) == 7
    os.close(reading)


async def test_a_source_is_let_go_of_when_its_reader_leaves_it() -> None:
    let_go = []

    async def numbers() -> AsyncIterator[int]:
        try:
            for number in range(10):
                yield number
        finally:
            let_go.append(True)

    async with ending(numbers()) as source:
        assert await anext(source) == 0
    assert let_go == [True]
