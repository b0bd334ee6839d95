"""Files and probes over an agent: exact bytes from any offset, and no way out of a folder."""

import asyncio
import hashlib
import os
import time
from pathlib import Path

import pytest

from controller.agent.errors import AgentError, MissingError
from controller.execution.errors import ExecutionError, OutsideError, RefusedError
from controller.wire.messages.files import (
    FilePage,
    GetSize,
    ListArtifacts,
    ListWorkspace,
    Probe,
    Probed,
    RemoveFile,
    Size,
)
from controller.wire.messages.server import Done
from controller.wire.messages.streams import OpenFile, OpenUpload, OpenWorkspace
from tests.agent.answers_room import Line, Room, until
from tests.fakes import processes

pytestmark = pytest.mark.real
AWAY = ["../x", "a/../../x", "/etc/passwd", "a/../../../etc/passwd", "x\0y", "a/" * 40 + "x"]
ODD = 'it\'s "$HOME"\n`x` é \udc80'


@pytest.mark.parametrize("offset", [0, 1, 262_144, 999_999, 1_000_000, 5_000_000])
async def test_a_file_is_read_from_any_offset(room: Room, offset: int) -> None:
    data = os.urandom(1_000_000)
    file = room.folder / "a file with 'odd' $name é"
    file.write_bytes(data)
    assert (await room.ask(GetSize(path=str(file)), Size)).size == len(data)
    line = await room.serve(OpenFile(path=str(file), offset=offset))
    assert bytes(line.taken) == data[offset:]
    assert line.ended == (len(data), hashlib.sha256(data).hexdigest())


async def test_what_is_no_regular_file_is_not_read(room: Room) -> None:
    os.mkfifo(room.folder / "pipe")
    for path in (room.folder / "none", room.folder, room.folder / "pipe", Path("/dev/zero")):
        assert (await room.ask(GetSize(path=str(path)), Size)).size is None
        with pytest.raises(MissingError):
            await asyncio.wait_for(room.serve(OpenFile(path=str(path))), 5)
    for path_ in ("relative", "", "a\0b"):
        with pytest.raises(OutsideError):
            await room.serve(OpenFile(path=path_))


async def test_a_file_that_is_cut_meanwhile_is_no_whole_one(room: Room) -> None:
    file = room.folder / "file"
    file.write_bytes(b"x" * 1_000_000)
    line = Line()

    async def write(data: bytes, *, gap: int = 0) -> None:
        os.truncate(file, 10)
        line.taken += data

    line.write = write  # type: ignore[method-assign]
    with pytest.raises(MissingError, match="cut"):
        await room.serve(OpenFile(path=str(file)), line)
    assert line.ended is None


MAKE = """
cd "$CTL_ARTIFACTS"
mkdir -p 'a folder/below' .hidden
printf 12345 > 'a folder/below/file with blank'
printf 1 > .hidden/x
printf 123 > "new
line"
ln -s /etc/passwd link
ln -s /etc folder-link
ln /etc/hostname second-name 2>/dev/null
mkfifo pipe
touch "$(printf 'no\\377utf')"
"""


async def test_artifacts_are_listed_and_read_and_links_are_not(room: Room) -> None:
    await room.run(MAKE)
    page = await room.ask(ListArtifacts(job=room.job), FilePage)
    page.files.pop("second-name", None)  # type: ignore[attr-defined]
    assert page.files == {".hidden/x": 1, "a folder/below/file with blank": 5, "new\nline": 3}
    name = f"artifacts:{room.job}/a folder/below/file with blank"
    assert (await room.ask(GetSize(path=name), Size)).size == 5
    assert (await room.serve(OpenFile(path=name, offset=2))).taken == b"345"
    for odd in ("link", "folder-link/passwd", "pipe", "a folder", "none", "second-name"):
        path = f"artifacts:{room.job}/{odd}"
        assert (await room.ask(GetSize(path=path), Size)).size is None
        with pytest.raises(MissingError):
            await asyncio.wait_for(room.serve(OpenFile(path=path)), 5)
    assert (await room.ask(ListArtifacts(job="no-such-job"), FilePage)).files == {}


@pytest.mark.parametrize("rest", [*AWAY, "", ".", "./x", "x/", "x//y"])
async def test_no_name_leads_out_of_the_artifacts(room: Room, rest: str) -> None:
    await room.run("echo x > $CTL_ARTIFACTS/x")
    for path in (f"artifacts:{room.job}/{rest}", f"artifacts:../{rest}", f"workspace:/{rest}"):
        with pytest.raises((RefusedError, MissingError)):
            await room.serve(OpenFile(path=path))


