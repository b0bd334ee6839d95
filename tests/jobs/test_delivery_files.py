"""Files on a server: what is written, what is left alone, and that nothing is half done."""

import hashlib
import os
import re
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from controller.errors import DeclarationError
from controller.jobs.delivery import Parcel, content_of, digests_of, pack_files
from controller.model.files import LARGEST_FILE, SECRET_CLOSE, SECRET_OPEN, FileWork
from controller.model.ids import Digest
from controller.model.work import Work
from tests.jobs.shells import SHELLS, Shell, make_shell

AT = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="only root gives files to others")


def pack(*files: FileWork, at: datetime = AT, user: str | None = None, **values: str) -> Parcel:
    work = Work(task="t", digest=Digest("0" * 64), files=files)
    return pack_files(work, values, user=user, at=at)


def placeholder(name: str) -> bytes:
    return SECRET_OPEN + name.encode() + SECRET_CLOSE


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    return make_shell(str(request.param), tmp_path / "shell")


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    folder = tmp_path / "etc"
    folder.mkdir()
    return folder.resolve()


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def left_over(folder: Path) -> list[str]:
    return [each.name for each in folder.rglob(".ctl-*")]


def test_a_new_file_is_written_and_then_left_alone(shell: Shell, etc: Path) -> None:
    conf = etc / "app.conf"
    parcel = pack(FileWork(path=str(conf), content=b"port = 80\n", mode="0640"))
    assert shell.run(parcel).lines == [f"written {conf} (new)"]
    assert conf.read_bytes() == b"port = 80\n"
    assert mode_of(conf) == 0o640
    before = conf.stat()
    said = shell.run(parcel)
    assert (said.code, said.lines) == (0, [f"unchanged {conf}"])
    after = conf.stat()
    assert (before.st_ino, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_ino,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )
    assert left_over(etc) == []


def test_one_line_is_said_of_each_file_in_order(shell: Shell, etc: Path) -> None:
    (etc / "same").write_text("1")
    (etc / "same").chmod(0o644)
    (etc / "other").write_text("old")
    (etc / "mode").write_text("3")
    (etc / "mode").chmod(0o600)
    parcel = pack(
        *(
            FileWork(path=str(etc / name), content=content)
            for name, content in {"same": b"1", "other": b"2", "mode": b"3", "new": b""}.items()
        )
    )
    said = shell.run(parcel)
    assert said.lines == [
        f"unchanged {etc}/same",
        f"written {etc}/other",
        f"mode of {etc}/mode 0600 -> 0644",
        f"written {etc}/new (new)",
    ]
    assert mode_of(etc / "mode") == 0o644
    assert (etc / "mode").read_text() == "3"


@as_root
def test_owner_and_group_are_given_and_said(shell: Shell, etc: Path) -> None:
    conf = etc / "app.conf"
    conf.write_text("x")
    conf.chmod(0o644)
    said = shell.run(pack(FileWork(path=str(conf), content=b"x", owner="nobody", group="12345")))
    assert said.lines == [f"owner of {conf} root:root -> nobody:12345"]
    assert (conf.stat().st_uid, conf.stat().st_gid) == (65534, 12345)


@as_root
def test_what_has_no_owner_belongs_to_the_user_of_the_step(shell: Shell, etc: Path) -> None:
    conf = etc / "deep" / "er" / "app.conf"
    said = shell.run(pack(FileWork(path=str(conf), content=b"x"), user="nobody"))
    assert said.lines == [
        f"made the folder {etc}/deep",
        f"made the folder {etc}/deep/er",
        f"written {conf} (new)",
    ]
    for each in (conf, conf.parent, conf.parent.parent):
        assert (each.stat().st_uid, each.stat().st_gid) == (65534, 65534), each
    assert mode_of(conf.parent) == 0o755


def test_an_unknown_owner_changes_nothing(shell: Shell, etc: Path) -> None:
    parcel = pack(
        FileWork(path=str(etc / "new" / "a"), content=b"1"),
        FileWork(path=str(etc / "b"), content=b"2", owner="nobody-of-that-name"),
    )
    said = shell.run(parcel)
    assert said.code == 1
    assert f"cannot deliver {etc}/b: there is no user nobody-of-that-name" in said.lines
    assert list(etc.iterdir()) == []


def test_every_file_is_judged_at_its_staged_place_before_any_is_changed(
    shell: Shell, etc: Path
) -> None:
    (etc / "a.conf").write_text("old a")
    (etc / "b.conf").write_text("old b")
    seen = etc.parent / "seen"
    note = f"echo %s >>{seen}; grep -q good '%s' || {{ echo no good word; exit 3; }}"
    parcel = pack(
        FileWork(path=str(etc / "a.conf"), content=b"good a", validate=note),
        FileWork(path=str(etc / "b.conf"), content=b"bad b", validate=note),
        FileWork(path=str(etc / "c" / "c.conf"), content=b"c"),
    )
    said = shell.run(parcel)
    assert said.code == 1
    assert said.lines[-2:] == [
        "no good word",
        f"cannot deliver {etc}/b.conf: its validate command ended with code 3; nothing was changed",
    ]
    assert (etc / "a.conf").read_text() == "old a"
    assert (etc / "b.conf").read_text() == "old b"
    assert sorted(each.name for each in etc.iterdir()) == ["a.conf", "b.conf"]
    for line in seen.read_text().splitlines():
        assert re.fullmatch(rf"{etc}/\.ctl-new-[^/]+/[ab]\.conf", line)


