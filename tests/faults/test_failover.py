"""A fail-over of two real workers on PostgreSQL: one stands still in the middle of its work, the other takes over, the first wakes up.

The database itself notes who writes: a trigger keeps the name of each writing process in the order of the writes, and the epoch under
which it took the lease. So what the oracle is told comes from neither of the two.
"""

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator

import pytest

from tests.e2e.fleet import Fleet
from tests.e2e.serving import Served, serving
from tests.fakes.postgres import Cluster, cluster, postgres
from tests.faults import oracle
from tests.faults.load import Load, waited

__all__ = ["Cluster", "cluster", "postgres"]  # fixtures

pytestmark = [pytest.mark.real, pytest.mark.sweep, pytest.mark.timeout(600)]

NOTING = """
CREATE TABLE noted (seq bigserial PRIMARY KEY, who text NOT NULL, epoch bigint);
CREATE FUNCTION note_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'leases' THEN
        INSERT INTO noted (who, epoch) VALUES (current_setting('application_name'), NEW.epoch);
    ELSE
        INSERT INTO noted (who) VALUES (current_setting('application_name'));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER note_lease AFTER INSERT OR UPDATE ON leases FOR EACH ROW EXECUTE FUNCTION note_write();
CREATE TRIGGER note_event AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION note_write();
CREATE TRIGGER note_record AFTER INSERT OR UPDATE ON records FOR EACH ROW EXECUTE FUNCTION note_write();
"""
TAKEN_SECONDS = 90.0
"""A lease runs out, and whoever waits for it takes up everything."""


@contextlib.contextmanager
def noting(cluster: Cluster, url: str) -> Iterator[None]:
    """Have the database note who writes."""
    for statement in NOTING.split(";\nCREATE"):
        cluster.sql(
            url, statement if statement.lstrip().startswith("CREATE") else f"CREATE{statement}"
        )
    try:
        yield
    finally:
        cluster.sql(url, "DROP FUNCTION note_write CASCADE")


def worker(
    fleet: Fleet, url: str, name: str, token: str
) -> contextlib.AbstractContextManager[Served]:
    """Start a worker whose connections bear a name."""
    named = f"{url}&application_name={name}"
    return serving(fleet, "--state", named, "--role", "worker", token=token)


def writes(cluster: Cluster, url: str) -> list[int]:
    """Give the epochs of the writers of events and records, in the order of their writes."""
    epochs: dict[object, int] = {}
    found: list[int] = []
    for who, epoch in cluster.sql(url, "SELECT who, epoch FROM noted ORDER BY seq"):
        if isinstance(epoch, int):
            epochs[who] = epoch
        elif who in epochs:
            found.append(epochs[who])
    return found


def all_in_force(load: Load, api: Served, *said: Served) -> None:
    """Wait until everything is in force; tell what is not, where that takes too long."""
    try:
        waited(lambda: load.in_force(api), seconds=TAKEN_SECONDS)
    except TimeoutError:
        words = "\n".join(one.text for one in said)
        pytest.fail(f"still under way: {load.under_way(api)}\n{words}")


def test_a_worker_that_stood_still_while_another_took_over_writes_nothing_more(
    fleet: Fleet, cluster: Cluster, postgres: str
) -> None:
    load = Load(fleet=fleet, seed=7, targets=2)
    load.declare()
    rng = random.Random(7)  # noqa: S311 - a test is to be repeated
    with (
        noting(cluster, postgres),
        serving(fleet, "--state", postgres, "--role", "api") as api,
        serving(fleet, "--state", postgres, "--role", "scheduler", token=api.token) as scheduler,
        worker(fleet, postgres, "first", api.token) as first,
    ):
        all_in_force(load, api, first)
        for _ in range(6):
            load.post(api, rng)
        load.commit()
        scheduler.look()
        time.sleep(0.5)  # somewhere in the middle of it
        os.kill(first.process.pid, signal.SIGSTOP)
        for _ in range(3):
            load.post(api, rng)
        with worker(fleet, postgres, "second", api.token) as second:
            all_in_force(load, api, first, second)
            load.commit()
            scheduler.look()
            os.kill(first.process.pid, signal.SIGCONT)
            assert first.process.wait(timeout=TAKEN_SECONDS) != 0
            all_in_force(load, api, first, second)
            assert second.stop() == 0
        found = writes(cluster, postgres)
        accepted = {
            one for one in load.watched.accepted if api.ask(f"/api/v1/jobs/{one}")[0] == 200
        }
        runs = {one for one in load.watched.accepted if api.ask(f"/api/v1/runs/{one}")[0] == 200}
    load.look()
    print(  # noqa: T201 - figures
        f"\n{len(found)} writes under epochs {sorted(set(found))}: {len(load.watched.starts)} starts"
    )
    assert len(set(found)) == 2, "both were to write"
    oracle.epochs_apart(found)
    oracle.accepted_exist(load.watched.accepted, accepted | runs)
    oracle.started_once(load.watched.starts)
    assert "has taken over" in first.text