async def test_many_files_come_in_pages(room: Room) -> None:
    await room.run('cd "$CTL_ARTIFACTS"; for n in $(seq 1 1100); do : > file-number-$n; done')
    found: dict[str, int] = {}
    more, pages = True, 0
    while more:
        page = await room.ask(ListArtifacts(job=room.job, after=max(found, default="")), FilePage)
        found.update(page.files)
        more, pages = page.more, pages + 1
    assert len(found) == 1100
    assert pages > 1


async def test_a_workspace_is_written_read_and_emptied(room: Room) -> None:
    await room.run("mkdir -p $CTL_WORKSPACE/kept; echo old > $CTL_WORKSPACE/tool")
    data = os.urandom(700_000)
    put = OpenUpload(
        purpose="workspace", job=room.job, path="deep/er/file", size=len(data), executable=True
    )
    line = await room.serve(put, Line().give(data))
    assert line.granted == len(data)
    page = await room.ask(ListWorkspace(job=room.job), FilePage)
    assert page.files == {"deep/er/file": len(data), "tool": 4}
    read = await room.serve(OpenWorkspace(job=room.job, path="deep/er/file", offset=9))
    assert bytes(read.taken) == data[9:]
    tool = b"#!/bin/sh\necho ran\n"
    put = OpenUpload(
        purpose="workspace", job=room.job, path="tool", size=len(tool), executable=True
    )
    await room.serve(put, Line().give(tool))
    ended = await room.run("$CTL_WORKSPACE/tool")
    assert await room.output(ended.id) == b"ran\n"
    for path in ("deep", "tool"):
        await room.ask(RemoveFile(job=room.job, path=path), Done)
    assert (await room.ask(ListWorkspace(job=room.job), FilePage)).files == {}
    with pytest.raises(MissingError):
        await room.ask(RemoveFile(job=room.job, path="deep"), Done)


async def test_an_upload_that_broke_off_goes_on_where_it_was(room: Room) -> None:
    await room.run("true")
    data = os.urandom(500_000)
    first = OpenUpload(purpose="workspace", job=room.job, path="f", size=len(data))
    line = Line().give(data[:200_000], end=False)
    line.came.put_nowait(ConnectionError("gone"))
    with pytest.raises(AgentError):
        await room.serve(first, line)
    rest = OpenUpload(
        purpose="workspace", job=room.job, path="f", offset=200_000, size=len(data) - 200_000
    )
    await room.serve(rest, Line().give(data[200_000:]))
    read = await room.serve(OpenWorkspace(job=room.job, path="f"))
    assert bytes(read.taken) == data


@pytest.mark.parametrize("path", [*AWAY, "", ".", "link", "folder-link/x", "pipe", "folder"])
async def test_nothing_is_written_outside_of_a_workspace(
    room: Room, path: str, tmp_path: Path
) -> None:
    (tmp_path / "victim").write_text("whole")
    (tmp_path / "outside").mkdir()
    await room.run(
        f"cd $CTL_WORKSPACE; ln -s {tmp_path}/victim link; ln -s {tmp_path}/outside folder-link; "
        "mkfifo pipe; mkdir folder"
    )
    put = OpenUpload(purpose="workspace", job=room.job, path=path, size=1)
    with pytest.raises(ExecutionError):
        await asyncio.wait_for(room.serve(put, Line().give(b"x")), 5)
    assert (tmp_path / "victim").read_text() == "whole"
    assert list((tmp_path / "outside").iterdir()) == []
    assert (room.folder / "state/jobs" / room.job / "workspace/folder").is_dir()
    if path in ("", "."):
        with pytest.raises(ExecutionError):
            await room.ask(RemoveFile(job=room.job, path=path), Done)


async def test_a_file_larger_than_announced_or_allowed_is_refused(room: Room) -> None:
    await room.run("true")
    for size, offset in ((1, 0), (3, 0), (1 << 31, 0), (1, 1 << 31)):
        put = OpenUpload(purpose="workspace", job=room.job, path="f", size=size, offset=offset)
        with pytest.raises(ExecutionError):
            await room.serve(put, Line(offset=offset).give(b"xx"))
    with pytest.raises(ExecutionError):
        await room.serve(
            OpenUpload(purpose="workspace", job="never", path="f", size=1), Line().give(b"x")
        )


# probes


