"""Scripts of a server: what is offered, what is refused and why, and that what runs is what was hashed."""

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from controller.agent.errors import FolderError, ScriptError
from controller.agent.headers import read_headers
from controller.agent.scripts import MOST, PAGE, PAGE_READ, SHOWN, Scripts
from controller.declaration import headers as declared
from controller.execution.executor import Executor
from controller.execution.spec import MAX_TEXT, Spec
from controller.wire.codec import pack
from controller.wire.limits import LIMITS

TEXT = b"#!/bin/sh\n#::CTL::title=Say hello\n#::CTL::result-type=metric\necho hello\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "scripts"
    made.mkdir(mode=0o755)
    return made


def put(folder: Path, name: str, text: bytes = TEXT, mode: int = 0o755) -> Path:
    path = folder / name
    path.write_bytes(text)
    path.chmod(mode)
    return path


def offered(folder: Path) -> dict[str, str]:
    """Every name with its problem."""
    return {one.name: one.problem for one in Scripts(str(folder)).page().scripts}


def test_a_script_is_listed_and_inspected_with_headers_digest_and_text(folder: Path) -> None:
    put(folder, "hello.sh")
    (one,) = Scripts(str(folder)).page().scripts
    assert (one.name, one.title, one.result, one.problem) == ("hello", "Say hello", "metric", "")
    assert (one.sha256, one.size) == (hashlib.sha256(TEXT).hexdigest(), len(TEXT))
    shown = Scripts(str(folder)).inspect("hello")
    assert (shown.script, shown.text) == (one, TEXT)
    assert shown.headers == {"title": "Say hello", "result-type": "metric"}


def test_a_name_with_and_without_its_suffix_is_the_same_script_unless_both_exist(
    folder: Path,
) -> None:
    put(folder, "one.sh")
    put(folder, "two", b"#!/bin/sh\n: short\n")
    put(folder, "two.sh", b"#!/bin/sh\n: long\n")
    scripts = Scripts(str(folder))
    assert list(offered(folder)) == ["one", "two", "two.sh"]
    assert scripts.read("one") == scripts.read("one.sh")
    assert b"short" in scripts.read("two").text
    assert b"long" in scripts.read("two.sh").text
    for one in scripts.page().scripts:
        assert scripts.read(one.name).script == one


@pytest.mark.parametrize(
    "name",
    ["../evil", "/etc/passwd", "a/b", ".", "..", "", ".hidden", "-rf", "x" * 300, "a\0b", "a ",
     "a\n", "café", "nothing"],
)  # fmt: skip
def test_a_name_never_leaves_the_folder(folder: Path, name: str) -> None:
    put(folder.parent, "evil.sh")
    put(folder.parent, "evil")
    put(folder, ".hidden")
    with pytest.raises(ScriptError, match=r"no name of a script|no such script"):
        Scripts(str(folder)).read(name)


def a_link(folder: Path) -> None:
    (folder / "bad").symlink_to("/bin/true")


def a_second_name(folder: Path) -> None:
    os.link(put(folder.parent, "elsewhere"), folder / "bad")


REFUSED: dict[str, tuple[str, Callable[[Path], object]]] = {
    "link": ("symbolic link", a_link),
    "hard-link": ("1 other names", a_second_name),
    "folder": ("is a folder", lambda at: (at / "bad").mkdir()),
    "pipe": ("no regular file", lambda at: os.mkfifo(at / "bad", 0o755)),
    "group-writable": ("mode 0775", lambda at: put(at, "bad", mode=0o775)),
    "writable": ("mode 0757", lambda at: put(at, "bad", mode=0o757)),
    "set-uid": ("set-uid", lambda at: put(at, "bad", mode=0o4755)),
    "plain": ("not executable", lambda at: put(at, "bad", mode=0o644)),
    "empty": ("has 0 bytes", lambda at: put(at, "bad", b"")),
    "large": (f"not 1 to {MAX_TEXT}", lambda at: put(at, "bad", b"#" * (MAX_TEXT + 1))),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_trusted_is_listed_with_its_reason_and_never_read(
    folder: Path, kind: str
) -> None:
    reason, make = REFUSED[kind]
    make(folder)
    put(folder, "good")
    assert reason in offered(folder)["bad"]
    assert offered(folder)["good"] == ""
    with pytest.raises(ScriptError, match=reason):
        Scripts(str(folder)).read("bad")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_refused(folder: Path) -> None:
    os.chown(put(folder, "theirs"), 65534, 65534)
    assert "belongs to user 65534" in offered(folder)["theirs"]
    os.chown(folder, 65534, 65534)
    with pytest.raises(FolderError, match="belongs to user 65534"):
        Scripts(str(folder)).check()


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o1777])
def test_a_folder_that_others_may_write_to_is_refused(folder: Path, mode: int) -> None:
    put(folder, "good")
    folder.chmod(mode)
    for ask in (Scripts(str(folder)).check, Scripts(str(folder)).page):
        with pytest.raises(FolderError, match="can be written to by others"):
            ask()


