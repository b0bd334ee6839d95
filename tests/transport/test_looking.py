"""Looking at delivered files and trees: what is said of them, and what is made of lies."""

import hashlib
import hmac
import os
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from controller.model.files import (
    DIFF_LIMIT,
    CheckoutSeen,
    CheckoutWork,
    DeliverySeen,
    FileKind,
    FileSeen,
    FileWork,
)
from controller.model.ids import Digest
from controller.model.work import Work
from controller.transport import looking
from controller.transport.looking import Wanted, look
from controller.transport.port import Probed, ProbeSpec
from tests.fakes.fleet import SimulatedFleet
from tests.fakes.jumping_clock import JumpingClock
from tests.transport.way import HERE, Way

AT = datetime(2026, 3, 1, tzinfo=UTC)
KEY = "ab" * 32
ROOT = os.geteuid() == 0


def keyed(key: str, value: str) -> str:
    return hmac.digest(bytes.fromhex(key), value.encode(), "sha256").hex()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wanted(*files: FileWork, checkout: CheckoutWork | None = None, key: str = KEY) -> Wanted:
    work = Work(task="t", digest=Digest("d" * 64), files=files, checkout=checkout)
    return Wanted(target="shop", work=work, key=key)


async def see(way: Way, one: Wanted) -> DeliverySeen:
    session = await way.open()
    return (await look(session, [one], keyed=keyed, at=AT))["shop"]


async def see_file(way: Way, file: FileWork, key: str = KEY) -> FileSeen:
    return (await see(way, wanted(file, key=key))).files[file.path]


async def test_a_file_is_told_with_everything_a_plan_compares(
    every_way: Way, tmp_path: Path
) -> None:
    place = tmp_path / "it's a $file"
    place.write_bytes(b"live\x00\xff\n")
    place.chmod(0o4640)
    os.utime(place, (1_700_000_000, 1_700_000_000))
    seen = await see(every_way, wanted(FileWork(path=str(place), content=b"wanted")))
    assert (seen.digest, seen.at, seen.checkout) == (Digest("d" * 64), AT, None)
    assert seen.files[str(place)] == FileSeen(
        path=str(place),
        kind=FileKind.FILE,
        digest=sha256(b"live\x00\xff\n"),
        mode="4640",
        owner=place.owner(),
        group=place.group(),
        size=7,
        modified=datetime.fromtimestamp(1_700_000_000, UTC),
        content=b"live\x00\xff\n",
    )


async def test_owner_and_group_come_as_they_are_declared(way: Way, tmp_path: Path) -> None:
    place = tmp_path / "x"
    place.write_text("1")
    seen = await see_file(way, FileWork(path=str(place), content=b"1", owner="1000", group="1000"))
    assert (seen.owner, seen.group) == (str(os.geteuid()), str(os.getegid()))


