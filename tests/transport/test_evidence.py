"""What servers say about changes is read in the formats that real tools have, and never believed beyond them."""

import os
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from controller.model.evidence import Command, Evidence, Login, PathTimes
from controller.model.inventory import Carrier, Server
from controller.transport.evidence import MOST_PATHS, gather, parse
from controller.transport.lent import LentSession
from controller.transport.local import LocalDialer

NOW = "w0rd now 1795335106 +0100 0\n"
CONF = "/etc/shop.conf"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def read(text: str, *paths: str) -> Evidence:
    return parse((NOW + text).encode(), "w0rd", paths or (CONF,))


def test_times_of_files_come_by_number() -> None:
    found = read(
        "\nw0rd path 1 1795326313 1795326400 deploy\n\nw0rd gone 0 1795326000 1795326001 root\n"
        "\nw0rd path 7 1 2 nobody\n",
        "/gone",
        CONF,
    )
    assert found.paths == {
        CONF: PathTimes(
            modified=at("2026-11-22 05:45:13"), changed=at("2026-11-22 05:46:40"), owner="deploy"
        ),
        "/gone": PathTimes(
            modified=at("2026-11-22 05:40:00"),
            changed=at("2026-11-22 05:40:01"),
            owner="root",
            gone=True,
        ),
    }


LAST = """
w0rd last
deploy   pts/1        203.0.113.7      Sun Nov 22 05:30:12 2026   still logged in
oncall   pts/0        gate.example.com Sun Nov 22 05:00:01 2026 - Sun Nov 22 05:50:10 2026  (00:50)
root     tty1                          Sat Nov 21 22:10:00 2026 - crash                   (1+02:03)
lost     pts/3        203.0.113.9      Sat Nov 21 20:10:00 2026   gone - no logout
reboot   system boot  6.1.0-18-amd64   Sat Nov 21 06:00:00 2026   still running
averyveryverylongname pts/2 2001:db8::1 Sun Nov  1 05:30:12 2026 - Sun Nov  1 05:31:12 2026  (00:01)

wtmp begins Sun Nov  1 05:25:00 2026
"""


def test_logins_of_last_have_their_beginning_and_end() -> None:
    assert read(LAST).logins == (
        Login(who="deploy", line="pts/1", origin="203.0.113.7", start=at("2026-11-22 05:30:12")),
        Login(
            who="oncall",
            line="pts/0",
            origin="gate.example.com",
            start=at("2026-11-22 05:00:01"),
            end=at("2026-11-22 05:50:10"),
        ),
        Login(
            who="root", line="tty1", start=at("2026-11-21 22:10:00"), end=at("2026-11-23 00:14:00")
        ),
        Login(
            who="averyveryverylongname",
            line="pts/2",
            origin="2001:db8::1",
            start=at("2026-11-01 05:30:12"),
            end=at("2026-11-01 05:31:12"),
        ),
    )


def test_who_tells_of_those_who_are_there_now() -> None:
    text = "w0rd who\ndeploy   pts/1        2026-11-22 05:30 (203.0.113.7)\nroot tty1 2026-11-22 05:31\n"
    assert read(text).logins == (
        Login(who="deploy", line="pts/1", origin="203.0.113.7", start=at("2026-11-22 05:30")),
        Login(who="root", line="tty1", start=at("2026-11-22 05:31")),
    )


RAN = Command(
    who="oncall", at=at("2026-11-22 05:44:55"), user="root", command="/usr/bin/vi /etc/shop.conf"
)
SUDO = "oncall : TTY=pts/0 ; PWD=/home/oncall ; USER=root ; COMMAND=/usr/bin/vi /etc/shop.conf"


