"""A clue says no more than it can."""

from datetime import UTC, datetime, timedelta

from controller.model.applied import Applied
from controller.model.evidence import Command, Confidence, Evidence, Login, PathTimes
from controller.model.ids import Digest, RunId
from controller.planning.clues import MOST, clues_of, clues_of_marker

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONF = "/etc/shop.conf"
MINUTE = timedelta(minutes=1)


def evidence(
    *,
    owner: str = "root",
    changed: datetime = NOON,
    gone: bool = False,
    logins: tuple[Login, ...] = (),
    commands: tuple[Command, ...] = (),
) -> Evidence:
    times = PathTimes(modified=NOON, changed=changed, owner=owner, gone=gone)
    return Evidence(paths={CONF: times}, logins=logins, commands=commands)


def ran(command: str, before: timedelta) -> Command:
    return Command(who="oncall", at=NOON - before, user="root", command=command)


def said(found: Evidence) -> list[tuple[str, str]]:
    return [(clue.confidence.value, clue.said) for clue in clues_of(CONF, found)]


def test_a_command_that_names_the_file_is_likelier_than_another() -> None:
    commands = (ran("/bin/ls", MINUTE), ran(f"/usr/bin/vi {CONF}", 5 * MINUTE))
    assert said(evidence(commands=commands)) == [
        ("likely", "last written at 2026-03-01 12:00:00 UTC, owned by root"),
        ("likely", f"oncall ran as root at 2026-03-01 11:55:00 UTC: /usr/bin/vi {CONF}"),
        ("possible", "oncall ran as root at 2026-03-01 11:59:00 UTC: /bin/ls"),
    ]


def test_commands_of_another_time_say_nothing() -> None:
    commands = (ran(f"vi {CONF}", 11 * MINUTE), ran(f"vi {CONF}", -2 * MINUTE))
    assert len(said(evidence(commands=commands))) == 1


def test_a_change_of_the_mode_counts_by_its_own_time() -> None:
    later = NOON + timedelta(hours=5)
    chmod = ran(f"chmod 600 {CONF}", -timedelta(hours=5))
    found = said(evidence(changed=later, commands=(chmod,)))
    assert ("likely", "mode, owner or times were changed at 2026-03-01 17:00:00 UTC") in found
    assert any(f"chmod 600 {CONF}" in text for _, text in found)


def test_who_was_logged_in_is_possible_and_likely_only_as_the_owner() -> None:
    logins = (
        Login(who="oncall", start=NOON - MINUTE, origin="203.0.113.7", line="pts/0"),
        Login(who="deploy", start=NOON - MINUTE, end=NOON + MINUTE, line="pts/1"),
        Login(who="early", start=NOON - 9 * MINUTE, end=NOON - 5 * MINUTE, line="pts/2"),
        Login(who="late", start=NOON + 5 * MINUTE, line="pts/3"),
    )
    found = said(evidence(owner="deploy", logins=logins))
    assert ("likely", "deploy was logged in then, since 2026-03-01 11:59:00 UTC") in found
    assert (
        "possible",
        "oncall was logged in then from 203.0.113.7, since 2026-03-01 11:59:00 UTC",
    ) in found
    assert len(found) == 3


def test_one_session_that_last_and_who_tell_of_is_one() -> None:
    login = Login(who="oncall", start=NOON - MINUTE, line="pts/0")
    again = Login(who="oncall", start=NOON - MINUTE + timedelta(seconds=9), line="pts/0")
    assert len(said(evidence(logins=(login, again)))) == 2


def test_a_file_that_is_gone_has_only_the_time_of_its_folder() -> None:
    assert said(evidence(gone=True)) == [
        ("possible", "gone; its folder was last changed at 2026-03-01 12:00:00 UTC")
    ]


def test_there_are_never_very_many() -> None:
    commands = tuple(ran(f"vi {CONF} {n}", MINUTE) for n in range(50))
    logins = tuple(Login(who=f"u{n}", start=NOON - MINUTE) for n in range(50))
    assert len(said(evidence(commands=commands, logins=logins))) == 2 * MOST + 1


def test_a_path_that_nobody_could_see_has_no_clues() -> None:
    assert clues_of("/other", evidence()) == ()


def record(run: str | None, by: str = "ops@laptop") -> Applied:
    return Applied(
        target="t",
        server="s",
        applied=Digest("d" * 64),
        run=None if run is None else RunId(run),
        by=by,
        at=NOON,
    )


def test_the_marker_of_another_controller_is_certain() -> None:
    (clue,) = clues_of_marker(record("mine"), record("theirs"))
    assert clue.confidence is Confidence.CERTAIN
    assert clue.said == (
        "run theirs by ops@laptop at 2026-03-01 12:00:00 UTC, which this state does not know"
    )


def test_a_marker_that_is_known_or_never_was_says_nothing() -> None:
    assert clues_of_marker(record("mine"), record("mine")) == ()
    assert clues_of_marker(None, None) == ()


def test_a_marker_that_is_gone_is_told() -> None:
    (clue,) = clues_of_marker(record("mine"), None)
    assert "rebuilt" in clue.said
    assert clue.confidence is Confidence.LIKELY
