"""Letters go out in their order, together where they belong together, and are given up after a day."""

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, strategies as st

from controller.model.notice import Delivery, Letter
from controller.notify import posting
from controller.notify.posting import bundles, delay, due_of, failed, postponed, sent
from controller.notify.trouble import NotifyError
from tests.notify.notes import NOW, a_notice

BUSY = NotifyError("it answers 503")


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def a_letter(number: int = 1, **changes: object) -> Letter:
    values: dict[str, object] = {
        "id": f"l{number:03d}",
        "receiver": "notifier/ops",
        "created_at": at(number),
        "due": at(number + 30),
        "notices": (a_notice(number),),
    }
    return Letter(**(values | changes))  # type: ignore[arg-type]


def a_status(number: int, state: str, **changes: object) -> Letter:
    status = {"repo": "shop", "commit": "c1", "context": "ctl/shop", "state": state}
    values = {"receiver": "forge/shop", "notices": (), "status": status, "due": at(number)}
    return a_letter(number, **(values | changes))


def test_letters_of_one_group_are_one_message_due_with_its_first() -> None:
    (bundle,) = bundles([a_letter(2), a_letter(1), a_letter(3)])
    assert bundle.head.id == "l001"
    assert bundle.head.due == at(31)
    assert [notice.id for notice in bundle.head.notices] == ["n1", "n2", "n3"]
    assert [one.state for one in bundle.letters] == [Delivery.WAITING, *[Delivery.MERGED] * 2]


def test_other_receivers_and_groups_get_messages_of_their_own() -> None:
    other = a_letter(2, receiver="notifier/dev")
    target = a_letter(3, notices=(a_notice(3, subject="target/shop"),))
    grouped = a_letter(4, notices=(a_notice(4, subject="target/blog", group="target/shop"),))
    made = bundles([a_letter(1), other, target, grouped])
    assert [[one.id for one in bundle.letters] for bundle in made] == [
        ["l001"],
        ["l002"],
        ["l003", "l004"],
    ]


def test_what_comes_after_a_letter_that_failed_waits_with_it() -> None:
    tried = failed(a_letter(1), BUSY, at(31), jitter=1.0)
    (bundle,) = bundles([tried, a_letter(2)])
    assert bundle.head.due == tried.due == at(41)
    assert bundle.head.tries == 1


def test_messages_about_servers_keep_their_distance() -> None:
    (servers,) = bundles([a_letter(1)])
    (target,) = bundles([a_letter(1, notices=(a_notice(1, subject="target/shop"),))])
    assert due_of(servers, None) == due_of(target, at(10)) == at(31)
    assert due_of(servers, at(10)) == at(10) + posting.SPACING
    assert due_of(servers, at(-900)) == at(31)


def test_a_message_does_not_grow_without_an_end() -> None:
    many = [a_letter(number) for number in range(posting.TOGETHER + 10)]
    (bundle,) = bundles(many)
    assert len(bundle.head.notices) == posting.TOGETHER
    assert len(bundle.letters) == posting.TOGETHER


def test_of_statuses_of_one_commit_only_the_newest_goes_out() -> None:
    (bundle,) = bundles([a_status(1, "pending"), a_status(2, "failure")])
    assert bundle.head.status["state"] == "failure"
    assert [one.state for one in bundle.merged] == [Delivery.MERGED]
    other = a_status(3, "pending", status={"repo": "shop", "commit": "c2", "context": "ctl/shop"})
    assert len(bundles([a_status(1, "pending"), other])) == 2


def test_a_newer_status_keeps_to_the_pause_of_the_one_before() -> None:
    tried = failed(a_status(1, "pending"), BUSY, at(1), jitter=1.0)
    (bundle,) = bundles([tried, a_status(2, "failure")])
    assert bundle.head.status["state"] == "failure"
    assert bundle.head.due == tried.due


def test_what_was_taken_is_noted() -> None:
    after = sent(replace(a_letter(1), tries=2, error="it answers 503"), at(99))
    assert (after.state, after.tries, after.sent_at, after.error) == (
        Delivery.SENT,
        3,
        at(99),
        None,
    )


def test_what_is_refused_for_good_is_given_up_at_once() -> None:
    after = failed(a_letter(1), NotifyError("it answers 404", permanent=True), at(31), jitter=0)
    assert (after.state, after.tries, after.error) == (Delivery.DEAD, 1, "it answers 404")


def test_a_letter_is_tried_for_a_day_and_then_given_up() -> None:
    letter, now, tries = a_letter(1), at(31), 0
    while letter.state is Delivery.WAITING:
        letter = failed(letter, BUSY, now, jitter=0.5)
        assert letter.due >= now
        now, tries = letter.due, tries + 1
    assert letter.state is Delivery.DEAD
    assert timedelta(hours=22) < now - letter.created_at <= posting.GIVEN_UP
    assert 20 < tries < 60


def test_a_receiver_that_asks_for_time_gets_it() -> None:
    after = failed(a_letter(1), NotifyError("", retry_after=7000.0), at(31), jitter=0)
    assert after.due == at(7031)
    late = failed(a_letter(1), NotifyError("", retry_after=9e9), at(31), jitter=0)
    assert late.state is Delivery.DEAD


def test_waiting_with_another_letter_is_no_try() -> None:
    letter = a_letter(1)
    assert postponed(letter, at(500)) == replace(letter, due=at(500))
    assert postponed(letter, at(5)) == letter


@given(tries=st.integers(1, 10_000), jitter=st.floats(0, 1), asked=st.none() | st.floats(0, 1e12))
def test_pauses_grow_up_to_a_bound(tries: int, jitter: float, asked: float | None) -> None:
    seconds = delay(tries, jitter=jitter, asked=asked)
    assert seconds >= posting.FIRST / 2
    assert seconds >= min(asked or 0, 86_400)
    assert seconds <= max(posting.LONGEST, 2 * 86_400)