def test_a_folder_above_that_others_may_write_to_is_refused(folder: Path) -> None:
    folder.parent.chmod(0o777)
    with pytest.raises(FolderError, match=f"cannot trust {folder.parent}"):
        Scripts(str(folder)).check()


def test_a_folder_behind_a_link_is_refused_with_the_path_it_leads_to(folder: Path) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    with pytest.raises(FolderError, match="cannot open") as caught:
        Scripts(str(link)).check()
    assert str(folder) in str(caught.value.hint)


@pytest.mark.parametrize("path", ["scripts", "/tmp/../etc", "", "/tmp\0"])
def test_a_folder_needs_an_absolute_plain_path(path: str) -> None:
    with pytest.raises(FolderError, match="cannot use the folder"):
        Scripts(path).check()


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="no such file"):
        Scripts(str(tmp_path / "none")).page()


def test_another_digest_than_asked_for_is_refused(folder: Path) -> None:
    path = put(folder, "task")
    scripts = Scripts(str(folder))
    digest = scripts.read("task").script.sha256
    assert scripts.read("task", digest=digest).text == TEXT
    path.write_bytes(TEXT + b"rm -rf /\n")
    with pytest.raises(ScriptError, match="asked for was"):
        scripts.read("task", digest=digest)


async def test_what_runs_is_what_was_hashed_though_the_file_changes_meanwhile(
    folder: Path, tmp_path: Path
) -> None:
    path = put(folder, "task", b'#!/bin/sh\nsleep 0.2\necho "first of $CTL_SCRIPT"\n')
    scripts = Scripts(str(folder))
    one = scripts.read("task")
    executor = Executor(tmp_path / "room")
    await executor.recover()
    try:
        name = f"s{os.getpid()}.1"
        env = scripts.environment(one)
        await executor.accept(Spec(id=name, job="j", text=one.text, argv=one.argv, env=env))
        await executor.start(name)
        path.write_bytes(b"#!/bin/sh\necho second\n")
        ended = await executor.wait(name)
        said = b"".join([chunk.data async for chunk in executor.output(name)])
    finally:
        await executor.close()
    assert (ended.end and ended.end.exit_code, said) == (0, b"first of task\n")


PROGRAM = Path("/bin/true").read_bytes()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"#::ARTR::title=x\na=(1 2); echo ${#a[@]}\n", b"2\n"),
        (b"echo plain\n", b"plain\n"),
        (b"#!/bin/echo read from\n", b"read from /proc/self/fd/100\n"),
        (b"#!/usr/bin/env bash\necho ${BASH_VERSION%%[0-9]*}bash\n", b"bash\n"),
        (PROGRAM, b""),
    ],
    ids=["bash", "sh", "first-line", "env", "program"],
)
@pytest.mark.parametrize("user", [None, "nobody"])
async def test_every_kind_of_script_finds_its_reader(
    folder: Path, tmp_path: Path, text: bytes, said: bytes, user: str | None
) -> None:
    if user and os.geteuid() != 0:
        pytest.skip("only root becomes another user")
    put(folder, "task", text)
    one = Scripts(str(folder)).read("task")
    executor = Executor(tmp_path / "room")
    await executor.recover()
    try:
        name = f"s{os.getpid()}.2"
        await executor.accept(
            Spec(id=name, job="j", text=one.text, argv=one.argv, workdir="/", user=user)
        )
        await executor.start(name)
        ended = await executor.wait(name)
        output = b"".join([chunk.data async for chunk in executor.output(name)])
    finally:
        await executor.close()
    assert (output, ended.end and ended.end.exit_code) == (said, 0)