@pytest.mark.parametrize(
    "line",
    [
        f"journal\n1795326295.123456 web-1 sudo[4711]:  {SUDO}",
        f"auth\nNov 22 06:44:55 web-1 sudo:  {SUDO}",
        f"auth\n2026-11-22T06:44:55.123456+01:00 web-1 sudo[12]:  {SUDO}",
        f"auth\n2026-11-22T05:44:55.1+00:00 web-1 sudo: {SUDO.replace('TTY=pts/0 ; ', '')}",
        f"auth\nNov 22 06:44:55 web-1 sudo: {SUDO.replace('COMMAND', 'TSID=000001 ; ENV=A=b ; COMMAND')}",
        f"auth\nNov 22 06:44:55 web-1 sudo: {SUDO.replace('PWD=/home/oncall', 'PWD=/a b ; c')}",
    ],
)
def test_commands_of_sudo_are_read_from_every_log(line: str) -> None:
    (found,) = read(f"w0rd {line}\n").commands
    assert (found.who, found.user, found.command) == (RAN.who, RAN.user, RAN.command)
    assert found.at.replace(microsecond=0) == RAN.at


def test_a_line_without_a_year_is_of_the_year_before_where_it_would_be_to_come() -> None:
    (found,) = read(f"w0rd auth\nDec 31 23:30:00 web-1 sudo: {SUDO}\n").commands
    assert found.at == at("2025-12-31 22:30:00")


@pytest.mark.parametrize(
    "line",
    [
        "oncall : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh",
        "oncall : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh",
        "oncall : command not allowed ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh",
        "pam_unix(sudo:session): session opened for user root(uid=0) by oncall(uid=1000)",
    ],
)
def test_what_sudo_refused_was_not_run(line: str) -> None:
    assert read(f"w0rd auth\nNov 22 06:44:55 web-1 sudo: {line}\n").commands == ()


def test_what_is_missing_is_told_once() -> None:
    text = (
        "\nw0rd lacks last: it is not there\n" * 3
        + "\nw0rd lacks /var/log/secure: it cannot be read\n"
    )
    assert read(text).lacks == ("last: it is not there", "/var/log/secure: it cannot be read")


def test_a_part_cannot_be_forged_without_the_word() -> None:
    text = f"w0rd auth\nother path 0 1 2 nobody\nx w0rd path 0 1 2 nobody\nNov 22 06:44:55 web-1 sudo: {SUDO}\n"
    found = read(text)
    assert found.paths == {}
    assert len(found.commands) == 1


@given(st.binary(max_size=300), st.sampled_from(["last", "who", "journal", "auth", "path", "now"]))
def test_no_bytes_break_the_reading(data: bytes, part: str) -> None:
    parse(NOW.encode() + f"w0rd {part} ".encode() + data + b"\nw0rd " + data, "w0rd", (CONF,))


@pytest.mark.parametrize("times", ["0 999999999999 1 root", "0 -1 1 root", "0 x 1 root", "0 1 2"])
def test_times_that_nobody_can_have_are_none(times: str) -> None:
    assert read(f"w0rd path {times}\n").paths == {}


def test_long_lines_are_read_in_a_bounded_time() -> None:
    line = "Nov 22 06:44:55 web-1 sudo: a : " + "PWD= ; USER=x ; " * 5000
    begin = time.monotonic()
    read("w0rd auth\n" + f"{line}\n" * 300)
    assert time.monotonic() - begin < 5


@pytest.fixture
async def session() -> AsyncIterator[LentSession]:
    dialer = LocalDialer(environment=os.environ)
    yield await dialer.open(Server(name="here", address="here", carrier=Carrier.LOCAL))
    await dialer.close()


@pytest.mark.real
async def test_a_real_server_is_asked_about_real_files(
    session: LentSession, tmp_path: Path
) -> None:
    odd = tmp_path / "it's; $(touch broken) \n odd"
    odd.write_text("x")
    os.utime(odd, (1_795_000_000, 1_795_000_000))
    gone = tmp_path / "no" / "such" / "file"
    found = await gather(session, [str(odd), str(gone)], "w0rd")
    assert found.paths[str(odd)].modified == at("2026-11-18 11:06:40")
    assert not found.paths[str(odd)].gone
    assert found.paths[str(gone)].gone
    assert os.listdir(tmp_path) == [odd.name]  # noqa: PTH208


@pytest.mark.real
async def test_of_very_many_paths_the_first_are_asked_about(session: LentSession) -> None:
    found = await gather(session, [f"/nowhere/{one}" for one in range(MOST_PATHS + 2)], "w0rd")
    assert "2 further paths: too many for one look" in found.lacks
