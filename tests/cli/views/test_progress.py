"""Progress: one live line on a terminal, a line for each change elsewhere, never a raw byte from outside."""

from controller.cli.views.progress import listen
from controller.cli.views.style import PLAIN
from controller.model.job import State
from controller.reconcile.exchange.progress import Progress, Stage
from tests.cli.stage import Screen


def shown(*events: Progress, tty: bool, quiet: bool = False, verbose: bool = False) -> str:
    err = Screen(tty=tty)
    with listen(err, PLAIN, live=tty, quiet=quiet, verbose=verbose) as listener:
        for event in events:
            listener(event)
    return err.getvalue()


def job(state: State, subject: str = "j1", server: str = "web-1") -> Progress:
    return Progress(stage=Stage.JOB, subject=subject, target="shop", server=server, state=state)


def test_a_pipe_gets_a_line_for_each_change_of_state_and_no_escape_code() -> None:
    text = shown(job(State.RUNNING), job(State.FAILED), tty=False)
    assert text == "· shop on web-1: running\n✗ shop on web-1: failed\n"


def test_a_terminal_gets_one_line_that_is_written_over_and_cleared() -> None:
    text = shown(
        job(State.RUNNING), job(State.RUNNING, "j2", "web-2"), job(State.SUCCEEDED), tty=True
    )
    assert "2 running" in text
    assert text.count("\n") == 1
    assert text.endswith("\r\x1b[K")
    assert "✔ shop on web-1: succeeded\n" in text


def test_quiet_says_nothing() -> None:
    for tty in (True, False):
        assert shown(job(State.RUNNING), tty=tty, quiet=True) == ""


def test_what_happens_on_every_server_is_told_line_by_line_on_request_only() -> None:
    seen = Progress(stage=Stage.OBSERVE, subject="web-1", done=3, total=9)
    assert shown(seen, tty=False) == ""
    assert shown(seen, tty=False, verbose=True) == "observe 3/9 web-1\n"


def test_a_file_has_a_bar_on_a_terminal_and_one_line_in_a_pipe() -> None:
    half = Progress(stage=Stage.FILE, subject="dump.gz", done=512, total=1024)
    done = Progress(stage=Stage.FILE, subject="dump.gz", done=1024, total=1024)
    assert "[##########..........]  50% 1.0 KiB dump.gz" in shown(half, done, tty=True)
    assert shown(half, done, tty=False) == "[####################] 100% 1.0 KiB dump.gz\n"


def test_a_bar_is_never_longer_than_itself_whatever_a_server_sends() -> None:
    more = Progress(stage=Stage.FILE, subject="dump.gz", done=1 << 40, total=1)
    assert shown(more, tty=False) == "[####################] 100% 1 B dump.gz\n"


def test_names_from_outside_cannot_move_the_cursor() -> None:
    text = shown(job(State.FAILED, server="w\x1b[2J\nforged"), tty=False)
    assert "\x1b" not in text
    assert text.count("\n") == 1
