"""The carrier port's promises about probes, artifacts and files, on every carrier."""

import asyncio
import hashlib
import os
import time
from pathlib import Path

import pytest

from controller.errors import NotFoundError, RefusedError
from controller.transport.port import Probed, ProbeSpec, Session
from tests.fakes import processes
from tests.transport.way import Way

pytestmark = pytest.mark.real
BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text()
ALL = bytes(range(256))


async def whole(session: Session, path: str, *, offset: int = 0) -> bytes:
    """Fetch a file."""
    return b"".join([piece async for piece in session.fetch(path, offset=offset)])


async def test_a_session_tells_what_the_server_is(every_way: Way) -> None:
    facts = (await every_way.open()).facts
    assert facts.boot_id == BOOT_ID.strip()
    assert facts.root is (os.geteuid() == 0)
    assert facts.base.endswith("/ctl")
    assert "sha256sum" in facts.tools


async def test_a_probe_tells_exit_code_and_output(every_way: Way) -> None:
    session = await every_way.open()
    probed = await session.probe(ProbeSpec(text=b"echo up; echo err >&2; exit 4"))
    assert probed == Probed(exit_code=4, output=b"up\nerr\n")


async def test_a_probe_has_environment_folder_and_shell(way: Way, tmp_path: Path) -> None:
    odd = 'it\'s "$HOME"\n`x`'
    spec = ProbeSpec(  # noqa: S604 - a field of ours
        text=b'printf "%s|%s" "$ODD" "$(pwd)"; false; echo not reached',
        env={"ODD": odd},
        workdir=str(tmp_path),
        shell=("sh", "-e"),
    )
    probed = await (await way.open()).probe(spec)
    assert probed == Probed(exit_code=1, output=f"{odd}|{tmp_path}".encode())


async def test_a_probe_ends_at_its_time(every_way: Way) -> None:
    session = await every_way.open()
    begun = time.monotonic()
    text = b"echo begun; trap '' TERM; sleep 33.5 & sleep 33.5; sleep 33.5"
    probed = await session.probe(ProbeSpec(text=text, timeout=0.4))
    assert time.monotonic() - begun < 8
    assert (probed.timed_out, probed.exit_code) == (True, 124)
    assert probed.output.startswith(b"begun\n")

    def left() -> bool:
        return b"sleep\x0033.5" in processes.arguments()

    await processes.until(lambda: not left(), seconds=5)


@pytest.mark.parametrize("limit", [1, 1000, 65536, 300_000])
async def test_the_output_of_a_probe_is_bounded(every_way: Way, limit: int) -> None:
    session = await every_way.open()
    probed = await session.probe(ProbeSpec(text=b"seq 1 400000; exit 3", limit=limit))
    numbers = b"".join(b"%d\n" % n for n in range(1, 100_000))
    assert probed == Probed(exit_code=3, output=numbers[:limit])


async def test_a_probe_leaves_nothing_behind(way: Way) -> None:
    if way.of_agent:
        pytest.skip("an agent has no folder for what comes in")
    session = await way.open()
    before = sorted((way.base / "incoming").iterdir())
    for limit in (10, 100_000):
        await session.probe(ProbeSpec(text=b"seq 1 90000", limit=limit))
    assert [one for one in (way.base / "incoming").iterdir() if one not in before] == []


async def test_probes_run_beside_each_other(way: Way) -> None:
    session = await way.open()
    specs = [ProbeSpec(text=f"sleep 0.5; echo {n}".encode()) for n in range(8)]
    begun = time.monotonic()
    probed = await asyncio.gather(*(session.probe(one) for one in specs))
    assert [one.output for one in probed] == [b"%d\n" % n for n in range(8)]
    assert time.monotonic() - begun < 3


async def test_artifacts_are_listed_with_their_sizes(every_way: Way) -> None:
    text = """
cd "$CTL_ARTIFACTS"
mkdir -p 'a folder/below' .hidden
printf 12345 > 'a folder/below/file with blank'
printf 1 > .hidden/x
: > empty
printf 123 > "new
line"
ln -s /etc/passwd link
ln -s /etc folder-link
mkfifo pipe
"""
    await every_way.run(text)
    session = await every_way.open()
    assert await session.artifacts(every_way.job) == {
        ".hidden/x": 1,
        "a folder/below/file with blank": 5,
        "empty": 0,
        "new\nline": 3,
    }


async def test_a_job_without_artifacts_has_none(way: Way) -> None:
    assert await (await way.open()).artifacts(way.job) == {}


@pytest.mark.sweep
async def test_at_most_a_thousand_artifacts_are_listed(way: Way) -> None:
    await way.run('cd "$CTL_ARTIFACTS"; for n in $(seq 1 1100); do : > f$n; done')
    assert len(await (await way.open()).artifacts(way.job)) == 1000


@pytest.mark.parametrize("offset", [0, 1, 65535, 65536, 1_000_000, 2_999_999, 3_000_000, 9_000_000])
async def test_a_file_is_fetched_from_any_offset(way: Way, tmp_path: Path, offset: int) -> None:
    data = (ALL * 11719)[:3_000_000]
    file = tmp_path / "a file with 'odd' $name"
    file.write_bytes(data)
    session = await way.open()
    assert await session.size(str(file)) == len(data)
    assert await whole(session, str(file), offset=offset) == data[offset:]


async def test_an_artifact_is_fetched_by_its_name(every_way: Way) -> None:
    made = 'mkdir "$CTL_ARTIFACTS/sub"; seq 1 300000 > "$CTL_ARTIFACTS/sub/the file"'
    await every_way.run(made)
    session = await every_way.open()
    name = f"artifacts:{every_way.job}/sub/the file"
    data = b"".join(b"%d\n" % n for n in range(1, 300_001))
    assert await session.size(name) == len(data)
    fetched = await whole(session, name)
    assert hashlib.sha256(fetched).digest() == hashlib.sha256(data).digest()


async def test_what_is_no_regular_file_is_not_fetched(way: Way, tmp_path: Path) -> None:
    session = await way.open()
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "none", tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        assert await session.size(str(path)) is None
        with pytest.raises(NotFoundError):
            await whole(session, str(path))


@pytest.mark.parametrize("rest", ["../../../etc/passwd", "/etc/passwd", "", "a/../../x", "./x"])
async def test_an_artifact_cannot_lie_elsewhere(way: Way, rest: str) -> None:
    session = await way.open()
    with pytest.raises(RefusedError):
        await whole(session, f"artifacts:{way.job}/{rest}")


async def test_an_artifact_that_is_a_link_out_of_its_folder_is_not_read(every_way: Way) -> None:
    text = 'cd "$CTL_ARTIFACTS"; ln -s /etc/passwd file; ln -s /etc folder'
    await every_way.run(text)
    session = await every_way.open()
    for name in ("file", "folder/passwd"):
        path = f"artifacts:{every_way.job}/{name}"
        try:
            fetched = await whole(session, path)
        except (NotFoundError, RefusedError):
            continue
        assert fetched == b""
