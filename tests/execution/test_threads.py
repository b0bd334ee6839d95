"""Threads for work that blocks, where the machine gives no more of them."""

import threading
import time

import pytest

from controller.execution.errors import FullError
from controller.execution.threads import Threads


def refuse(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_work_waits_for_a_thread_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with Threads(4, "t") as threads:
        threads.begin()
        monkeypatch.setattr(threading.Thread, "start", refuse)
        first = threads.submit(time.sleep, 0.05)
        second = threads.submit(threading.current_thread)
        assert second.result(5).name == "t_0"
        assert first.done()


def test_without_any_thread_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with Threads(4, "t") as threads, pytest.raises(FullError, match="cannot start a thread"):
        threads.begin()
