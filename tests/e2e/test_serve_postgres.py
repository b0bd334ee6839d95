"""A state on PostgreSQL: the parts of a controller as processes of their own, and commands by hand beside them."""

import contextlib
from collections.abc import Iterator

import pytest

from tests.e2e.fleet import Fleet, wait_for
from tests.e2e.serving import Served, serving
from tests.e2e.test_serve import declare
from tests.fakes.postgres import Cluster, cluster, postgres

__all__ = ["Cluster", "cluster", "postgres"]  # fixtures

pytestmark = [pytest.mark.real, pytest.mark.sweep]


@contextlib.contextmanager
def parts(fleet: Fleet, url: str) -> Iterator[tuple[Served, Served, Served]]:
    """Start the three parts, each as a process."""
    with (
        serving(fleet, "--state", url, "--role", "api") as api,
        serving(fleet, "--state", url, "--role", "scheduler", token=api.token) as scheduler,
        serving(fleet, "--state", url, "--role", "worker", token=api.token) as worker,
    ):
        yield api, scheduler, worker


def test_three_processes_are_one_controller(fleet: Fleet, postgres: str) -> None:
    log = declare(fleet, "echo one >> LOG")
    with parts(fleet, postgres) as (api, _, worker):
        wait_for(lambda: api.in_sync() and log.exists(), seconds=60)
        code, told = api.ask("/health")
        assert code == 200
        assert isinstance(told, dict)
        assert {"api", "scheduler", "worker"} <= {part["name"] for part in told["parts"]}
        api.ctl("run", "a", "--on", "here").ended(0)
        assert log.read_text() == "one\none\n"
        refused = fleet.run("apply", "-y", "--state", postgres)
        assert refused.code == 4
        assert "cannot act on this state" in refused.all
        worker.kill()
        declare(fleet, "echo two >> LOG")
        with serving(fleet, "--state", postgres, "--role", "worker", token=api.token):
            wait_for(lambda: log.read_text() == "one\none\ntwo\n", seconds=90)


def test_commands_by_hand_work_on_a_shared_state(fleet: Fleet, postgres: str) -> None:
    log = declare(fleet, "echo one >> LOG")
    for words in (("apply", "-y"), ("plan", "--detailed-exitcode"), ("status",)):
        fleet.run(*words, "--state", postgres).ended(0)
    jobs = fleet.run("jobs", "list", "-o", "json", "--state", postgres).ended(0).rows
    assert [job["state"] for job in jobs] == ["succeeded"]
    assert "run-submitted" in fleet.run("logs", "activity", "--state", postgres).ended(0).out
    assert log.read_text() == "one\n"
    assert "password" not in fleet.run("status", "--state", postgres).all


def test_what_is_no_database_is_said(fleet: Fleet) -> None:
    declare(fleet, "true")
    gone = "postgresql://nobody@127.0.0.1:9/none?connect_timeout=1"
    assert "127.0.0.1" in fleet.run("status", "--state", gone).ended(1).all
    fleet.run("status", "--state", "mysql://x/y").ended(64)
