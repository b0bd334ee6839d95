"""A program gets the document on its standard input and nothing else, and never outlives its time."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from controller.notify import command
from controller.notify.command import Command, send
from controller.notify.trouble import NotifyError
from tests.notify.notes import MESSAGE


def a_program(folder: Path, text: str) -> Command:
    path = folder / "notify"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return Command(argv=(str(path), "one two", "$(id)"))


async def test_a_program_gets_the_document_and_its_words(tmp_path: Path) -> None:
    program = a_program(tmp_path, f'cat > {tmp_path}/got; printf "%s|" "$@" > {tmp_path}/words')
    await send(MESSAGE, program)
    assert json.loads((tmp_path / "got").read_text()) == MESSAGE.document
    assert (tmp_path / "words").read_text() == "one two|$(id)|"


async def test_a_program_finds_nothing_of_our_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CTL_TOKEN", "canary")
    await send(MESSAGE, a_program(tmp_path, f"env > {tmp_path}/got; pwd >> {tmp_path}/got"))
    got = (tmp_path / "got").read_text()
    names = {line.partition("=")[0] for line in got.splitlines()}
    assert names <= {"PATH", "LANG", "PWD", "SHLVL", "_", "/", "OLDPWD"}
    assert got.endswith("/\n")


@pytest.mark.parametrize(("end", "said"), [("exit 3", "ended with 3"), ("kill -9 $$", "signal 9")])
async def test_a_program_that_fails_is_told(tmp_path: Path, end: str, said: str) -> None:
    with pytest.raises(NotifyError, match=said) as caught:
        await send(MESSAGE, a_program(tmp_path, f"echo canary >&2; {end}"))
    assert not caught.value.permanent
    assert "canary" not in caught.value.message


async def test_a_program_that_reads_and_says_what_it_likes_is_well(tmp_path: Path) -> None:
    large = MESSAGE.__class__(
        id="x", at=MESSAGE.at, title="", text="", document={"a": "b" * 1_000_000}
    )
    await send(large, a_program(tmp_path, "exec 0<&-; exit 0"))
    await send(MESSAGE, a_program(tmp_path, "head -c 1000000 /dev/zero"))


async def test_a_program_and_its_children_are_ended_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "SECONDS", 0.5)
    program = a_program(tmp_path, f"trap '' TERM; sleep 60 & echo $! > {tmp_path}/pid; wait")
    with pytest.raises(NotifyError, match="was ended after"):
        await send(MESSAGE, program)
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if is_over(pid):
            return
        await asyncio.sleep(0.02)
    os.kill(pid, 9)
    pytest.fail("a child went on")


def is_over(pid: int) -> bool:
    """Say whether a process has ended, taken or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("argv", [("/none/such",), ("/etc/passwd",), ("a\x00b",)])
async def test_a_program_that_cannot_be_started_is_told(argv: tuple[str, ...]) -> None:
    with pytest.raises(NotifyError, match="cannot be started"):
        await send(MESSAGE, Command(argv=argv))
