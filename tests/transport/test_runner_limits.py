"""The runner where a server has little: few tools, a full disk, no root, a supervisor that was killed."""

import asyncio
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from controller.errors import NotFoundError, TransportError, Unreachable
from controller.model.task import Limits
from controller.transport.local import LocalDialer
from controller.transport.port import Ending, Offer, Phase
from tests.fakes import processes
from tests.transport.way import HERE, Way, output_of

NEEDED = ("sh", "mkdir", "mv", "rm", "cat", "dd", "tr", "grep", "kill", "sleep")
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can arrange this")


@pytest.fixture
def way(runner_way: Way) -> Way:
    """Only ways with a runner: agents keep things elsewhere."""
    return runner_way


@pytest.fixture
def every_way(every_runner_way: Way) -> Way:
    """Only ways with a runner: agents keep things elsewhere."""
    return every_runner_way


def tools(folder: Path, *names: str) -> Path:
    """Make a folder of these programs."""
    folder.mkdir()
    for name in names:
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return folder


def way_of(home: Path, *, path: str, shell: str, base: Path) -> Way:
    """Reach this machine through a shell of its own kind."""
    return Way(
        server=HERE,
        base=base,
        dial=lambda: LocalDialer(environment={"PATH": path, "HOME": str(home)}, shell=shell),
        cut=lambda: None,
    )


def wrapper(file: Path, command: str) -> str:
    """Write a program that becomes the runner's shell in its own way."""
    file.write_text(f"#!/bin/sh\n{command}\n")
    file.chmod(0o755)
    return str(file)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="tillerman-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


async def promises(way: Way) -> None:
    """Hold what every server must give: exit code, output, input, once, stop, time-out, artifacts."""
    session = await way.open()
    spec = way.spec(
        'cat; echo "$WORD" >&2; echo a=1 > "$CTL_OUTPUT"; exit 3',
        stdin=b"in\n",
        env={"WORD": "out"},
    )
    assert (await session.start(spec)).fresh
    ended = await session.wait(spec.id)
    assert (ended.ending, ended.exit_code, ended.outputs) == (Ending.EXIT, 3, b"a=1\n")
    assert await output_of(session, spec.id) == b"in\nout\n"
    assert not (await session.start(spec)).fresh
    large = way.spec("i=0; while [ $i -lt 3000 ]; do echo 01234567890123456789; i=$((i + 1)); done")
    await session.start(large)
    assert (await session.wait(large.id)).length == 63_000
    assert await output_of(session, large.id) == b"01234567890123456789\n" * 3000
    stopped, late = way.spec("sleep 60 & sleep 60"), way.spec("sleep 60", timeout=0.3, grace=0.2)
    await session.start(stopped)
    await session.start(late)
    assert (await session.stop(stopped.id, grace=0.3)).ending is Ending.STOP
    assert (await session.wait(late.id)).ending is Ending.TIMEOUT
    assert way.running() == []
    await session.discard((spec.id,), job=way.job)
    assert (await session.status(spec.id)).exit_code == 3


@pytest.mark.parametrize("shell", ["dash", "bash"])
@pytest.mark.parametrize("more", [(), ("setsid",), ("setsid", "sha256sum", "sync", "wc")])
@root_only
async def test_a_server_with_the_needed_tools_alone_keeps_every_promise(
    open_folder: Path, shell: str, more: tuple[str, ...]
) -> None:
    """Not as root, so without cgroup too."""
    async with AsyncExitStack() as stack:
        way = unprivileged(open_folder, tools(open_folder / "bin", *NEEDED, *more), shell)
        stack.push_async_callback(way.close)
        await promises(way)
        assert (await way.open()).facts.tools == set(more) - {"wc"}


def unprivileged(folder: Path, path: Path, shell: str) -> Way:
    """Reach this machine as nobody."""
    home = folder / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    drop = "exec setpriv --reuid 65534 --regid 65534 --clear-groups"
    found = shutil.which(shell)
    program = wrapper(folder / "start", f"PATH={os.defpath}\n{drop} env PATH={path} {found}")
    return way_of(home, path=str(path), shell=program, base=home / ".local/state/ctl")