async def test_an_equal_file_is_not_read(way: Way, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("1")
    seen = await see_file(way, FileWork(path=str(tmp_path / "x"), content=b"1"))
    assert (seen.digest, seen.content) == (sha256(b"1"), None)


async def test_what_is_no_file_is_said_to_be_so(every_way: Way, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")
    names = ("folder", "link", "pipe", "missing", "none/of/it")
    files = [FileWork(path=str(tmp_path / name), content=b"") for name in names]
    seen = await see(every_way, wanted(*files))
    kinds = {Path(path).relative_to(tmp_path).as_posix(): f.kind for path, f in seen.files.items()}
    assert kinds == {
        "folder": FileKind.OTHER,
        "link": FileKind.OTHER,
        "pipe": FileKind.OTHER,
        "missing": FileKind.MISSING,
        "none/of/it": FileKind.MISSING,
    }


@pytest.mark.skipif(ROOT, reason="root may read everything")
async def test_what_may_not_be_read_is_not_taken_for_missing(way: Way, tmp_path: Path) -> None:
    for name in ("closed/deep", "x"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    (tmp_path / "x").chmod(0)
    (tmp_path / "closed").chmod(0)
    paths = [str(tmp_path / name) for name in ("closed/deep", "closed/no/such", "x")]
    seen = await see(way, wanted(*(FileWork(path=path, content=b"") for path in paths)))
    (tmp_path / "closed").chmod(0o700)
    assert {seen.files[path].kind for path in paths} == {FileKind.UNREADABLE}


async def test_a_file_with_secrets_is_told_by_keyed_digest_only(way: Way, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("pw=hunter2")
    file = FileWork(path=str(tmp_path / "x"), content=b"pw=?", secrets=("db",))
    seen = await see_file(way, file)
    assert seen.digest == keyed(KEY, sha256(b"pw=hunter2"))
    assert (seen.keyed, seen.content) == (True, None)
    unknown = await see_file(way, file, key="")
    assert (unknown.digest, unknown.keyed) == ("", True)


async def test_large_files_are_not_read_and_huge_ones_not_hashed(way: Way, tmp_path: Path) -> None:
    large, huge = tmp_path / "large", tmp_path / "huge"
    large.write_bytes(b"x" * (DIFF_LIMIT + 1))
    with huge.open("wb") as file:
        file.truncate(looking.HASHED + 1)
    works = [FileWork(path=str(each), content=b"") for each in (large, huge)]
    seen = (await see(way, wanted(*works))).files
    assert seen[str(large)].digest == sha256(b"x" * (DIFF_LIMIT + 1))
    assert seen[str(large)].content is None
    assert (seen[str(huge)].digest, seen[str(huge)].size) == ("", looking.HASHED + 1)


async def test_many_files_are_looked_at_in_batches(
    way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "BATCH", 3)
    for number in range(10):
        (tmp_path / f"f{number}").write_text(str(number))
    works = [FileWork(path=str(tmp_path / f"f{n}"), content=b"") for n in range(10)]
    seen = (await see(way, wanted(*works))).files
    assert [seen[work.path].content for work in works] == [str(n).encode() for n in range(10)]


async def test_a_checkout_says_which_commit_it_holds(every_way: Way, tmp_path: Path) -> None:
    for home, link in (("one/.app.ctl", "one/app"), ("many/app/releases", "many/app/current")):
        tree = tmp_path / home / "tree"
        tree.mkdir(parents=True)
        (tree / "REVISION").write_text("1" * 40 + "\n")
        os.utime(tree / "REVISION", (1_700_000_000, 1_700_000_000))
        (tmp_path / link).symlink_to(tree)
    for path, releases in ((tmp_path / "one/app", 1), (tmp_path / "many/app", 3)):
        seen = await see(
            every_way, wanted(checkout=CheckoutWork(path=str(path), releases=releases))
        )
        assert seen.checkout == CheckoutSeen(
            path=str(path),
            commit="1" * 40,  # type: ignore[arg-type]
            modified=datetime.fromtimestamp(1_700_000_000, UTC),
        )


async def test_a_tree_of_somebody_else_is_no_checkout_of_ours(way: Way, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/REVISION").write_text("1" * 40)
    (tmp_path / "link").symlink_to("other")
    for name in ("link", "other", "missing"):
        path = str(tmp_path / name)
        seen = await see(way, wanted(checkout=CheckoutWork(path=path)))
        assert seen.checkout == CheckoutSeen(path=path)


async def test_pairs_that_deliver_nothing_are_not_asked_about(way: Way) -> None:
    session = await way.open()
    assert await look(session, [wanted()], keyed=keyed, at=AT) == {}


async def answer(output: bytes, one: Wanted, code: int = 0) -> DeliverySeen:
    """Look at a server that says `output` to whatever it is asked."""
    fleet = SimulatedFleet(JumpingClock())

    def probe(_server: str, spec: ProbeSpec) -> Probed:
        return Probed(exit_code=code, output=output[: spec.limit])

    fleet.probes = probe
    session = await fleet.open(HERE)
    return (await look(session, [one], keyed=keyed, at=AT))["shop"]


TWO = wanted(
    FileWork(path="/a", content=b""),
    FileWork(path="/b", content=b"", secrets=("s",)),
    checkout=CheckoutWork(path="/srv/x"),
)


@pytest.mark.parametrize(
    "lie",
    [
        b"",
        b"0 f\n",
        b"7 -\n",
        b"-1 -\n",
        b"0 f " + b"0" * 64 + b" 644 0 0 " + b"9" * 400 + b" 0 root root\n",
        b"0 f " + b"Z" * 64 + b" 644 0 0 1 0 root root\n",
        b"0 t " + b"1" * 39 + b" 0\n",
        b"\xff\xfe\n\n\n\n",
        b"0 ?\x00\n",
    ],
)
async def test_nonsense_is_as_if_nothing_was_said(lie: bytes) -> None:
    seen = await answer(lie, TWO)
    assert (seen.files, seen.checkout) == ({}, None)


async def test_a_content_that_is_not_what_was_hashed_is_dropped() -> None:
    told = b"0 f " + b"0" * 64 + b" 644 0 0 5 0 root root\n"
    seen = await answer(told, wanted(FileWork(path="/a", content=b"")))
    assert seen.files["/a"].content is None


async def test_names_that_are_none_become_numbers() -> None:
    told = b"0 f " + b"0" * 64 + b" 44 7 8 5 0 <b>x UNKNOWN\n"
    seen = (await answer(told, wanted(FileWork(path="/a", content=b"")))).files["/a"]
    assert (seen.owner, seen.group, seen.mode) == ("7", "8", "0044")


@given(output=st.binary(max_size=300) | st.from_regex(looking.FILE).map(str.encode))
@settings(deadline=None)
async def test_whatever_is_said_nothing_breaks(output: bytes) -> None:
    seen = await answer(output, TWO)
    assert set(seen.files) <= {"/a", "/b"}


@pytest.mark.skipif(not ROOT, reason="only root becomes somebody else")
def test_what_another_user_may_not_read_is_not_taken_for_missing() -> None:
    """A login that is not root, on a folder that it may pass through but for some of it."""
    folder = Path(tempfile.mkdtemp())
    try:
        folder.chmod(0o755)
        for name in ("closed/deep", "x", "open"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("1")
        (folder / "x").chmod(0o600)
        (folder / "closed").chmod(0o700)
        names = ("closed/deep", "closed/no/such", "x", "open", "gone/too")
        lines = [
            looking._call("look_at_file", at, f"{folder}/{n}", 9) for at, n in enumerate(names)
        ]
        done = subprocess.run(
            ["setpriv", "--reuid", "65534", "--clear-groups", "sh"],
            input=looking._script() + b"".join(lines),
            capture_output=True,
            check=True,
        )
        said = [line.split()[1] for line in done.stdout.decode().splitlines()]
        assert said == ["?", "?", "?", "f", "-"]
    finally:
        shutil.rmtree(folder)