def test_validate_stands_names_that_need_quotes(shell: Shell, etc: Path) -> None:
    odd = etc / "it's a 'file' $(x) \\ ; *"
    parcel = pack(FileWork(path=str(odd), content=b"content", validate="grep content %s"))
    said = shell.run(parcel)
    assert said.code == 0, said.output
    assert odd.read_bytes() == b"content"


def test_unchanged_files_are_not_judged(shell: Shell, etc: Path) -> None:
    (etc / "a").write_text("1")
    (etc / "a").chmod(0o644)
    said = shell.run(pack(FileWork(path=str(etc / "a"), content=b"1", validate="false")))
    assert said.lines == [f"unchanged {etc}/a"]


def test_validate_does_not_eat_what_comes_after(shell: Shell, etc: Path) -> None:
    parcel = pack(
        FileWork(path=str(etc / "a"), content=b"1" * 100, validate="cat; true %s"),
        FileWork(path=str(etc / "b"), content=b"2" * 100),
    )
    assert shell.run(parcel).code == 0
    assert (etc / "b").read_bytes() == b"2" * 100


def test_the_old_file_is_kept_at_most_five_times(shell: Shell, etc: Path) -> None:
    conf = etc / "app.conf"
    conf.write_text("0")
    conf.chmod(0o600)
    for hour in range(8):
        at = AT.replace(hour=hour)
        file = FileWork(path=str(conf), content=f"{hour + 1}".encode(), mode="0600", backup=True)
        assert shell.run(pack(file, at=at)).code == 0
    kept = sorted(etc.glob("app.conf.*.bak"))
    assert [each.name for each in kept] == [
        f"app.conf.20260301T{hour:02}0000Z.bak" for hour in range(3, 8)
    ]
    assert [each.read_text() for each in kept] == ["3", "4", "5", "6", "7"]
    assert {mode_of(each) for each in kept} == {0o600}


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("link", "it is a symbolic link"),
        ("dangling", "it is a symbolic link"),
        ("folder", "it is a folder"),
        ("pipe", "it is not a regular file"),
    ],
)
def test_only_files_are_replaced(shell: Shell, etc: Path, kind: str, why: str) -> None:
    place, other = etc / "app.conf", etc.parent / "other"
    other.write_text("untouched")
    match kind:
        case "link":
            place.symlink_to(other)
        case "dangling":
            place.symlink_to(etc / "nowhere")
        case "folder":
            place.mkdir()
        case _:
            os.mkfifo(place)
    said = shell.run(pack(FileWork(path=str(place), content=b"new")))
    assert (said.code, said.lines) == (1, [f"cannot deliver {place}: {why}"])
    assert other.read_text() == "untouched"
    assert [each.name for each in etc.iterdir()] == ["app.conf"]


@as_root
def test_root_does_not_follow_a_link_that_somebody_else_made_on_the_way(
    shell: Shell, etc: Path
) -> None:
    home, secret = etc / "home", etc / "secret"
    home.mkdir()
    secret.mkdir()
    os.chown(home, 65534, 65534)
    (home / "conf").symlink_to(secret)
    os.lchown(home / "conf", 65534, 65534)
    said = shell.run(pack(FileWork(path=str(home / "conf" / "x"), content=b"1")))
    assert said.code == 1
    assert "is a symbolic link that somebody else may change" in said.output
    assert list(secret.iterdir()) == []


def test_a_link_of_ones_own_on_the_way_is_followed(shell: Shell, etc: Path) -> None:
    (etc / "real").mkdir()
    (etc / "alias").symlink_to("real")
    assert shell.run(pack(FileWork(path=str(etc / "alias" / "x"), content=b"1"))).code == 0
    assert (etc / "real" / "x").read_bytes() == b"1"


def test_what_a_killed_delivery_left_behind_goes(shell: Shell, etc: Path) -> None:
    dead = etc / f".ctl-new-other-1-{2**22 + 1}"
    dead.mkdir(mode=0o700)
    (dead / "x").write_text("half")
    assert shell.run(pack(FileWork(path=str(etc / "x"), content=b"1"))).code == 0
    assert [each.name for each in etc.iterdir()] == ["x"]


def test_the_spool_is_emptied_before_anything_else_runs(shell: Shell, etc: Path) -> None:
    seen = etc.parent / "seen"
    check = f"cat {shell.folder}/stdin >{seen}; true %s"
    assert shell.run(pack(FileWork(path=str(etc / "x"), content=b"1", validate=check))).code == 0
    assert seen.read_bytes() == b""
    assert (shell.folder / "stdin").stat().st_size == 0


