"""Which of what is known of a pair counts: the state's record, or the marker as it was read."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.model.applied import Applied, Tried
from controller.model.ids import Digest, RunId
from controller.model.job import State
from controller.model.observation import MarkerSeen, ServerSeen
from controller.planning.inputs import Observed
from controller.planning.subject import outlived, record_of
from tests.planning.world import NOW

KEY = ("shop", "web-1")
LATER = NOW + timedelta(seconds=1)
RUN = Tried(digest=Digest("d2"), run=RunId("r2"), at=NOW)
BEFORE = Applied(
    target=KEY[0], server=KEY[1], applied=Digest("d1"), run=RunId("r1"), at=NOW - timedelta(days=1)
)
AT_WORK = replace(BEFORE, tried=RUN)
WELL = replace(BEFORE, applied=Digest("d2"), run=RunId("r2"), at=NOW)
BADLY = replace(BEFORE, tried=replace(RUN, state=State.FAILED))


def picked(stored: Applied | None, marker: Applied, *, refreshed: bool = False) -> Applied | None:
    seen = ServerSeen(
        server=KEY[1],
        at=LATER,
        reached=True,
        markers={KEY[0]: MarkerSeen(record=marker, sha256=Digest("m"))},
    )
    records = {} if stored is None else {KEY: stored}
    observed = Observed(records=records, servers={KEY[1]: seen}, refreshed=refreshed)
    return record_of(observed, KEY, seen)


@pytest.mark.parametrize("refreshed", [False, True])
@pytest.mark.parametrize("ended", [WELL, BADLY])
def test_a_marker_read_before_a_run_wrote_its_end_says_nothing_new(
    ended: Applied, *, refreshed: bool
) -> None:
    assert outlived(AT_WORK, ended)
    assert picked(ended, AT_WORK, refreshed=refreshed) == ended


@pytest.mark.parametrize(
    "stored",
    [
        None,
        BEFORE,
        AT_WORK,
        replace(WELL, run=RunId("r3")),
        replace(WELL, applied=Digest("d3")),
        replace(BADLY, tried=replace(RUN, run=RunId("r3"), state=State.FAILED)),
        replace(BADLY, tried=replace(RUN, digest=Digest("d3"), state=State.FAILED)),
    ],
)
def test_of_a_run_that_the_state_knows_no_end_of_the_marker_counts(stored: Applied | None) -> None:
    assert picked(stored, AT_WORK) == AT_WORK


@pytest.mark.parametrize("marker", [BEFORE, WELL, BADLY, replace(WELL, by="eve@laptop")])
def test_a_marker_of_a_run_that_is_over_counts_where_it_was_read_later(marker: Applied) -> None:
    assert picked(WELL, marker) == marker