@root_only
async def test_a_login_without_root_keeps_every_promise_in_its_home(open_folder: Path) -> None:
    path = Path("/usr/bin")
    async with AsyncExitStack() as stack:
        way = unprivileged(open_folder, path, "sh")
        stack.push_async_callback(way.close)
        await promises(way)
        facts = (await way.open()).facts
        assert (facts.root, facts.login, facts.base) == (False, "nobody", str(way.base))
        assert way.base.stat().st_uid == 65534
        assert way.base.stat().st_mode & 0o077 == 0


@pytest.mark.sweep
@pytest.mark.parametrize("shell", ["dash", "bash"])
@root_only
async def test_without_a_cgroup_signals_hold_every_process_of_an_attempt(
    open_folder: Path, shell: str
) -> None:
    async with AsyncExitStack() as stack:
        way = unprivileged(open_folder, tools(open_folder / "bin", *NEEDED, "setsid"), shell)
        stack.push_async_callback(way.close)
        session = await way.open()
        spec = way.spec("sleep 60 & setsid sleep 60 & sleep 60", timeout=1.5, grace=0.2)
        await session.start(spec)
        await processes.until(lambda: len(way.running()) >= 4)
        held = await session.pause(spec.id)
        assert (held.paused, held.means) == (True, "signals")
        assert {processes.fields_of(pid)[0] for pid in way.running()} == {"T"}
        await asyncio.sleep(2)
        assert not (await session.resume(spec.id)).paused
        assert "T" not in {processes.fields_of(pid)[0] for pid in way.running()}
        assert (await session.wait(spec.id)).ending is Ending.TIMEOUT
        assert way.running() == []