def test_a_file_that_changes_while_it_is_read_is_refused(folder: Path) -> None:
    path = put(folder, "task", b"#!/bin/sh\n" + b"#" * 3_000_000)
    writer = subprocess.Popen(
        ["/bin/sh", "-c", f"while :; do printf '#' >>{path} || exit; done"],
        stdout=subprocess.DEVNULL,
    )
    seen = set()
    try:
        for _ in range(200):
            try:
                one = Scripts(str(folder)).read("task")
            except ScriptError as error:
                seen.add(error.problem)
                break
            assert one.script.sha256 == hashlib.sha256(one.text).hexdigest()
    finally:
        writer.kill()
        writer.wait()
    assert seen == {"was changed while it was read"}


def test_lists_come_in_pages_that_fit_into_a_frame(folder: Path) -> None:
    wide = "\N{PILE OF POO}" * 1000
    for number in range(30):
        put(folder, f"task-{number:02}", f"#!/bin/sh\n#::CTL::title={wide}\n".encode())
    (folder / "with space \udcff").write_bytes(b"x")
    scripts, seen, after = Scripts(str(folder)), [], ""
    while True:
        page = scripts.page(after)
        header, _ = pack(page, answer=1)
        assert len(header) <= LIMITS.header
        seen += [one.name for one in page.scripts]
        if not page.more:
            break
        after = seen[-1]
    assert LIMITS.header > PAGE
    assert len(seen) == len(set(seen)) == 31
    assert "letters, digits" in offered_last(scripts, seen[-1])


def offered_last(scripts: Scripts, name: str) -> str:
    return next(one.problem for one in scripts.page("task-9").scripts if one.name == name)


def test_large_scripts_come_in_pages_too(folder: Path) -> None:
    for number in range(18):
        (folder / f"task-{number:02}").write_bytes(b"#!/bin/sh\n")
        os.truncate(folder / f"task-{number:02}", MAX_TEXT)
        (folder / f"task-{number:02}").chmod(0o755)
    page = Scripts(str(folder)).page()
    assert (len(page.scripts), page.more) == (PAGE_READ // MAX_TEXT, True)
    rest = Scripts(str(folder)).page(page.scripts[-1].name)
    assert (len(rest.scripts), rest.more) == (2, False)


def test_a_folder_of_too_much_is_refused(folder: Path) -> None:
    for number in range(MOST + 1):
        (folder / f"{number}").touch()
    with pytest.raises(ScriptError, match=f"more than {MOST}"):
        Scripts(str(folder)).page()


def test_a_large_script_is_shown_in_part_and_still_run_whole(folder: Path) -> None:
    put(folder, "large", b"#!/bin/sh\n" + b"#" * (2 << 20))
    scripts = Scripts(str(folder))
    assert len(scripts.inspect("large").text) == SHOWN <= LIMITS.payload
    assert len(scripts.read("large").text) == (2 << 20) + 10


def test_a_result_that_makes_no_sense_counts_as_text(folder: Path) -> None:
    for name, lines in {
        "odd": b"#::CTL::result-type=picture\n",
        "fileless": b"#::CTL::result-type=file\n",
        "file": b"#::ARTR::result-type=file\r\n#::ARTR::file-name= /tmp/a b \r\n",
    }.items():
        put(folder, name, b"#!/bin/sh\n" + lines)
    assert {one.name: (one.result, one.file) for one in Scripts(str(folder)).page().scripts} == {
        "odd": ("text", ""),
        "fileless": ("text", ""),
        "file": ("file", "/tmp/a b"),
    }


PIECES = st.sampled_from(
    [b"#::CTL::", b"#::ARTR::", b"title", b"result-type", b"file-name", b"=", b"\n", b" ", b"\r\n",
     b"\xff", b"x", b"#"]
)  # fmt: skip


@given(st.lists(PIECES | st.binary(max_size=5), max_size=30).map(b"".join))
def test_agents_read_headers_as_declarations_do(text: bytes) -> None:
    assert read_headers(text) == declared.read_headers(text)