async def test_a_probe_tells_exit_code_and_output(room: Room) -> None:
    text = b'printf "%s|%s" "$ODD" "$(pwd)"; echo err >&2; exit 4'
    probed = await room.ask(Probe(text=text, env={"ODD": ODD}, workdir="/usr"), Probed)
    said = f"{ODD}|/usr".encode("utf-8", "surrogateescape") + b"err\n"
    assert probed == Probed(exit_code=4, output=said)
    strict = await room.ask(Probe(text=b"false; echo no", shell=("sh", "-e")), Probed)  # noqa: S604 — a field of ours
    assert strict == Probed(exit_code=1)
    perl = await room.ask(Probe(text=b"#!/usr/bin/env perl\nprint 6 * 7"), Probed)
    assert perl.output == b"42"
    killed = await room.ask(Probe(text=b"kill -9 $$"), Probed)
    assert killed.exit_code == 137


async def test_a_probe_ends_at_its_time_with_all_it_started(room: Room) -> None:
    began = time.monotonic()
    text = b"echo begun; trap '' TERM; setsid sleep 34.5 & sleep 34.5 & sleep 34.5; sleep 34.5"
    probed = await room.ask(Probe(text=text, timeout=0.3), Probed)
    assert time.monotonic() - began < 5
    assert (probed.timed_out, probed.exit_code) == (True, 124)
    assert probed.output.startswith(b"begun\n")
    assert b"sleep\x0034.5" not in processes.arguments()


async def test_a_probe_leaves_nothing_behind_that_holds_its_output(room: Room) -> None:
    began = time.monotonic()
    probed = await room.ask(Probe(text=b"setsid sleep 35.5 & echo done; exit 3"), Probed)
    assert probed == Probed(exit_code=3, output=b"done\n")
    assert time.monotonic() - began < 4
    assert b"sleep\x0035.5" not in processes.arguments()


async def test_a_probe_that_nobody_waits_for_ends_too(room: Room) -> None:
    asking = asyncio.ensure_future(room.ask(Probe(text=b"sleep 36.5", timeout=0.5), Probed))
    await until(lambda: b"sleep\x0036.5" in processes.arguments())
    asking.cancel()
    await until(lambda: b"sleep\x0036.5" not in processes.arguments())


@pytest.mark.parametrize("limit", [0, 1, 1000, 300_000])
async def test_a_flood_of_a_probe_is_bounded(room: Room, limit: int) -> None:
    probed = await room.ask(Probe(text=b"seq 1 400000; exit 3", limit=limit), Probed)
    numbers = b"".join(b"%d\n" % n for n in range(1, 100_000))
    assert probed == Probed(exit_code=3, output=numbers[: max(1, limit)])


async def test_probes_run_beside_each_other_and_beside_what_fills_the_pool(closed: Room) -> None:
    await closed.open(workers=1)
    await closed.start("sleep 60")
    began = time.monotonic()
    probed = await asyncio.gather(
        *(closed.ask(Probe(text=f"sleep 0.5; echo {n}".encode()), Probed) for n in range(8))
    )
    assert [one.output for one in probed] == [b"%d\n" % n for n in range(8)]
    assert time.monotonic() - began < 4


async def test_a_probe_that_cannot_start_says_why(room: Room) -> None:
    for probe, words in (
        (Probe(text=b"true", user="no-such-user"), b"no-such-user"),
        (Probe(text=b"true", workdir="/no/such"), b"/no/such"),
        (Probe(text=b"true", shell=("no-such-shell",)), b"no-such-shell"),  # noqa: S604 — a field of ours
    ):
        probed = await room.ask(probe, Probed)
        assert probed.exit_code in (126, 127)
        assert words in probed.output
    with pytest.raises(RefusedError):
        await room.ask(Probe(text=b"true", env={"CTL_MARK": "x"}), Probed)


async def test_a_probe_enters_its_folder_as_its_user(room: Room) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may become somebody else")
    inner = room.folder / "closed" / "open"
    inner.mkdir(parents=True)
    inner.chmod(0o755)
    (room.folder / "closed").chmod(0o700)
    (inner / "x").write_text("secret")
    (inner / "x").chmod(0o644)
    probed = await room.ask(Probe(text=b"cat x", user="nobody", workdir=str(inner)), Probed)
    assert (probed.exit_code, b"secret" in probed.output) == (126, False)
    probed = await room.ask(Probe(text=b"id -u; id -G", user="nobody", workdir="/"), Probed)
    assert b"0" not in probed.output.split()