@root_only
async def test_limits_without_root_are_refused_and_nothing_runs(
    open_folder: Path, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        way = unprivileged(open_folder, Path("/usr/bin"), "sh")
        stack.push_async_callback(way.close)
        assert Offer.LIMITS not in (await way.open()).facts.offers
        ran = open_folder / "home" / "ran"
        ended, output = await way.run(f"touch {ran}", limits=Limits(pids=9, cpu=0.5))
        assert (ended.ending, output) == (Ending.START, b"")
        assert ended.message.startswith("cannot limit cpu pids: it needs root")
        assert not ran.exists()


@root_only
async def test_root_without_setpriv_becomes_the_user_by_su(open_folder: Path) -> None:
    names = (*NEEDED, "setsid", "su", "chmod", "chown", "id", "getent", "rmdir", "touch")
    path = tools(open_folder / "bin", *names)
    shell = str(path / "sh")
    way = way_of(open_folder, path=str(path), shell=shell, base=Path("/var/lib/ctl"))
    try:
        text = 'id -un; echo "$HOME|$WORD"; cat; echo x=1 > "$CTL_OUTPUT"; exit 7'
        odd = 'it\'s "$HOME" \\ \n`x`'
        ended, output = await way.run(
            text, user="nobody", workdir="/", env={"WORD": odd}, stdin=b"in\0out"
        )
        assert (ended.exit_code, ended.outputs) == (7, b"x=1\n")
        assert output.startswith(b"nobody\n/nonexistent|" + odd.encode() + b"\nin\0out")
        session = await way.open()
        spec = way.spec("sleep 60 & sleep 60", user="nobody", workdir="/")
        await session.start(spec)
        await processes.until(lambda: len(way.running()) >= 3)
        assert (await session.stop(spec.id, grace=0.3)).ending is Ending.STOP
        assert way.running() == []
    finally:
        await way.close()


@root_only
async def test_a_setpriv_that_knows_no_users_is_not_asked(open_folder: Path) -> None:
    path = tools(open_folder / "bin", *NEEDED, "setpriv", "chmod", "chown", "id", "getent")
    (path / "setpriv").unlink()
    wrapper(path / "setpriv", "exit 1")
    way = way_of(open_folder, path=str(path), shell=str(path / "sh"), base=Path("/var/lib/ctl"))
    try:
        ended, output = await way.run("id -u", user="nobody", workdir="/")
        assert (ended.ending, output) == (Ending.START, b"")
        assert "neither setpriv nor su" in ended.message
        (path / "su").symlink_to(shutil.which("su") or "")
        ended, output = await way.run("id -u", user="nobody", workdir="/")
        assert (ended.exit_code, output) == (0, b"65534\n")
    finally:
        await way.close()


@pytest.fixture
def sudo_rights() -> Iterator[None]:
    """The user nobody may use sudo without a password."""
    rights = Path("/etc/sudoers.d/tillerman-test")
    if os.geteuid() != 0 or not rights.parent.is_dir():
        pytest.skip("no sudo here, or no right to set it up")
    rights.write_text("nobody ALL=(root) NOPASSWD: ALL\n")
    rights.chmod(0o440)
    yield
    rights.unlink()


@root_only
@pytest.mark.usefixtures("sudo_rights")
async def test_a_login_that_may_use_sudo_becomes_root(open_folder: Path) -> None:
    drop = "exec setpriv --reuid 65534 --regid 65534 --clear-groups"
    program = wrapper(open_folder / "start", f"{drop} sudo -n /bin/sh")
    way = way_of(open_folder, path=os.defpath, shell=program, base=Path("/var/lib/ctl"))
    try:
        await promises(way)
        facts = (await way.open()).facts
        assert (facts.root, facts.login, facts.base) == (True, "root", "/var/lib/ctl")
    finally:
        await way.close()


@root_only
async def test_a_sudo_that_wants_a_password_is_told(open_folder: Path) -> None:
    if shutil.which("sudo") is None:
        pytest.skip("no sudo here")
    drop = "exec setpriv --reuid 2 --regid 2 --clear-groups"
    program = wrapper(open_folder / "start", f"{drop} sudo -n /bin/sh")
    way = way_of(open_folder, path=os.defpath, shell=program, base=Path("/var/lib/ctl"))
    with pytest.raises(TransportError) as caught:
        await way.open()
    assert caught.value.cause is Unreachable.SUDO


async def test_a_script_may_trap_the_signals_of_a_keyboard(every_way: Way) -> None:
    text = "trap 'echo INT' INT; trap 'echo QUIT' QUIT; kill -INT $$; kill -QUIT $$; exit 5"
    ended, output = await every_way.run(text)
    assert (ended.exit_code, output) == (5, b"INT\nQUIT\n")


async def test_a_command_that_dies_of_an_interrupt_takes_nobody_along(every_way: Way) -> None:
    ended, _ = await every_way.run("kill -INT $$; exit 5")
    assert (ended.ending, ended.exit_code) == (Ending.EXIT, 130)
    ended, _ = await every_way.run("trap '' TERM; kill -TERM 0; exit 6")
    assert (ended.ending, ended.exit_code) == (Ending.EXIT, 6)


async def test_a_stop_reaches_work_whose_supervisor_was_killed(every_way: Way) -> None:
    session = await every_way.open()
    spec = every_way.spec("sleep 60 & sleep 60")
    await session.start(spec)
    await processes.until(lambda: len(every_way.running()) >= 3)
    folder = every_way.folder(spec.id)
    command = int((folder / "pg").read_text())
    lead = int(processes.fields_of(command)[1])
    pump = int((folder / "pid").read_text().split()[0])
    for pid in (lead, pump):
        processes.send(pid, signal.SIGKILL)
    fresh = await every_way.open()
    assert (await fresh.status(spec.id)).phase is Phase.INTERRUPTED
    assert every_way.running()
    assert (await fresh.stop(spec.id, grace=0.3)).phase is Phase.INTERRUPTED
    assert every_way.running() == []


async def test_a_stop_of_another_boots_attempt_harms_nobody(way: Way) -> None:
    session = await way.open()
    spec = way.spec("exit 0")
    await session.start(spec)
    await session.wait(spec.id)
    innocent = await asyncio.create_subprocess_exec("sleep", "30", start_new_session=True)
    folder = way.folder(spec.id)
    for name in ("exit", "code"):
        (folder / name).unlink()
    claim = (folder / "claim").read_text()
    (folder / "claim").write_text("another-boot\n" + claim.partition("\n")[2])
    (folder / "pg").write_text(f"{innocent.pid}\n")
    assert (await session.stop(spec.id, grace=0.2)).phase is Phase.INTERRUPTED
    assert processes.alive(innocent.pid)
    innocent.kill()
    await innocent.wait()


@pytest.fixture
def small_disk(open_folder: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = open_folder / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(disk)],
        check=False,
        capture_output=True,
    )
    if done.returncode:
        pytest.skip("no mounts here")
    os.chown(disk, 65534, 65534)
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def way_on(disk: Path, folder: Path, shell: str) -> Way:
    """Reach this machine with its state on a small disk."""
    found = "busybox ash" if shell == "busybox" else shell
    drop = "exec setpriv --reuid 65534 --regid 65534 --clear-groups"
    program = wrapper(folder / "start", f"{drop} {found}")
    return way_of(disk, path=os.environ["PATH"], shell=program, base=disk / ".local/state/ctl")


