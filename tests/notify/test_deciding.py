"""Who is told, and when: one outage one message, its end for those who heard of it, nobody told twice."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, settings, strategies as st

from controller.model.notice import Letter, Notice, Occasion, Trouble
from controller.model.notifier import Notifier, NotifierKind
from controller.notify import deciding
from controller.notify.deciding import Decision, begun, ended, settled
from controller.notify.posting import bundles
from tests.notify.notes import NOW, a_notice

OPS = Notifier(name="ops", kind=NotifierKind.URL, url="ops-url")
DEV = Notifier(name="dev", kind=NotifierKind.URL, url="dev-url", repeat=3600.0)
NAME = "server/web-01 unreachable"
WELL = a_notice(9, occasion=Occasion.RECOVERED, problem=None, title="web-01 is back")


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


class Desk:
    """Keeps what is decided, as the outbox does."""

    def __init__(self, *notifiers: Notifier) -> None:
        self.notifiers = notifiers
        self.troubles: dict[str, Trouble] = {}
        self.letters: list[Letter] = []

    def keep(self, decision: Decision) -> list[Letter]:
        known = {letter.id for letter in self.letters}
        new = [letter for letter in decision.letters if letter.id not in known]
        self.letters += new
        for name, trouble in decision.troubles.items():
            if trouble is None:
                self.troubles.pop(name, None)
            else:
                self.troubles[name] = trouble
        return new

    def post(self, notice: Notice, now: datetime, chosen: tuple[str, ...] = ()) -> list[str]:
        name = deciding.trouble_name(notice.subject, notice.problem or "")
        decision = begun(
            notice,
            known=self.troubles.get(name),
            notifiers=self.notifiers,
            chosen=chosen,
            now=now,
        )
        return receivers(self.keep(decision))

    def over(self, now: datetime, name: str = NAME, notice: Notice = WELL) -> list[str]:
        known = self.troubles.get(name)
        decision = ended(name, notice, known=known, notifiers=self.notifiers, now=now)
        return receivers(self.keep(decision))

    def settle(self, now: datetime) -> list[str]:
        decision = settled(self.troubles, notifiers=self.notifiers, now=now)
        assert decision.again is None or decision.again > now
        return receivers(self.keep(decision))


def receivers(letters: Iterable[Letter]) -> list[str]:
    return [letter.receiver.removeprefix("notifier/") for letter in letters]


def test_a_notice_goes_to_those_who_want_the_occasion() -> None:
    desk = Desk(OPS, replace(DEV, events=frozenset({Occasion.STARTED})))
    started = a_notice(1, occasion=Occasion.STARTED, problem=None)
    assert desk.post(started, at(0)) == ["dev"]
    assert desk.post(a_notice(2), at(0)) == ["ops"]
    assert desk.letters[0].due == at(0.5)


def test_a_target_chooses_among_those_who_want_it() -> None:
    desk = Desk(OPS, DEV, replace(OPS, name="third", events=frozenset()))
    assert desk.post(a_notice(1), at(0), chosen=("dev", "third", "gone")) == ["dev"]


def test_the_same_notice_posted_again_is_one_letter() -> None:
    desk = Desk(OPS)
    failed = a_notice(1, occasion=Occasion.FAILED, problem=None)
    assert desk.post(failed, at(0)) == ["ops"]
    assert desk.post(failed, at(1)) == []


def test_a_trouble_that_stands_is_told_once() -> None:
    desk = Desk(OPS, DEV)
    assert desk.post(a_notice(1), at(0)) == ["ops", "dev"]
    assert desk.post(a_notice(1, id="n2"), at(5)) == []
    assert desk.settle(at(5)) == []
    assert desk.troubles[NAME].since == at(0)


def test_a_trouble_is_told_again_where_that_is_asked_for() -> None:
    desk = Desk(OPS, DEV)
    desk.post(a_notice(1), at(0))
    assert desk.settle(at(59)) == []
    assert desk.settle(at(60)) == ["dev"]
    assert desk.letters[-1].notices[0].title == "still: web-01 is unreachable"
    assert desk.post(a_notice(1), at(61)) == []
    assert desk.post(a_notice(1), at(120)) == ["dev"]
    assert desk.settle(at(121)) == []


def test_the_end_is_told_to_who_heard_of_the_trouble() -> None:
    desk = Desk(OPS)
    desk.post(a_notice(1), at(0))
    desk.notifiers = (OPS, DEV)
    assert desk.over(at(5)) == ["ops"]
    assert desk.over(at(6)) == []
    assert Desk(OPS).over(at(0)) == []


def test_who_wants_no_ends_is_told_none() -> None:
    desk = Desk(replace(OPS, events=frozenset({Occasion.UNREACHABLE})))
    desk.post(a_notice(1), at(0))
    assert desk.over(at(5)) == []
    assert desk.settle(at(60)) == []
    assert desk.troubles[NAME].owed == frozenset()


def test_a_trouble_that_comes_back_is_told_again() -> None:
    desk = Desk(OPS)
    desk.post(a_notice(1), at(0))
    desk.over(at(5))
    assert desk.post(a_notice(1), at(10)) == ["ops"]
    assert desk.troubles[NAME].since == at(10)


def test_a_trouble_that_comes_and_goes_is_told_as_one() -> None:
    desk = Desk(OPS)
    told = [desk.post(a_notice(1), at(0)), desk.over(at(1))]
    for minute in range(2, 40, 2):
        told += [desk.post(a_notice(1), at(minute)), desk.over(at(minute + 1))]
        assert desk.settle(at(minute + 1)) == []
    assert sum(map(len, told)) == deciding.FLAPS - 1
    assert desk.settle(at(39) + deciding.QUIET - timedelta(seconds=1)) == []
    assert desk.settle(at(39) + deciding.QUIET) == ["ops"]
    assert desk.letters[-1].notices == (WELL,)
    assert desk.settle(at(39) + deciding.QUIET * 2) == []
    desk.settle(at(39) + deciding.FLAPPING)
    assert desk.troubles == {}


def test_a_trouble_nobody_wants_to_hear_of_is_not_kept() -> None:
    desk = Desk(replace(OPS, events=frozenset()))
    assert desk.post(a_notice(1), at(0)) == []
    assert desk.troubles == {}


def test_one_outage_is_one_message() -> None:
    desk = Desk(OPS)
    for number in range(1, 41):
        desk.post(a_notice(number), NOW + timedelta(milliseconds=200 * number))
    (bundle,) = bundles(desk.letters)
    assert len(bundle.head.notices) == 40
    assert bundle.head.due == NOW + timedelta(milliseconds=200) + deciding.WINDOW


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["post", "over", "settle"]),
        st.integers(1, 3),
        st.sampled_from([0.1, 1.0, 7.0, 31.0, 70.0]),
    ),
    max_size=40,
)
NOTIFIERS = st.sampled_from(
    [(OPS,), (DEV,), (OPS, DEV), (replace(DEV, repeat=600.0), replace(OPS, events=frozenset()))]
)


def history(
    steps: Iterable[tuple[str, int, float]], notifiers: tuple[Notifier, ...]
) -> tuple[Desk, datetime, dict[str, bool]]:
    """Take steps that name servers and pauses in minutes; give how it stands, when, and what is down."""
    desk, now, down = Desk(*notifiers), NOW, dict[str, bool]()
    for number, (kind, server, minutes) in enumerate(steps):
        now += timedelta(minutes=minutes)
        notice = a_notice(server, id=f"n{number}")
        name = deciding.trouble_name(notice.subject, "unreachable")
        if kind == "post":
            desk.post(notice, now)
            down[name] = True
        elif kind == "over":
            end = replace(notice, occasion=Occasion.RECOVERED, problem=None)
            desk.over(now, name, end)
            down[name] = False
        else:
            desk.settle(now)
    return desk, now, down


def beliefs(letters: Iterable[Letter]) -> Mapping[tuple[str, str], bool]:
    """Say what each receiver believes of each server: true while it is down."""
    found: dict[tuple[str, str], bool] = {}
    for letter in letters:
        for notice in letter.notices:
            is_down = notice.occasion is Occasion.UNREACHABLE
            found[letter.receiver, f"{notice.subject} unreachable"] = is_down
    return found


@settings(deadline=None)
@given(steps=STEPS, notifiers=NOTIFIERS)
def test_nobody_is_told_twice_within_repeat(
    steps: list[tuple[str, int, float]], notifiers: tuple[Notifier, ...]
) -> None:
    desk, _, _ = history(steps, notifiers)
    repeats = {f"notifier/{one.name}": one.repeat for one in notifiers}
    told: dict[tuple[str, str], tuple[bool, datetime]] = {}
    for letter in desk.letters:
        (notice,) = letter.notices
        key, is_down = (letter.receiver, notice.subject), notice.occasion is Occasion.UNREACHABLE
        before = told.get(key)
        if before is not None and before[0] is is_down:
            repeat = repeats[letter.receiver]
            assert is_down
            assert repeat is not None
            assert letter.created_at - before[1] >= timedelta(seconds=repeat)
        told[key] = (is_down, letter.created_at)


@settings(deadline=None)
@given(steps=STEPS, notifiers=NOTIFIERS)
def test_every_trouble_that_was_told_ends_for_those_who_heard_of_it(
    steps: list[tuple[str, int, float]], notifiers: tuple[Notifier, ...]
) -> None:
    desk, now, down = history(steps, notifiers)
    desk.settle(now + deciding.QUIET)
    for (receiver, name), believed in beliefs(desk.letters).items():
        assert believed is down[name], (receiver, name)
    desk.settle(now + deciding.FLAPPING + deciding.QUIET)
    assert set(desk.troubles) <= {name for name, is_down in down.items() if is_down}


@settings(deadline=None)
@given(steps=STEPS, notifiers=NOTIFIERS)
def test_there_is_at_most_one_message_for_a_receiver_and_a_window(
    steps: list[tuple[str, int, float]], notifiers: tuple[Notifier, ...]
) -> None:
    desk, _, _ = history(steps, notifiers)
    found = [(one.head.receiver, deciding.group_of(one.head.notices[0])) for one in bundles(desk.letters)]  # fmt: skip
    assert len(found) == len(set(found))