def test_input_that_is_cut_short_changes_nothing(shell: Shell, etc: Path) -> None:
    parcel = pack(
        FileWork(path=str(etc / "a"), content=b"1" * 5000),
        FileWork(path=str(etc / "b"), content=b"2" * 5000),
    )
    said = shell.run(Parcel(text=parcel.text, stdin=parcel.stdin[:7000]))
    assert said.code == 1
    assert said.lines == [f"cannot deliver {etc}/b: no room, or it did not arrive whole"]
    assert list(etc.iterdir()) == []


@pytest.mark.parametrize("tool", ["sha256sum", "chown"])
def test_a_missing_tool_is_named(shell: Shell, etc: Path, tool: str) -> None:
    shell.without(tool)
    said = shell.run(pack(FileWork(path=str(etc / "a"), content=b"1")))
    assert (said.code, said.lines) == (1, [f"cannot deliver anything: the server has no {tool}"])
    assert list(etc.iterdir()) == []


def test_without_stat_the_long_listing_is_read(shell: Shell, etc: Path) -> None:
    shell.without("stat", "sync", "getent")
    (etc / "a").write_text("1")
    (etc / "a").chmod(0o4751)
    file = FileWork(path=str(etc / "a"), content=b"1", mode="1640")
    assert shell.run(pack(file)).lines == [f"mode of {etc}/a 4751 -> 1640"]
    assert mode_of(etc / "a") == 0o1640


def test_a_stopped_delivery_leaves_nothing_half_done(shell: Shell, etc: Path) -> None:
    ready = etc.parent / "ready"
    os.mkfifo(ready)
    file = FileWork(path=str(etc / "a"), content=b"1", validate=f"echo >{ready}; sleep 1; true %s")
    process = shell.prepare(pack(file))
    ready.read_bytes()
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert list(etc.iterdir()) == []


NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=30
).filter(lambda name: name not in {".", ".."} and not name.startswith(".ctl-"))
BYTES = st.binary(max_size=300) | st.just(b"x" * 100_000)


@pytest.mark.parametrize("name", ["dash", "busybox"])
@given(files=st.dictionaries(NAMES, BYTES, min_size=1, max_size=4), data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_bytes_arrive_under_any_name(
    name: str,
    files: dict[str, bytes],
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("any").resolve()
    shell = make_shell(name, folder / "shell")
    inner = data.draw(NAMES)
    works = [FileWork(path=f"{folder}/to/{inner}/{each}", content=files[each]) for each in files]
    said = shell.run(pack(*works))
    assert said.code == 0, said.output
    assert {each: (folder / "to" / inner / each).read_bytes() for each in files} == files
    assert len(list((folder / "to" / inner).iterdir())) == len(files)
    again = shell.run(pack(*works))
    assert again.output == "".join(f"unchanged {work.path}\n" for work in works)


def test_secrets_of_a_file_are_put_in_once_and_only_its_own() -> None:
    content = placeholder("db") + b" " + placeholder("other") + placeholder("db")
    file = FileWork(path="/x", content=content, secrets=("db",))
    values = {"db": "pw" + placeholder("other").decode(), "other": "hidden"}
    value = values["db"].encode()
    assert content_of(file, values) == value + b" " + placeholder("other") + value


def test_a_file_without_secrets_is_delivered_byte_for_byte() -> None:
    content = b"\x00" + placeholder("db") + b"\xff"
    assert content_of(FileWork(path="/x", content=content), {"db": "pw"}) == content


def test_a_secret_never_stands_in_the_text() -> None:
    file = FileWork(path="/x", content=b"pw=" + placeholder("db"), secrets=("db",))
    parcel = pack(file, db="hunter2secret")
    assert b"hunter2secret" not in parcel.text
    assert parcel.stdin == b"pw=hunter2secret"
    assert "hunter2" not in repr(parcel)


def test_only_files_with_secrets_have_a_digest_to_be_kept() -> None:
    secret = FileWork(path="/x", content=placeholder("db"), secrets=("db",))
    work = Work(
        task="t",
        digest=Digest("0" * 64),
        files=(secret, FileWork(path="/y", content=b"plain")),
    )
    assert digests_of(work, {"db": "pw"}) == {"/x": hashlib.sha256(b"pw").hexdigest()}


def test_a_file_that_its_secrets_make_too_large_is_refused() -> None:
    file = FileWork(path="/x", content=placeholder("db") * 2, secrets=("db",))
    with pytest.raises(DeclarationError, match="cannot deliver /x: with its secrets"):
        pack(file, db="x" * LARGEST_FILE)


def test_a_path_with_nul_is_refused() -> None:
    with pytest.raises(DeclarationError, match="holds a NUL"):
        pack(FileWork(path="/x\0y", content=b""))
