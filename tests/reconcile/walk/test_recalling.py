"""What is known of a server between two looks: the look before, what jobs wrote since, and nothing that a short failure took away."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.model.applied import Applied, Tried
from controller.model.ids import Digest, RunId
from controller.model.observation import ServerSeen
from controller.model.serving import Contact
from controller.reconcile.walk.recalling import as_it_is, marker_of
from tests.fakes.clocks import START

HOUR = timedelta(hours=1)
RECORD = Applied(target="shop", server="web-1", applied=Digest("ab" * 32), at=START)
LOOK = ServerSeen(server="web-1", at=START + HOUR, reached=True)
FAILED = ServerSeen(server="web-1", at=START + 3 * HOUR, reached=False, message="no route")
CONTACT = Contact(
    server="web-1",
    reached=True,
    since=START,
    checked_at=START + 2 * HOUR,
    login_at=START + 2 * HOUR,
)
"""As the looks of the loop left it: the last one answered."""


def test_a_look_after_a_job_is_believed_before_the_record_of_the_job() -> None:
    assert as_it_is(LOOK, CONTACT, {"shop": RECORD}).markers == {}


@pytest.mark.parametrize("wrote", [LOOK.at, LOOK.at + HOUR])
def test_what_a_job_wrote_since_the_look_is_there(wrote: object) -> None:
    record = replace(RECORD, at=wrote)  # type: ignore[arg-type]
    assert as_it_is(LOOK, CONTACT, {"shop": record}).markers == {"shop": marker_of(record)}


def test_a_look_between_the_end_of_a_job_and_its_marker_says_not_that_the_job_goes_on() -> None:
    digest = Digest("ab" * 32)
    done = replace(RECORD, run=RunId("r1"))
    tried = Tried(digest=digest, run=RunId("r1"), at=START)
    at_work = replace(RECORD, applied=None, tried=tried)
    marker = marker_of(at_work)
    assert marker is not None
    early = replace(LOOK, markers={"shop": marker})
    assert as_it_is(early, CONTACT, {"shop": done}).markers == {"shop": marker_of(done)}
    other = replace(done, run=RunId("r2"))
    assert as_it_is(early, CONTACT, {"shop": other}).markers == {"shop": marker}


def test_one_failure_takes_no_marker_away() -> None:
    known = as_it_is(FAILED, CONTACT, {"shop": RECORD})
    assert known.reached
    assert known.markers == {"shop": marker_of(RECORD)}


def test_a_server_that_is_down_or_never_answered_stays_away() -> None:
    for contact in (None, replace(CONTACT, down=True), replace(CONTACT, login_at=None)):
        assert as_it_is(FAILED, contact, {"shop": RECORD}) == FAILED
