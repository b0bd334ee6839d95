"""What a commit status says: never green too early, never silent about what went wrong."""

import pytest
from hypothesis import given, strategies as st

from controller.model.job import State
from controller.notify.forges.statuses import (
    LONGEST,
    LONGEST_CONTEXT,
    NOT_DONE,
    WENT_WRONG,
    Light,
    status_of,
)

GOOD, BAD, RUNNING, LOST = State.SUCCEEDED, State.FAILED, State.RUNNING, State.LOST


@pytest.mark.parametrize(
    ("states", "healthy", "light", "description"),
    [
        ([], None, Light.PENDING, "nothing has run yet"),
        ([], True, Light.SUCCESS, "in sync"),
        ([State.PENDING], None, Light.PENDING, "1 server: 1 pending"),
        ([GOOD, RUNNING], True, Light.PENDING, "2 servers: 1 running, 1 succeeded"),
        ([GOOD, GOOD], None, Light.PENDING, "2 servers: 2 succeeded, health not known yet"),
        ([GOOD, GOOD], True, Light.SUCCESS, "2 servers: 2 succeeded"),
        ([GOOD, GOOD], False, Light.FAILURE, "2 servers: unhealthy, 2 succeeded"),
        ([GOOD, BAD, RUNNING], None, Light.FAILURE, "3 servers: 1 failed, 1 running, 1 succeeded"),
        ([State.TIMED_OUT], None, Light.FAILURE, "1 server: 1 timed out"),
        ([GOOD, LOST], True, Light.ERROR, "2 servers: 1 lost, 1 succeeded"),
        ([State.SKIPPED, BAD], True, Light.FAILURE, "2 servers: 1 failed, 1 skipped"),
    ],
)
def test_a_status_counts_the_servers_and_begins_with_what_went_wrong(
    states: list[State], healthy: bool | None, light: Light, description: str
) -> None:
    status = status_of("shop-prod", states, healthy=healthy, url="https://ctl.example.com/runs/1")
    assert (status.state, status.description) == (light, description)
    assert (status.context, status.url) == ("ctl/shop-prod", "https://ctl.example.com/runs/1")


STATES = st.lists(st.sampled_from(State))


@given(STATES, st.sampled_from([True, False, None]))
def test_green_needs_every_end_good_and_known_health(
    states: list[State], healthy: bool | None
) -> None:
    light = status_of("x", states, healthy=healthy).state
    assert (light is Light.SUCCESS) == (healthy is True and set(states) <= {GOOD})
    if set(states) & WENT_WRONG:
        assert light is Light.FAILURE
    elif set(states) & NOT_DONE:
        assert light in {Light.ERROR, Light.FAILURE}


@given(st.text(max_size=400), STATES)
def test_a_status_fits_into_every_forge(target: str, states: list[State]) -> None:
    status = status_of(target, states, healthy=None)
    assert len(status.description) <= LONGEST
    assert len(status.context) <= LONGEST_CONTEXT
