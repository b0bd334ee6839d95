"""Git servers that lie, stall and never end, beside one that is well: what is in force stays so, and nobody else waits."""

from contextlib import ExitStack

import pytest

from tests.e2e.fleet import Fleet
from tests.e2e.serving import serving
from tests.fakes import git_liars
from tests.faults.books import judge, read_books
from tests.faults.left import Left, held, nothing_grew, nothing_left
from tests.faults.load import Load, command, waited
from tests.faults.test_disk import TRUE_SECONDS

LIARS = {
    "refs": git_liars.endless_refs,
    "pack": git_liars.telling(git_liars.COMMIT, git_liars.endless_pack),
    "cut": git_liars.telling(git_liars.COMMIT, git_liars.cut_pack),
    "noise": git_liars.noise,
    "still": git_liars.stalling,
}
LARGEST = 64 << 20
"""Bytes that may lie in the state folder afterwards."""


@pytest.mark.sweep
@pytest.mark.real
@pytest.mark.timeout(600)
def test_servers_that_lie_keep_nobody_else_waiting(fleet: Fleet) -> None:
    load = Load(fleet=fleet, seed=7, targets=1)
    load.declare()
    before = Left.of(fleet.folder)
    with ExitStack() as stack:
        urls = {name: stack.enter_context(git_liars.lying(liar)) for name, liar in LIARS.items()}
        repos = "".join(f"  {name}: {{url: '{url}', interval: 1m}}\n" for name, url in urls.items())
        task = command(load.starts)
        targets = "".join(
            f"  b-{name}: {{servers: here, task: b, repo: {name}}}\n" for name in urls
        )
        fleet.declare(
            pipelines__bad_yaml=(
                f"repos:\n{repos}tasks: {{b: {{run: '{task}'}}}}\ntargets:\n{targets}"
            ),
        )
        with serving(fleet) as served:
            waited(lambda: load.in_force(served), seconds=TRUE_SECONDS)
            had = held(served.process.pid)
            for _ in range(3):
                load.commit()
                served.look()
                waited(lambda: load.in_force(served), seconds=TRUE_SECONDS)
            nothing_grew(had, held(served.process.pid), room=40)
            assert served.stop(seconds=60.0) == 0
    size = sum(path.stat().st_size for path in fleet.state.rglob("*") if path.is_file())
    assert size < LARGEST, f"{size} bytes lie in the state folder"
    load.look()
    load.watched.said = [served.text]
    books = read_books(fleet.state)
    judge(books, load.watched)
    assert {job.target for job in books.jobs.values()} == {"t0"}
    assert "Traceback" not in served.text, served.text
    nothing_left(before, Left.of(fleet.folder))