def fill(file: Path) -> None:
    """Take all the room that a disk has."""
    subprocess.run(
        ["dd", "if=/dev/zero", f"of={file}", "bs=4096"], check=False, capture_output=True
    )


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
async def test_a_full_disk_loses_output_and_no_exit_code(
    small_disk: Path, open_folder: Path, shell: str
) -> None:
    way = way_on(small_disk, open_folder, shell)
    try:
        async with asyncio.timeout(20):
            ended, output = await way.run("seq 1 1000000; exit 7")
            assert (ended.ending, ended.exit_code) == (Ending.EXIT, 7)
            assert "output lost" in ended.message
            assert len(output) == ended.length > 1_000_000
    finally:
        await way.close()


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
async def test_a_full_disk_refuses_a_start_and_takes_it_when_there_is_room(
    small_disk: Path, open_folder: Path, shell: str
) -> None:
    way = way_on(small_disk, open_folder, shell)
    try:
        session = await way.open()
        filling = small_disk / "filling"
        fill(filling)
        spec = way.spec("exit 4")
        async with asyncio.timeout(20):
            with pytest.raises(TransportError) as caught:
                await session.start(spec)
            assert caught.value.cause is Unreachable.STATE
            assert (await session.status(spec.id)).phase is Phase.NONE
            filling.unlink()
            assert (await session.start(spec)).fresh
            assert (await session.wait(spec.id)).exit_code == 4
    finally:
        await way.close()


async def test_a_disk_that_fills_up_while_work_runs_keeps_how_it_ends(
    small_disk: Path, open_folder: Path
) -> None:
    way = way_on(small_disk, open_folder, "sh")
    try:
        session = await way.open()
        specs = [way.spec("echo begun; sleep 1.5; exit 4"), way.spec("sleep 60")]
        for spec in specs:
            await session.start(spec)
        await processes.until(lambda: len(way.running()) >= 4)
        fill(small_disk / "filling")
        async with asyncio.timeout(20):
            assert (await session.wait(specs[0].id)).exit_code == 4
            stopped = await session.stop(specs[1].id, grace=0.3)
            assert stopped.ending is Ending.STOP
    finally:
        await way.close()


async def test_a_file_that_is_cut_while_it_is_read_fails_at_once(way: Way, tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"x" * 3_000_000)
    session = await way.open()
    reading = session.fetch(str(file))
    assert len(await anext(reading)) == 1 << 20
    file.write_bytes(b"x" * 100)
    async with asyncio.timeout(5):
        with pytest.raises(NotFoundError, match="cut"):
            await anext(reading)
    assert await session.size(str(file)) == 100


