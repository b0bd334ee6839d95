"""Files and checkouts on a server against those that are wanted."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from controller.model.applied import Tried
from controller.model.files import CheckoutSeen, FileKind, FileSeen, FileWork
from controller.model.ids import RunId
from controller.model.plan import FileChange
from controller.planning.deliveries import Told, drifted, written
from controller.planning.difference import Difference, compare
from controller.planning.looks import look_at
from tests.planning.delivered import (
    CONF,
    KEY,
    NEW,
    OLD,
    applied,
    edited,
    file,
    looked,
    there,
    work,
)
from tests.planning.world import NOW

SECRET = file(content=b"password = \0secret:db\0\n", secrets=("db",))


def drift(made_of: FileWork, seen: FileSeen, **more: Any) -> Told:
    made = work(made_of)
    record = applied(made, **more)
    return drifted(made, look_at(KEY[0], made, record, looked(made, {CONF: seen})))


@pytest.mark.parametrize(
    ("seen", "what"),
    [
        (edited(file(), b"port = 81\n"), "content differs"),
        (edited(file(), b"port = 81\n", content=None), "differs (10 -> 10 bytes)"),
        (edited(file(), b"\0\xff"), "differs (2 -> 10 bytes)"),
        (there(file(), mode="0600"), "mode 0600 -> 0644"),
        (there(file(), mode="600"), "mode 0600 -> 0644"),
        (there(file(), owner="root"), "owner root -> deploy"),
        (edited(file(), b"", mode="0600"), "content differs, mode 0600 -> 0644"),
        (FileSeen(path=CONF, kind=FileKind.MISSING), "missing"),
        (FileSeen(path=CONF, kind=FileKind.OTHER), "is not a regular file"),
    ],
)
def test_each_way_of_drifting_is_told(seen: FileSeen, what: str) -> None:
    told = drift(file(), seen)
    assert [(one.path, one.what, one.drift) for one in told.files] == [(CONF, what, True)]
    assert told.notes == ()


@pytest.mark.parametrize(
    ("wanted", "seen"),
    [
        (file(), there(file())),
        (file(), there(file(), group="anything")),
        (file(), there(file(), owner="")),
        (file(owner="0"), there(file(), owner="root")),
        (SECRET, there(SECRET)),
    ],
)
def test_what_is_as_it_was_applied_is_no_drift(wanted: FileWork, seen: FileSeen) -> None:
    assert drift(wanted, seen) == Told()


def test_a_group_that_is_declared_is_compared() -> None:
    told = drift(file(group="www"), there(file(), group="deploy"))
    assert told.files[0].what == "group deploy -> www"


def test_what_names_no_owner_belongs_to_the_user_of_the_steps() -> None:
    made = replace(work(file()), user="app")
    seen = looked(made, {CONF: there(file(), owner="app")})
    assert drifted(made, look_at(KEY[0], made, applied(made), seen)) == Told()
    plain = work(file())
    as_root = replace(looked(plain), root=True)
    (one,) = drifted(plain, look_at(KEY[0], plain, applied(plain), as_root)).files
    assert one.what == "owner deploy -> root"


def test_a_text_is_shown_as_a_diff_from_what_is_there_to_what_is_wanted() -> None:
    (one,) = drift(file(), edited(file(), b"port = 81\n")).files
    assert one.diff == "--- there\n+++ wanted\n@@ -1 +1 @@\n-port = 81\n+port = 80"


def test_a_file_that_holds_a_secret_is_never_shown() -> None:
    changed = edited(SECRET, b"password = hunter22\n", content=b"password = hunter22\n")
    (one,) = drift(SECRET, changed).files
    assert one == FileChange(path=CONF, what="changed (secret)", drift=True)
    made = work(SECRET)
    look = look_at(KEY[0], made, None, looked(made, {CONF: changed}))
    (one,) = written(made, look, Difference(), None, hand=False).files
    assert (one.what, one.diff) == ("written (secret)", "")


def test_what_could_not_be_read_or_compared_is_a_note_and_no_drift() -> None:
    unread = drift(file(), FileSeen(path=CONF, kind=FileKind.UNREADABLE))
    assert unread == Told(notes=(f"{CONF} not compared (it could not be read)",))
    unknown = drift(SECRET, there(SECRET), files={})
    assert unknown == Told(notes=(f"content of {CONF} not compared (no digest of it is known)",))


def test_a_checkout_at_another_commit_has_drifted() -> None:
    made = work(checkout="/srv/shop")
    look = look_at(KEY[0], made, applied(made), looked(made, commit=NEW))
    (one,) = drifted(made, look).files
    assert (one.path, one.what, one.drift) == ("/srv/shop", "commit bbbbbbb -> aaaaaaa", True)
    gone = look_at(KEY[0], made, applied(made), looked(made, commit=None))
    assert drifted(made, gone).files[0].what == "no checkout is there -> commit aaaaaaa"
    same = look_at(KEY[0], made, applied(made), looked(made))
    assert drifted(made, same) == Told()


def test_a_look_before_the_last_run_or_at_other_inputs_says_nothing() -> None:
    made = work(file())
    bad = {CONF: edited(file(), b"x")}
    before = looked(made, bad, at=NOW - timedelta(seconds=1))
    assert drifted(made, look_at(KEY[0], made, applied(made), before)) == Told()
    other = work(file(), more=1)
    assert drifted(other, look_at(KEY[0], other, applied(other), looked(made, bad))) == Told()


def write(old: FileWork, new: FileWork, seen: FileSeen, **facts: Any) -> Told:
    before, now = work(old), work(new, **facts)
    record = applied(before)
    look = look_at(KEY[0], now, record, looked(now, {seen.path: seen}, record=record))
    return written(now, look, compare(record.manifest, now), None, hand=True)


def test_what_will_be_written_is_told_by_what_is_there() -> None:
    new = file(content=b"port = 81\n", mode="0600")
    told = write(file(), new, there(file()))
    (one,) = told.files
    assert (one.what, one.drift) == ("content differs, mode 0644 -> 0600", False)
    assert one.diff.endswith("-port = 80\n+port = 81")
    assert told.notes == ()


def test_a_file_that_is_already_as_wanted_is_not_written() -> None:
    new = file(content=b"port = 81\n")
    assert write(file(), new, there(new)).files == ()


def test_a_new_file_is_shown_whole() -> None:
    new = file(path="/etc/new.conf", content=b"a\n")
    (one, left) = write(file(), new, FileSeen(path=new.path, kind=FileKind.MISSING)).files
    assert (one.what, one.diff) == ("new file, 2 bytes", "--- there\n+++ wanted\n@@ -0,0 +1 @@\n+a")
    assert left == FileChange(path=CONF, what="no longer delivered, left in place")


@pytest.mark.parametrize(
    ("new", "seen"),
    [
        (file(content=b"port = 81\n"), edited(file(), b"by hand\n")),
        (file(), edited(file(), b"by hand\n")),
        (file(content=b"port = 81\n"), FileSeen(path=CONF, kind=FileKind.MISSING)),
        (file(content=b"port = 81\n"), FileSeen(path=CONF, kind=FileKind.OTHER)),
    ],
)
def test_a_change_by_hand_that_will_be_lost_is_told(new: FileWork, seen: FileSeen) -> None:
    assert write(file(), new, seen, other=1).notes == (
        f"overwrites a change of {CONF} made by hand",
    )


def test_what_nobody_can_tell_is_not_called_made_by_hand() -> None:
    unread = write(file(), file(), FileSeen(path=CONF, kind=FileKind.UNREADABLE))
    assert [one.what for one in unread.files] == ["written (what is there could not be read)"]
    assert unread.notes == ()
    no_more_secret = write(SECRET, file(), edited(file(), b"password = hunter22\n"))
    assert [one.what for one in no_more_secret.files] == ["content differs"]
    assert no_more_secret.notes == ()


def test_a_secret_of_an_earlier_run_is_not_shown_by_the_file_that_no_longer_holds_it() -> None:
    live = edited(file(), b"password = hunter22\n")
    (one,) = write(SECRET, file(), live).files
    assert one.diff == ""
    made = work(file())
    tried = Tried(digest=work(SECRET).digest, run=RunId("r2"), at=NOW)
    record = applied(made, tried=tried)
    look = look_at(KEY[0], made, record, looked(made, {CONF: live}, record=record))
    (one,) = written(made, look, Difference(), None, hand=False).files
    assert (one.what, one.diff) == ("content differs", "")


def test_a_change_by_hand_of_a_file_with_a_secret_is_told() -> None:
    new = replace(SECRET, content=SECRET.content + b"more\n")
    assert write(SECRET, new, edited(SECRET, b"by hand")).notes != ()
    same = write(SECRET, new, there(SECRET))
    assert [one.what for one in same.files] == ["changed (secret)"]
    assert same.notes == ()


def test_where_nobody_looked_the_inputs_say_what_will_be_written() -> None:
    before, now = work(file()), work(file(mode="0600"), file(path="/etc/b"), checkout="/srv")
    record = applied(before)
    told = written(
        now, look_at(KEY[0], now, record, None), compare(record.manifest, now), NEW, hand=True
    )
    assert [(one.path, one.what) for one in told.files] == [
        (CONF, "mode changed"),
        ("/etc/b", "new file"),
        ("/srv", "commit aaaaaaa -> bbbbbbb"),
    ]
    nothing = written(now, look_at(KEY[0], now, None, None), Difference(), NEW, hand=False)
    assert [one.what for one in nothing.files] == [
        "written (nobody looked what is there)",
        "written (nobody looked what is there)",
        "commit bbbbbbb",
    ]


def test_a_checkout_is_written_where_another_commit_lies() -> None:
    made = work(checkout="/srv")
    for commit, what in ((OLD, "commit aaaaaaa -> bbbbbbb"), (NEW, "")):
        look = look_at(KEY[0], made, applied(made), looked(made, commit=commit))
        assert look.seen is not None
        assert look.seen.checkout == CheckoutSeen(path="/srv", commit=commit)
        found = written(made, look, Difference(changed=("source",)), NEW, hand=True).files
        assert [one.what for one in found] == ([what] if what else [])


CONTENTS = st.binary(max_size=60)


@given(st.lists(CONTENTS, min_size=1, max_size=4), st.booleans())
def test_after_a_run_that_wrote_everything_nothing_differs(
    contents: list[bytes], secret: bool
) -> None:
    secrets = ("db",) if secret else ()
    files = [file(f"/etc/{n}", data, secrets=secrets) for n, data in enumerate(contents)]
    made = work(*files, checkout="/srv")
    look = look_at(KEY[0], made, applied(made), looked(made))
    assert drifted(made, look) == Told()
    assert written(made, look, Difference(changed=("params.a",)), OLD, hand=True) == Told()


@given(CONTENTS, CONTENTS)
def test_any_other_content_is_drift(wanted: bytes, live: bytes) -> None:
    told = drift(file(content=wanted), edited(file(), live))
    assert bool(told.files) == (wanted != live)
