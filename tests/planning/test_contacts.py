import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st

from controller.errors import Unreachable
from controller.model.inventory import Check
from controller.model.observation import ServerSeen
from controller.model.serving import Contact
from controller.planning.contacts import FLAPS, SPREAD, Turn, due_look, met, turn

START = datetime(2026, 12, 1, tzinfo=UTC)
USUAL = Check()
MINUTE = timedelta(minutes=1)


def saw(at: datetime, *, reached: bool = True) -> ServerSeen:
    cause = None if reached else Unreachable.TCP
    return ServerSeen(
        server="web-1", at=at, reached=reached, cause=cause, message="" if reached else "refused"
    )


def after(*outcomes: bool, check: Check = USUAL) -> list[Contact]:
    """Give the contact after each look, one a minute."""
    contacts: list[Contact] = []
    for number, reached in enumerate(outcomes):
        before = contacts[-1] if contacts else None
        contacts.append(met(before, saw(START + number * MINUTE, reached=reached), check))
    return contacts


def test_a_server_that_answers_is_up_since_it_first_did() -> None:
    first, second = after(True, True)
    assert (first.reached, first.since, first.login_at) == (True, START, START)
    assert (second.since, second.checked_at) == (START, START + MINUTE)
    assert second.login_at == START + MINUTE
    assert second.flaps == ()


def test_it_is_down_only_after_all_retries() -> None:
    contacts = after(True, False, False, False, False)
    assert [one.down for one in contacts] == [False, False, False, False, True]
    assert [one.failures for one in contacts] == [0, 1, 2, 3, 4]
    assert contacts[-1].since == START + MINUTE
    assert contacts[-1].login_at == START
    assert contacts[-1].cause is Unreachable.TCP
    turns = [
        turn(None, contacts[0]),
        *(turn(one, two) for one, two in itertools.pairwise(contacts)),
    ]
    assert turns == [Turn.NOTHING] * 4 + [Turn.DOWN]


def test_without_retries_the_first_failure_counts() -> None:
    (only,) = after(False, check=Check(retries=0))
    assert only.down
    assert turn(None, only) is Turn.DOWN


def test_what_comes_back_was_down_since_it_first_failed() -> None:
    contacts = after(True, False, False, False, False, True)
    assert turn(contacts[-2], contacts[-1]) is Turn.BACK
    assert contacts[-1].down_seconds == 240.0
    assert contacts[-1].flaps == (START + MINUTE, START + 5 * MINUTE)
    assert (contacts[-1].cause, contacts[-1].message, contacts[-1].failures) == (None, "", 0)


def test_one_failure_that_a_retry_makes_good_is_no_downtime_but_a_flap() -> None:
    contacts = after(True, False, True)
    assert contacts[-1].down_seconds == 0.0
    assert len(contacts[-1].flaps) == 2
    assert turn(contacts[1], contacts[2]) is Turn.NOTHING


def test_only_so_many_flaps_are_kept() -> None:
    contacts = after(*(number % 2 == 0 for number in range(100)))
    assert contacts[-1].flaps == tuple(START + n * MINUTE for n in range(100 - FLAPS, 100))


def test_what_was_never_seen_is_due_now_and_what_failed_after_the_delay() -> None:
    now = START + MINUTE
    assert due_look(None, USUAL, now) == now
    (failed,) = after(False)
    assert due_look(failed, USUAL, now) == START + timedelta(minutes=5)
    (reached,) = after(True)
    wanted = due_look(reached, USUAL, now)
    assert START + timedelta(hours=12 * (1 - SPREAD)) <= wanted <= START + timedelta(hours=12)


def test_what_is_down_is_looked_at_ever_more_rarely() -> None:
    contacts = after(*[False] * 14)
    pauses = [due_look(one, USUAL, one.checked_at) - one.checked_at for one in contacts[2:]]
    assert pauses[:4] == [timedelta(minutes=5 * 2**n) for n in range(4)]
    assert pauses == sorted(pauses[:9]) + pauses[9:]
    assert all(pause >= timedelta(hours=10.8) for pause in pauses[9:])


def test_a_clock_that_was_ahead_keeps_no_server_from_being_seen() -> None:
    (future,) = after(True)
    now = START - timedelta(days=300)
    assert due_look(future, USUAL, now) == now


def test_servers_that_were_seen_together_are_not_seen_together_again() -> None:
    dues = {
        due_look(
            met(None, ServerSeen(server=f"web-{number}", at=START, reached=True), USUAL),
            USUAL,
            START,
        )
        for number in range(100)
    }
    assert len(dues) > 50
    assert max(dues) - min(dues) > timedelta(minutes=30)


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(0, 5))
def test_downtime_flaps_and_turns_fit_what_was_seen(outcomes: list[bool], retries: int) -> None:
    check = Check(retries=retries)
    contacts = after(*outcomes, check=check)
    turns = [turn(one, two) for one, two in zip([None, *contacts], contacts, strict=False)]
    told = [one for one in turns if one is not Turn.NOTHING]
    # What people hear alternates, and begins with a server that is down.
    assert told == [Turn.DOWN, Turn.BACK] * (len(told) // 2) + [Turn.DOWN] * (len(told) % 2)
    last = contacts[-1]
    assert last.down == (outcomes[-retries - 1 :] == [False] * (retries + 1))
    assert len(last.flaps) == min(
        FLAPS, sum(one != two for one, two in itertools.pairwise(outcomes))
    )
    assert 0 <= last.down_seconds <= 60.0 * len(outcomes)
    assert (last.down_seconds > 0) == (Turn.BACK in told)
