"""Secrets that programs print: real programs, bounded, and nothing of ours in their sight."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from controller.secrets.program import SECONDS, printed
from controller.secrets.trouble import ReadingError

pytestmark = pytest.mark.real
CANARY = "canary-4711-canary"


def script(folder: Path, text: str) -> str:
    file = folder / "program"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o700)
    return str(file)


def test_what_a_program_prints_is_the_value() -> None:
    assert printed(["echo", CANARY], {"PATH": "/usr/bin:/bin"}) == CANARY.encode()
    assert printed(["printf", r"a\nb\n"], {}) == b"a\nb\n"


def test_no_shell_looks_at_the_words() -> None:
    words = ["$(id)", "a;b", "`id`", "*", "a b"]
    assert printed(["printf", "%s|", *words], {}) == ("|".join(words) + "|").encode()


def test_a_program_gets_few_variables_no_input_and_a_place_of_its_own() -> None:
    variables = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/home/x",
        "CTL_TOKEN": CANARY,
        "DB_PASSWORD": CANARY,
        "VAULT_TOKEN": CANARY,
        "LD_PRELOAD": "/x",
    }
    seen = printed(["env"], variables).decode().split("\n")
    assert sorted(line for line in seen if line) == ["HOME=/home/x", "PATH=/usr/bin:/bin"]
    assert printed(["sh", "-c", "cat; pwd; umask"], variables) == b"/\n0077\n"


def test_nothing_of_other_secrets_is_in_sight_of_others_while_it_runs(tmp_path: Path) -> None:
    started = tmp_path / "pid"
    program = script(
        tmp_path, f"echo $$ > {started}.new; mv {started}.new {started}; sleep 0.4; echo {'x' * 9}"
    )
    variables = {"PATH": "/usr/bin:/bin", "DB_PASSWORD": CANARY}
    seen: list[bytes] = []

    def look() -> None:
        while not started.exists():
            time.sleep(0.01)
        of = Path("/proc") / started.read_text().strip()
        seen.extend((of / name).read_bytes() for name in ("cmdline", "environ"))

    watcher = threading.Thread(target=look)
    watcher.start()
    assert printed([program], variables) == b"x" * 9
    watcher.join()
    assert len(seen) == 2
    assert all(CANARY.encode() not in one for one in seen)


def test_what_a_program_says_on_stderr_is_nowhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program = script(tmp_path, f"echo {CANARY}; echo {CANARY} >&2; exit 3")
    with pytest.raises(ReadingError, match="exit code 3") as refusal:
        printed([program], {})
    assert CANARY not in f"{refusal.value} {refusal.value.hint} {refusal.value.__cause__}"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["no-such-program-here"], "no such file"),
        (["true"], "printed nothing"),
        (["sh", "-c", "kill -9 $$"], "ended by signal 9"),
        (["head", "-c", "65537", "/dev/zero"], "over 64 KiB"),
        (["cat", "/dev/zero"], "over 64 KiB"),
        (["a\0b"], "refused"),
    ],
)
def test_a_program_that_gives_no_value_says_why(argv: list[str], reason: str) -> None:
    with pytest.raises(ReadingError, match=reason):
        printed(argv, {"PATH": "/usr/bin:/bin"})


@pytest.mark.parametrize("then", ["sleep 60", "exit 0"])
def test_what_takes_too_long_is_ended_with_all_it_started(tmp_path: Path, then: str) -> None:
    program = script(tmp_path, f"sleep 60 & echo $! > {tmp_path}/child; {then}")
    with pytest.raises(ReadingError, match=r"over 0\.5 seconds"):
        printed([program], {}, seconds=0.5)
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the child of the program is still there")


def test_a_process_that_got_away_with_the_pipe_does_not_hold_us(tmp_path: Path) -> None:
    away = (
        f"import os,time\nif os.fork(): os._exit(0)\nos.setsid()\n"
        f"open({str(tmp_path / 'away')!r}, 'w').write(str(os.getpid()))\ntime.sleep(30)"
    )
    with pytest.raises(ReadingError, match=r"over 0\.5 seconds"):
        printed([sys.executable, "-c", away], {}, seconds=0.5)
    os.kill(int((tmp_path / "away").read_text()), signal.SIGKILL)


def test_a_program_that_closes_its_output_is_still_waited_for_and_bounded(tmp_path: Path) -> None:
    program = script(tmp_path, f"echo {CANARY}; exec >&-; sleep 60")
    with pytest.raises(ReadingError, match=r"over 0\.5 seconds"):
        printed([program], {}, seconds=0.5)
    assert SECONDS == 30


def test_no_descriptor_and_no_thread_is_left_behind() -> None:
    printed(["echo", "x"], {})
    before = (len(os.listdir("/proc/self/fd")), threading.active_count())  # noqa: PTH208
    for _ in range(20):
        printed(["echo", "x"], {})
    after = (len(os.listdir("/proc/self/fd")), threading.active_count())  # noqa: PTH208
    assert after == before
