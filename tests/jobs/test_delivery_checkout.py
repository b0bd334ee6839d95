"""Trees on a server: unpacked whole, switched at once, kept as many as wanted, and never over what is somebody else's."""

import io
import os
import random
import shutil
import signal
import stat
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from controller.errors import DeclarationError
from controller.jobs.delivery import Parcel, pack_checkout
from controller.model.files import CheckoutWork
from controller.model.ids import Digest, JobId, Sha
from controller.model.work import Work
from tests.jobs.shells import SHELLS, Said, Shell, make_shell

ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="only root gives trees to others")


def sha_of(number: int) -> Sha:
    return Sha(f"{number:040x}"[::-1])


def tar_of(commit: Sha, files: Mapping[str, bytes]) -> bytes:
    """Make a tar as the source room does."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in {"REVISION": f"{commit}\n".encode(), **files}.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755 if name.endswith(".sh") else 0o644
            tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "app/run.sh"
        tar.addfile(link)
    return made.getvalue()


def pack(
    path: Path,
    number: int,
    *,
    releases: int = 1,
    user: str | None = None,
    files: Mapping[str, bytes] | None = None,
) -> Parcel:
    commit = sha_of(number)
    tar = tar_of(commit, files or {"app/run.sh": b"echo %d\n" % number})
    work = Work(
        task="t",
        digest=Digest("0" * 64),
        checkout=CheckoutWork(path=str(path), releases=releases),
    )
    return pack_checkout(work, tar, commit=commit, job=JobId(f"job{number:09d}"), user=user)


def deliver(
    shell: Shell, path: Path, number: int, *, releases: int = 1, user: str | None = None
) -> Said:
    parcel = pack(path, number, releases=releases, user=user)
    return shell.run(parcel, job=f"job{number:09d}")


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    return make_shell(str(request.param), tmp_path / "shell")


@pytest.fixture
def srv(tmp_path: Path) -> Path:
    folder = tmp_path / "srv"
    folder.mkdir(mode=0o755)
    return folder.resolve()


def revision(tree: Path) -> str:
    return (tree / "REVISION").read_text().strip()


def tree_name(number: int) -> str:
    return f"{sha_of(number)[:12]}-job{number:09d}"


def test_the_path_is_a_link_to_the_whole_tree(shell: Shell, srv: Path) -> None:
    said = deliver(shell, srv / "app", 1)
    assert (said.code, said.lines) == (0, [f"checked out {sha_of(1)[:12]} to {srv}/app"])
    assert (srv / "app").readlink() == Path(f".app.ctl/{tree_name(1)}")
    assert revision(srv / "app") == sha_of(1)
    assert (srv / "app/app/run.sh").read_text() == "echo 1\n"
    assert stat.S_IMODE((srv / "app/app/run.sh").stat().st_mode) == 0o755
    assert stat.S_IMODE((srv / "app").stat().st_mode) == 0o755
    assert (srv / "app/link").readlink() == Path("app/run.sh")


def test_with_one_release_the_old_tree_goes(shell: Shell, srv: Path) -> None:
    deliver(shell, srv / "app", 1)
    said = deliver(shell, srv / "app", 2)
    assert said.lines == [
        f"checked out {sha_of(2)[:12]} to {srv}/app",
        f"removed the old release {tree_name(1)}",
    ]
    assert revision(srv / "app") == sha_of(2)
    assert sorted(each.name for each in (srv / ".app.ctl").iterdir()) == sorted(
        [".ctl", ".order", tree_name(2)]
    )
    assert sorted(each.name for each in srv.iterdir()) == [".app.ctl", "app"]


def test_as_many_releases_as_wanted_are_kept_and_current_is_a_link(shell: Shell, srv: Path) -> None:
    for number in (5, 4, 9, 1):
        assert deliver(shell, srv / "app", number, releases=3).code == 0
        assert revision(srv / "app/current") == sha_of(number)
    assert (srv / "app/current").readlink() == Path(f"releases/{tree_name(1)}")
    kept = sorted(each.name for each in (srv / "app/releases").iterdir() if each.name[0] != ".")
    assert kept == sorted(map(tree_name, (4, 9, 1)))
    assert sorted(each.name for each in (srv / "app").iterdir()) == ["current", "releases"]


def test_fewer_releases_than_before_remove_the_oldest(shell: Shell, srv: Path) -> None:
    for number in (1, 2, 3):
        deliver(shell, srv / "app", number, releases=5)
    deliver(shell, srv / "app", 4, releases=2)
    kept = {each.name for each in (srv / "app/releases").iterdir() if each.name[0] != "."}
    assert kept == {tree_name(3), tree_name(4)}


def test_folders_of_others_beside_the_trees_stay(shell: Shell, srv: Path) -> None:
    deliver(shell, srv / "app", 1, releases=2)
    (srv / "app/releases/mine").mkdir()
    (srv / "app/shared").mkdir()
    for number in (2, 3):
        deliver(shell, srv / "app", number, releases=2)
    assert (srv / "app/releases/mine").is_dir()
    assert (srv / "app/shared").is_dir()


def test_the_same_job_done_again_ends_as_before(shell: Shell, srv: Path) -> None:
    deliver(shell, srv / "app", 1)
    assert deliver(shell, srv / "app", 1).code == 0
    assert revision(srv / "app") == sha_of(1)


def test_missing_folders_on_the_way_are_made_and_said(shell: Shell, srv: Path) -> None:
    said = deliver(shell, srv / "deep/app", 1)
    assert said.lines[0] == f"made the folder {srv}/deep"
    assert revision(srv / "deep/app") == sha_of(1)


def test_an_empty_folder_gives_way(shell: Shell, srv: Path) -> None:
    (srv / "app").mkdir()
    assert deliver(shell, srv / "app", 1).code == 0
    assert revision(srv / "app") == sha_of(1)


@pytest.mark.parametrize("releases", [1, 3])
@pytest.mark.parametrize("name", ["data", ".hidden"])
def test_a_folder_with_other_things_is_refused_with_a_remedy(
    shell: Shell, srv: Path, releases: int, name: str
) -> None:
    (srv / "app").mkdir()
    (srv / "app" / name).write_text("dear")
    said = deliver(shell, srv / "app", 1, releases=releases)
    assert said.code == 1
    remedy = f"move it away (mv {srv}/app {srv}/app.old) and apply again"
    why = f"it is a folder that holds other things; {remedy}"
    assert said.lines == [f"cannot deliver {srv}/app: {why}"]
    assert (srv / "app" / name).read_text() == "dear"
    assert [each.name for each in srv.iterdir()] == ["app"]


def test_a_link_that_leads_elsewhere_is_refused(shell: Shell, srv: Path) -> None:
    (srv / "other").mkdir()
    (srv / "app").symlink_to("other")
    said = deliver(shell, srv / "app", 1)
    assert said.code == 1
    assert "it is a symbolic link that leads elsewhere" in said.output
    assert (srv / "app").readlink() == Path("other")


def test_a_link_of_ours_whose_tree_is_gone_is_replaced(shell: Shell, srv: Path) -> None:
    deliver(shell, srv / "app", 1)
    shutil.rmtree(srv / ".app.ctl" / tree_name(1))
    assert deliver(shell, srv / "app", 2).code == 0
    assert revision(srv / "app") == sha_of(2)


def test_the_link_of_one_release_is_not_turned_into_a_folder(shell: Shell, srv: Path) -> None:
    deliver(shell, srv / "app", 1)
    said = deliver(shell, srv / "app", 2, releases=3)
    assert said.code == 1
    assert f"remove the link (rm {srv}/app) and apply again" in said.output
    assert revision(srv / "app") == sha_of(1)


def test_a_tree_that_did_not_arrive_whole_changes_nothing(shell: Shell, srv: Path) -> None:
    deliver(shell, srv / "app", 1)
    parcel = pack(srv / "app", 2, files={"big": b"x" * 100_000})
    said = shell.run(Parcel(text=parcel.text, stdin=parcel.stdin[:50_000]))
    assert said.code == 1
    assert "cannot be unpacked" in said.output
    assert revision(srv / "app") == sha_of(1)
    assert sorted(each.name for each in (srv / ".app.ctl").iterdir()) == sorted(
        [".ctl", ".order", tree_name(1)]
    )


def test_a_missing_tool_is_named(shell: Shell, srv: Path) -> None:
    shell.without("tar")
    said = deliver(shell, srv / "app", 1)
    assert said.lines == ["cannot deliver anything: the server has no tar"]


@as_root
def test_the_tree_belongs_to_the_user_and_its_folder_to_who_delivers(
    shell: Shell, srv: Path
) -> None:
    assert deliver(shell, srv / "app", 1, user="nobody").code == 0
    owners = {each.lstat().st_uid for each in (srv / "app").resolve().rglob("*")}
    assert owners == {65534}
    assert (srv / "app").resolve().stat().st_uid == 65534
    assert (srv / ".app.ctl").stat().st_uid == 0


@as_root
def test_a_folder_of_trees_that_somebody_else_made_is_not_used(shell: Shell, srv: Path) -> None:
    (srv / ".app.ctl").mkdir()
    os.chown(srv / ".app.ctl", 65534, 65534)
    said = deliver(shell, srv / "app", 1)
    assert said.code == 1
    assert "belongs to somebody else" in said.output


def test_a_task_without_a_checkout_has_nothing_to_pack() -> None:
    work = Work(task="t", digest=Digest("0" * 64))
    with pytest.raises(DeclarationError, match="task t has no checkout"):
        pack_checkout(work, b"", commit=sha_of(1), job=JobId("j"), user=None)


@pytest.mark.parametrize("releases", [1, 2])
@pytest.mark.parametrize("name", ["dash", "busybox"])
def test_killed_at_any_moment_the_old_or_the_new_tree_is_there_whole(
    name: str, releases: int, tmp_path: Path
) -> None:
    shell, srv = make_shell(name, tmp_path / "shell"), (tmp_path / "srv").resolve()
    srv.mkdir()
    files = {f"f{number}": b"x" * 200 for number in range(50)}
    link = srv / "app" if releases == 1 else srv / "app/current"
    began = time.monotonic()
    deliver(shell, srv / "app", 1, releases=releases)
    whole = time.monotonic() - began
    chance = random.Random(releases)  # noqa: S311 - the same moments each time
    current, seen = sha_of(1), set[bool]()
    for number in range(2, 26):
        parcel = pack(srv / "app", number, releases=releases, files=files)
        process = shell.prepare(parcel, job=f"job{number:09d}")
        time.sleep(chance.uniform(0, whole * 1.2))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)
        found = revision(link)
        assert found in {current, sha_of(number)}
        if found == sha_of(number):
            assert len(list(link.glob("f*"))) == len(files)
        seen.add(found == sha_of(number))
        current = Sha(found)
    assert deliver(shell, srv / "app", 99, releases=releases).code == 0
    home = srv / ".app.ctl" if releases == 1 else srv / "app/releases"
    kept = sorted(each.name for each in home.iterdir() if each.name not in {".ctl", ".order"})
    assert len(kept) <= releases
    assert seen == {True, False}