async def test_a_file_that_shrinks_again_and_again_never_stalls_the_line(
    every_way: Way, tmp_path: Path
) -> None:
    file = tmp_path / "log"
    text = f"while :; do head -c 900000 /dev/zero > {shlex.quote(str(file))}; : > {shlex.quote(str(file))}; done"
    session = await every_way.open()
    spec = every_way.spec(text)
    await session.start(spec)
    await processes.until(file.exists)
    seen = set()
    async with asyncio.timeout(30):
        for _ in range(60):
            try:
                pieces = [piece async for piece in session.fetch(str(file))]
                seen.add("whole")
                assert set(b"".join(pieces)) <= {0}
            except NotFoundError:
                seen.add("cut")
        await session.stop(spec.id, grace=0.2)
        assert (await session.status(spec.id)).ending is Ending.STOP


@root_only
async def test_links_put_in_the_way_never_show_what_lies_outside(
    every_way: Way, open_folder: Path
) -> None:
    """The step's user swaps file and folder for links all the time while root reads."""
    secret = open_folder / "hidden"
    secret.mkdir(mode=0o700)
    (secret / "canary-name").write_bytes(b"canary-content")
    text = f"""
cd "$CTL_ARTIFACTS"
mkdir folder.real; echo fine > folder.real/canary-name; echo fine > file.real
ln -s {secret} folder.link; ln -s {secret}/canary-name file.link; ln -s {secret} odd
while :; do
  mv -T folder.real folder; mv -T file.real file
  mv -T folder folder.real; mv -T file file.real
  mv -T folder.link folder; mv -T file.link file
  mv -T folder folder.link; mv -T file file.link
done 2>/dev/null
"""
    session = await every_way.open()
    spec = every_way.spec(text, user="nobody", workdir="/")
    await session.start(spec)
    await asyncio.sleep(0.2)
    for _ in range(25):
        for name in ("folder/canary-name", "file", "odd/canary-name"):
            try:
                async for piece in session.fetch(f"artifacts:{every_way.job}/{name}"):
                    assert piece == b"fine\n"
            except NotFoundError:
                continue
        listed = await session.artifacts(every_way.job)
        assert set(listed.values()) <= {5, len("canary-content")}
        assert not any(name.startswith("odd") for name in listed)
        assert await session.size(f"artifacts:{every_way.job}/odd/canary-name") is None
    await session.stop(spec.id, grace=0.2)


async def test_short_output_of_any_bytes_rides_along_with_the_end(every_way: Way) -> None:
    # Gathered in a file: hundreds of writes of one byte would fill a segment, and then nothing rides along.
    loop = 'i=1; while [ $i -lt 256 ]; do printf "\\\\$(printf %03o $i)"; i=$((i + 1)); done'
    every = f'{{ {loop}; }} > "$CTL_ARTIFACTS/every"; cat "$CTL_ARTIFACTS/every"'
    session = await every_way.open()
    for tail in ("", "echo; echo", "printf ' \\\\ '"):
        spec = every_way.spec(f"{every}; {tail}")
        await session.start(spec)
        ended = await session.wait(spec.id)
        output = await output_of(session, spec.id)
        assert output.startswith(bytes(range(1, 256)))
        assert len(output) == ended.length
        known = session._shared._ended[spec.id]  # type: ignore[attr-defined]
        assert known.output == output


@root_only
async def test_the_groups_of_ended_attempts_are_swept(way: Way) -> None:
    """At the end of the session that started them, at the latest; any other that opens may do it before."""
    session = await way.open()
    if "cgroup" not in session.facts.tools:
        pytest.skip("no cgroup v2 here")
    for _ in range(2):
        spec = way.spec('grep -q "ctl/$CTL_JOB" /proc/self/cgroup')
        await session.start(spec)
        assert (await session.wait(spec.id)).exit_code == 0
    await way.dialers[0].close()
    await processes.until(lambda: not groups_of(way))


def groups_of(way: Way) -> list[Path]:
    """The cgroups of a test's attempts."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    folders = [Path(mount[1], "ctl") for mount in mounts if mount[2] == "cgroup2"]
    return [group for folder in folders for group in folder.glob(f"{way.job}.*")]
