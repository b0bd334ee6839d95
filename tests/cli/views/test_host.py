"""How a machine does, on one line."""

from dataclasses import replace
from datetime import UTC, datetime

from controller.cli.dates import span
from controller.cli.views.checks import server_text
from controller.cli.views.host import host_text
from controller.cli.views.style import Style
from controller.model.observation import HostSeen, ServerSeen
from controller.reconcile.exchange.checks import ServerCheck

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOST = HostSeen(
    at=AT,
    cpu=0.126,
    processors=4,
    memory_used=3 << 30,
    memory_total=8 << 30,
    disk_used=10 << 30,
    disk_total=40 << 30,
    load=(0.5, 0.4, 0.3),
    uptime=86400.0,
    workers=4,
    running=1,
    waiting=2,
)


def test_everything_that_was_told_is_shown() -> None:
    shown = host_text(HOST)
    assert shown.startswith("cpu 13% of 4, memory 3.0 GiB of 8.0 GiB, disk 10.0 GiB of 40.0 GiB")
    assert shown.endswith(f"load 0.50, up {span(86400.0)}, workers 1 of 4, 2 waiting")


def test_what_nobody_told_is_left_out() -> None:
    shown = host_text(replace(HOST, load=(), workers=0, running=0, waiting=0))
    assert "load" not in shown
    assert "work" not in shown


def test_a_check_shows_the_host_where_an_agent_tells() -> None:
    seen = ServerSeen(server="web-1", at=AT, reached=True)
    check = ServerCheck(seen=seen, took=0.1, exit_code=0, output=b"up 1 day")
    plain = Style(color=False, unicode=False)
    assert "cpu" not in server_text(check, plain)
    assert "    cpu 13% of 4" in server_text(replace(check, seen=replace(seen, host=HOST)), plain)
