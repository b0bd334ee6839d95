"""What a pair needs, told from its record, its marker, its files and what people decided."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from controller.model.applied import Applied, Tried
from controller.model.compared import Compared, Comparison
from controller.model.declaration import OnDrift
from controller.model.files import FileKind, FileSeen
from controller.model.ids import Digest, RunId
from controller.model.job import State, Trigger
from controller.model.observation import CheckSeen, ServerSeen
from controller.model.plan import Action
from controller.model.standing import Ignore, Pin, Standing
from controller.model.work import Work
from controller.planning.inputs import Policy
from controller.planning.verdict import Verdict, judge, settled
from tests.planning.delivered import (
    CONF,
    KEY,
    OLD,
    applied,
    edited,
    file,
    looked,
    subject,
    there,
    work,
)
from tests.planning.world import NOW, revision, target

OTHER = "/etc/other.conf"
FILES = (file(), file(OTHER))


def verdict(
    made: Work, seen: ServerSeen | None, record: Applied | None, policy: Policy, **more: Any
) -> Verdict | None:
    return judge(subject(made, seen, record, **more), made, {}, None, policy, now=NOW)


def told(made: Work, seen: ServerSeen | None, record: Applied | None, **more: Any) -> Verdict:
    found = verdict(made, seen, record, Policy(), **more)
    assert found is not None
    return found


def ignoring(hidden: str | None, **more: Any) -> Policy:
    one = Ignore(
        target=KEY[0],
        server=KEY[1],
        path=hidden,
        reason="tuned",
        by="ops",
        at=NOW,
        until=NOW + timedelta(days=1),
    )
    return Policy(standing=Standing(ignores=(replace(one, **more),)))


def drifting(on_drift: OnDrift = OnDrift.REPORT, policy: Policy | None = None) -> Verdict | None:
    made = work(*FILES)
    seen = looked(made, {CONF: edited(file(), b"port = 1\n")})
    binding = target(*KEY, on_drift=on_drift)
    return verdict(made, seen, applied(made), policy or Policy(), target=binding)


def test_a_pair_whose_files_lie_as_they_should_needs_nothing() -> None:
    made = work(*FILES, checkout="/srv/shop")
    assert verdict(made, looked(made), applied(made), Policy()) is None


def test_a_file_changed_by_hand_is_drift() -> None:
    found = drifting()
    assert found is not None
    assert (found.action, found.drift) == (Action.NONE, f"{CONF}: content differs")
    assert [one.path for one in found.files] == [CONF]
    assert found.before == work(*FILES).digest


def test_drift_of_files_is_repaired_reported_or_not_looked_at() -> None:
    healed = drifting(OnDrift.HEAL)
    assert healed is not None
    assert (healed.action, healed.trigger) == (Action.REPAIR, Trigger.DRIFT)
    asked = drifting(OnDrift.REPORT, Policy(heal=True))
    assert asked is not None
    assert asked.action is Action.REPAIR
    assert drifting(OnDrift.IGNORE, Policy(heal=True)) is None


def test_a_failing_check_and_files_are_told_in_one_line() -> None:
    made = work(*(file(f"/etc/{n}") for n in range(5)))
    bad = {one.path: edited(one, b"x") for one in made.files}
    check = CheckSeen(digest=made.digest, exit_code=1, output="gone", at=NOW)
    found = told(made, looked(made, bad, checks={KEY[0]: check}), applied(made))
    assert found.drift == (
        "check exited 1: gone; /etc/0: content differs; /etc/1: content differs; and 3 more"
    )


def test_ignored_drift_is_hidden_and_said_to_be() -> None:
    for path in (CONF, None):
        found = drifting(OnDrift.HEAL, ignoring(path))
        assert found is not None
        assert (found.action, found.drift, found.files) == (Action.NONE, None, ())
        what = "drift" if path is None else f"drift of {CONF}"
        assert found.notes == (f"{what} is ignored until 2026-03-02 12:00 UTC by ops: tuned",)


def test_a_repair_says_that_it_overwrites_what_was_ignored() -> None:
    made = work(*FILES)
    both = {path: edited(file(path), b"x") for path in (CONF, OTHER)}
    binding = target(*KEY, on_drift=OnDrift.HEAL)
    found = verdict(made, looked(made, both), applied(made), ignoring(OTHER), target=binding)
    assert found is not None
    assert (found.action, found.drift) == (Action.REPAIR, f"{CONF}: content differs")
    assert found.notes[1:] == (f"the repair overwrites {OTHER}, too",)


@pytest.mark.parametrize(
    "odd",
    [{"until": NOW}, {"target": "other"}, {"server": "web-2"}, {"path": OTHER}],
)
def test_what_is_ignored_elsewhere_or_was_until_now_hides_nothing(odd: dict[str, Any]) -> None:
    found = drifting(OnDrift.REPORT, ignoring(CONF, **odd))
    assert found is not None
    assert found.drift is not None
    assert found.notes == ()


def test_without_a_time_nothing_is_ignored() -> None:
    made = work(*FILES)
    seen = looked(made, {CONF: edited(file(), b"x")})
    found = judge(subject(made, seen, applied(made)), made, {}, None, ignoring(None))
    assert found is not None
    assert found.drift is not None


PATHS = [f"/etc/{n}" for n in range(4)]


@given(st.sets(st.sampled_from(PATHS)), st.sampled_from(PATHS))
def test_ignoring_a_path_never_hides_another(changed: set[str], hidden: str) -> None:
    made = work(*(file(path) for path in PATHS))
    seen = looked(made, {path: edited(file(path), b"x") for path in changed})
    found = verdict(made, seen, applied(made), ignoring(hidden))
    shown = set() if found is None else {one.path for one in found.files}
    assert shown == changed - {hidden}
    assert (found is not None and found.drift is not None) == bool(shown)


def test_a_file_that_cannot_be_read_is_remarked_on_and_runs_nothing() -> None:
    made = work(*FILES)
    seen = looked(made, {CONF: FileSeen(path=CONF, kind=FileKind.UNREADABLE)})
    found = told(made, seen, applied(made), target=target(*KEY, on_drift=OnDrift.HEAL))
    assert (found.action, found.drift, found.unknown) == (Action.NONE, None, False)
    assert found.notes == (f"{CONF} not compared (it could not be read)",)


def test_changed_inputs_tell_what_will_be_written_and_what_will_be_lost() -> None:
    before, now = work(*FILES), work(file(content=b"port = 81\n"), file(OTHER))
    seen = looked(now, {CONF: edited(file(), b"by hand\n")}, record=applied(before))
    found = told(now, seen, applied(before))
    assert (found.action, found.inputs) == (Action.CHANGE, (f"files.{CONF}.content",))
    assert found.reason == f"content of {CONF} changed"
    assert [(one.path, one.drift) for one in found.files] == [(CONF, False)]
    assert found.notes == (f"overwrites a change of {CONF} made by hand",)
    assert (found.cause.file, found.cause.line) == ("pipelines/shop.yaml", 40)


def test_a_first_run_tells_all_it_writes() -> None:
    made = work(*FILES)
    missing = {path: FileSeen(path=path, kind=FileKind.MISSING) for path in (CONF, OTHER)}
    found = told(made, looked(made, missing, markers={}), None)
    assert (found.action, found.reason) == (Action.ADD, "first time: no record and no marker")
    assert [one.what for one in found.files] == ["new file, 10 bytes"] * 2


def test_a_run_after_one_that_failed_calls_nothing_made_by_hand() -> None:
    made = work(*FILES)
    tried = Tried(digest=Digest("f" * 64), run=RunId("r2"), at=NOW, state=State.FAILED)
    record = applied(made, tried=tried)
    found = told(made, looked(made, {CONF: edited(file(), b"half")}, record=record), record)
    assert [one.path for one in found.files] == [CONF]
    assert found.notes == ()


def test_a_look_before_a_try_says_nothing_of_what_is_there() -> None:
    made = work(file())
    tried = Tried(digest=Digest("f" * 64), run=RunId("r2"), at=NOW + timedelta(minutes=1))
    record = applied(made, tried=tried)
    found = told(made, looked(made, record=record), record)
    assert [one.what for one in found.files] == ["written (nobody looked what is there)"]


def test_a_secret_in_a_file_with_another_value_is_a_change_of_that_file() -> None:
    made = work(file(secrets=("db",)), file(OTHER))
    compared = {"db": Compared(comparison=Comparison.CHANGED)}
    found = judge(
        subject(made, looked(made), applied(made)), made, compared, None, Policy(), now=NOW
    )
    assert found is not None
    assert (found.action, found.inputs) == (Action.CHANGE, (f"files.{CONF}.content",))
    assert [(one.path, one.what) for one in found.files] == [(CONF, "changed (secret)")]


def test_a_marker_that_is_gone_is_said_and_runs_as_the_first_time() -> None:
    made = work()
    seen = looked(made, markers={})
    found = told(made, seen, None, stored=applied(made))
    assert found.action is Action.ADD
    assert found.reason == "its marker is gone: the server was rebuilt, or somebody deleted it"
    blank = Applied(target=KEY[0], server=KEY[1])
    assert told(made, looked(made), blank, stored=applied(made)).reason == (
        "first time: its marker there says nothing"
    )


def test_a_marker_of_another_state_says_who_deployed() -> None:
    made = work(a=1)
    theirs = applied(work(a=2), run=RunId("r9"), by="eve@laptop")
    found = told(made, looked(made, record=theirs), theirs, stored=applied(made))
    assert found.reason == (
        "a changed; in force is run r9 by eve@laptop at 2026-03-01 12:00 UTC, not by this state"
    )
    mine = told(made, looked(made, record=theirs), theirs, stored=theirs)
    assert mine.reason == "a changed"
    fresh = told(made, looked(made, record=theirs), theirs, stored=None)
    assert fresh.reason == "a changed"


def pinned(**more: Any) -> Policy:
    back = revision(1)
    pin = Pin(
        target=KEY[0],
        repo="shop",
        commit=back.sha,
        bad=OLD,
        files=(),
        reason="errors",
        by="ops",
        at=NOW,
    )
    return Policy(standing=Standing(pins={KEY[0]: replace(pin, **more)}))


def rolled(policy: Policy, **more: Any) -> Verdict:
    now, before = work(source=1), work(source=2)
    record = applied(before, **more)
    seen = looked(now, record=record)
    found = judge(subject(now, seen, record), now, {}, revision(1), policy, now=NOW)
    assert found is not None
    return found


def test_a_rollback_is_its_own_trigger_with_who_and_why() -> None:
    found = rolled(pinned())
    assert found.trigger is Trigger.ROLLBACK
    assert found.reason == "rolled back to 0000001 by ops: errors"
    tried = Tried(digest=Digest("f" * 64), run=RunId("r2"), at=NOW, state=State.FAILED)
    failed = rolled(pinned(), tried=tried)
    assert failed.trigger is Trigger.ROLLBACK
    assert failed.reason == "rolled back to 0000001 by ops: errors; run r2 of other inputs failed"


@pytest.mark.parametrize(
    "policy", [Policy(), pinned(until=NOW), pinned(commit=OLD)], ids=["none", "over", "elsewhere"]
)
def test_without_a_pin_that_stands_nothing_is_a_rollback(policy: Policy) -> None:
    assert rolled(policy).trigger is Trigger.INPUTS


def test_a_change_under_a_pin_that_is_already_applied_is_no_rollback() -> None:
    assert rolled(pinned(), commit=revision(1).sha).trigger is Trigger.INPUTS


def test_only_what_nothing_can_be_said_of_is_settled_quickly() -> None:
    plain = work(a=1)
    quiet = ServerSeen(server=KEY[1], at=NOW, reached=True)
    assert settled(plain, applied(plain), quiet, KEY[0])
    assert settled(plain, applied(plain), None, KEY[0])
    assert not settled(plain, None, quiet, KEY[0])
    assert not settled(plain, applied(work(a=2)), quiet, KEY[0])
    files = work(file())
    assert not settled(files, applied(files), looked(files), KEY[0])
    secret = work(file(secrets=("db",)))
    assert not settled(secret, applied(secret), None, KEY[0])
    tried = Tried(digest=plain.digest, run=RunId("r"), at=NOW)
    assert not settled(plain, applied(plain, tried=tried), quiet, KEY[0])


def test_a_retry_tells_what_differs_as_well() -> None:
    made = work(*FILES)
    seen = looked(made, {OTHER: there(file(OTHER), mode="0600")})
    found = verdict(made, seen, applied(made), Policy(retry=frozenset({KEY})))
    assert found is not None
    assert found.action is Action.RUN
    assert [(one.path, one.drift) for one in found.files] == [(OTHER, True)]
