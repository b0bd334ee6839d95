"""Every gate holds with exit 4, says what clears it, and is cleared by exactly that."""

import json
import re
import shlex
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.fleet import Fleet, Seen, finished, wait_for
from tests.fakes.repositories import Repository

pytestmark = pytest.mark.sweep

TEXT = """\
tasks:
  work: {{run: 'echo {n} >> {log}'}}
targets:
  t: {{servers: here, task: work{more}}}
"""


def declare(fleet: Fleet, more: str = "", n: int = 1, rest: str = "") -> None:
    fleet.declare(TEXT.format(n=n, log=fleet.folder / "log", more=more and ", " + more) + rest)


def lines(fleet: Fleet) -> list[str]:
    log = fleet.folder / "log"
    return log.read_text().split() if log.exists() else []


def gate_of(fleet: Fleet, target: str = "t", server: str = "here") -> tuple[str | None, str]:
    """Ask `ctl why`: the gate that holds, and what clears it."""
    made = fleet.ctl("why", target, server, "-o", "json").ended(0).json
    return made["blocked_by"], made["clear"] or ""  # type: ignore[return-value]


def held(fleet: Fleet, gate: str, *, code: int = 4) -> str:
    """Demand that a gate holds the one pair, in `plan`, `why` and `apply` alike; give what clears it."""
    before = lines(fleet)
    plan = fleet.ctl("plan", "-o", "json").ended(0).json
    changes = plan["changes"]
    assert isinstance(changes, list)
    assert [one["blocked_by"]["gate"] for one in changes] == [gate]
    assert "1 blocked" in fleet.ctl("plan", "--detailed-exitcode").ended(4).summary
    found, clear = gate_of(fleet)
    assert found == gate
    assert clear
    assert clear in fleet.ctl("why", "t", "here").out
    assert clear in fleet.ctl("plan").out
    fleet.ctl("apply", "-y").ended(code)
    assert lines(fleet) == before
    return clear


def typed(fleet: Fleet, clear: str, *more: str, **words: str) -> Seen:
    """Type what clears a gate, its capital words filled in."""
    for name, value in {"TEXT": "because", **words}.items():
        clear = clear.replace(name, value)
    found = re.search(r"ctl (.+)$", clear)
    assert found, clear
    return fleet.ctl(*shlex.split(found[1]), *more)


def clock(fleet: Fleet, minutes: int, zone: str = "UTC") -> str:
    """A cron line that is due in so many minutes from now."""
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    return f"{at.minute} {at.hour} * * *" if zone == "UTC" else ""


def test_a_suspended_target_waits_without_an_error_until_it_is_resumed(fleet: Fleet) -> None:
    declare(fleet)
    fleet.ctl("suspend", "t").ended(64)  # a reason is needed
    fleet.ctl("suspend", "t", "--reason", "audit", "--until", "2h").ended(0)
    clear = held(fleet, "suspended", code=0)
    assert "audit" in fleet.ctl("status").ended(0).out
    typed(fleet, clear).ended(0)
    fleet.ctl("apply", "-y").ended(0)
    assert lines(fleet) == ["1"]
    declare(fleet, "suspended: {reason: holidays, until: 2999-01-01}", n=2)
    assert "main.yaml" in fleet.ctl("why", "t", "here").out
    held(fleet, "suspended", code=0)
    declare(fleet, "suspended: {reason: holidays, until: 2020-01-01}", n=2)
    fleet.ctl("apply", "-y").ended(0)
    assert lines(fleet) == ["1", "2"]


@pytest.mark.parametrize("which", ["server", "repo"])
def test_what_is_not_active_waits_without_an_error_and_is_not_removed(
    fleet: Fleet, which: str
) -> None:
    shop = Repository(fleet.folder / "shop")
    shop.commit({"a": "1"})
    text = "repos: {{shop: {{url: {shop}, active: {repo}}}}}\n" + TEXT
    words = {"shop": shop.path, "log": fleet.folder / "log", "more": ", repo: shop"}

    def declared(n: int, **active: str) -> None:
        fleet.declare(
            text.format(n=n, repo=active.get("repo", "true"), **words),
            inventory__servers_yaml=f"servers: {{here: {{local: {{}}, active: {active.get('server', 'true')}}}}}\n",
        )

    declared(1)
    fleet.ctl("apply", "-y").ended(0)
    declared(2, **{which: "false"})
    plan = fleet.ctl("plan").ended(0)
    assert "0 to remove" in plan.summary or "No changes" in plan.summary
    fleet.ctl("apply", "-y").ended(0)
    assert lines(fleet) == ["1"]
    assert fleet.marker("t").exists()
    declared(2)
    fleet.ctl("apply", "-y").ended(0)
    assert lines(fleet) == ["1", "2"]


def test_a_closed_window_says_when_it_opens_in_both_zones_and_an_open_one_lets_pass(
    fleet: Fleet,
) -> None:
    fleet.variables["TZ"] = "America/New_York"
    window = 'windows: [{{allow: "{line}", for: {seconds}, timezone: {zone}}}]'
    closed = window.format(line=clock(fleet, 180), seconds="1h", zone="UTC")
    declare(fleet, closed)
    clear = held(fleet, "window")
    assert "--override window" in clear or "wait" in clear
    said = fleet.ctl("why", "t", "here").out
    opens = datetime.now(UTC) + timedelta(minutes=180)
    assert "opens" in said
    assert re.search(rf"{opens:%a %Y-%m-%d}.*UTC", said) or f"{opens:%H:}" in said
    assert "New_York" in said
    declare(fleet, window.format(line="* * * * *", seconds="5m", zone="Asia/Tokyo"))
    fleet.ctl("apply", "-y").ended(0)
    assert lines(fleet) == ["1"]
    # a change after it has closed again
    declare(fleet, closed, n=2)
    held(fleet, "window")
    assert fleet.ctl("apply", "-y", "--override", "window").code == 64
    fleet.ctl("apply", "-y", "--override", "window", "--reason", "fire").ended(0)
    assert lines(fleet) == ["1", "2"]
    declare(fleet, closed, n=3)  # once only
    held(fleet, "window")
    events = [one for one in fleet.events() if one["event"] == "override"]
    assert [(one["gate"], one["reason"]) for one in events] == [("window", "fire")]
    assert "fire" in fleet.ctl("logs", "activity", "-n", "50").ended(0).out


def test_an_approval_counts_for_what_was_seen_and_for_nothing_else(fleet: Fleet) -> None:
    declare(fleet, "approval: {required: 1}")
    clear = held(fleet, "approval")
    fleet.ctl("approve", "t").ended(1)  # nobody can be asked here
    held(fleet, "approval")
    typed(fleet, clear, "-y").ended(0)
    declare(fleet, "approval: {required: 1}", n=2)
    held(fleet, "approval")
    assert "another plan" in fleet.ctl("why", "t", "here").out
    declare(fleet, "approval: {required: 1}")
    fleet.ctl("apply", "-y").ended(0)
    assert lines(fleet) == ["1"]
    declare(fleet, "approval: {required: 1}", n=3)
    held(fleet, "approval")
    fleet.ctl("approve", "t", "-y", "--reason", "seen").ended(0)
    fleet.ctl("apply", "-y").ended(0)
    assert lines(fleet) == ["1", "3"]
    events = {str(one["event"]) for one in fleet.events()}
    assert any("approv" in one for one in events)


def test_the_author_alone_never_approves_where_it_is_so_declared(fleet: Fleet) -> None:
    text = TEXT.format(
        n=1, log=fleet.folder / "log", more=", approval: {required: 1, not_author: true}"
    )
    fleet.declare(text)
    name = fleet.environment["USER"]
    fleet.config.commit({"pipelines/main.yaml": text.replace("echo 1", "echo 2")}, author=name)
    held(fleet, "approval")
    assert "author" in fleet.ctl("approve", "t", "-y").ended(4).err
    held(fleet, "approval")
    assert "0 of 1" in fleet.ctl("why", "t", "here").out
    # what somebody else wrote, this person may approve
    fleet.config.commit(
        {"pipelines/main.yaml": text.replace("echo 1", "echo 3")}, author="Somebody Else"
    )
    fleet.ctl("approve", "t", "-y").ended(0)
    fleet.ctl("apply", "-y").ended(0)
    assert lines(fleet) == ["3"]


def test_only_approvers_count_and_two_cannot_be_counted_by_hand(fleet: Fleet) -> None:
    text = TEXT.format(n=1, log=fleet.folder / "log", more=", approval: {required: 1}")
    fleet.config.commit(
        {
            "ctl.yaml": f"settings: {{name: {fleet.project}, approvers: [lead@example.com]}}\n",
            "pipelines/main.yaml": text,
            "inventory/servers.yaml": fleet.inventory(),
        }
    )
    fleet.ctl("approve", "t", "-y")
    held(fleet, "approval")
    declare(fleet, "approval: {required: 2}")
    clear = held(fleet, "approval")
    assert "--controller" in clear


def test_a_lock_says_who_holds_it_and_goes_with_them(fleet: Fleet) -> None:
    go = fleet.folder / "go"
    text = "tasks: {{work: {{run: 'echo {n} >> {log}; while ! test -e {go}; do sleep 0.05; done'}}}}\ntargets: {{t: {{servers: here, task: work}}}}\n"
    fleet.declare(text.format(n=1, log=fleet.folder / "log", go=go))
    applying = fleet.spawn("apply", "-y")
    wait_for(lambda: lines(fleet) == ["1"])
    other = fleet.folder / "other"
    plan = fleet.ctl("plan", "--detailed-exitcode", state=other).ended(4)
    assert "locked by" in plan.out
    fleet.ctl("apply", "-y", state=other).ended(4)
    go.touch()
    finished(applying).ended(0)
    fleet.ctl("plan", "--detailed-exitcode", state=other).ended(0)
    assert lines(fleet) == ["1"]


def test_what_comes_before_must_be_in_sync(fleet: Fleet) -> None:
    text = (
        "tasks:\n  work: {{run: 'echo {n} >> {log}'}}\n  before: {{run: 'test -e {ok}'}}\n"
        "targets:\n  first: {{servers: here, task: before}}\n"
        "  t: {{servers: here, task: work, after: [first]}}\n"
    )
    ok = fleet.folder / "ok"
    fleet.declare(text.format(n=1, log=fleet.folder / "log", ok=ok))
    fleet.ctl("apply", "-y").ended(2)
    assert lines(fleet) == []
    assert gate_of(fleet)[0] == "dependency"
    clear = gate_of(fleet)[1]
    assert "ctl why first here" in clear
    gate, clear = gate_of(fleet, "first")
    assert gate == "last-failed-digest"
    ok.touch()
    (job,) = [str(one["id"]) for one in fleet.jobs() if one["state"] == "failed"]
    typed(fleet, clear.split(" (")[0], JOB=job).ended(0)
    fleet.ctl("apply", "-y").ended(0)
    assert lines(fleet) == ["1"]


def test_what_failed_is_never_tried_again_by_itself(fleet: Fleet) -> None:
    fleet.declare(
        "tasks: {work: {run: 'echo try >> " + str(fleet.folder / "log") + "; test -e "
        + str(fleet.folder / "ok") + "'}}\ntargets: {t: {servers: here, task: work, on_drift: heal}}\n"
    )  # fmt: skip
    fleet.ctl("apply", "-y").ended(2)
    for _ in range(3):
        fleet.ctl("apply", "-y", "--heal").ended(4)
    assert lines(fleet) == ["try"]
    clear = held(fleet, "last-failed-digest")
    (fleet.folder / "ok").touch()
    typed(fleet, clear.split(" (")[0], JOB="@last").ended(0)
    assert lines(fleet) == ["try", "try"]
    fleet.ctl("plan", "--detailed-exitcode").ended(0)


def test_a_group_that_lacks_servers_already_gets_no_more_work(ships: Fleet) -> None:
    text = "tasks: {{a: {{run: 'true # {n}'}}}}\ntargets: {{t: {{servers: fleet, task: a}}}}\ngroups: {{fleet: {{max_unavailable: 1}}}}\n"
    ships.declare(text.format(n=1))
    ships.ctl("apply", "-y").ended(0)
    gone = ships.servers["web-2"].loopback
    right = ships.inventory()
    ships.declare(
        text.format(n=2), inventory__servers_yaml=right.replace(f"port: {gone.port}", "port: 1")
    )
    plan = ships.ctl("plan", "-o", "json").ended(0).json
    blocked = {one["server"]: one["blocked_by"]["gate"] for one in plan["changes"]}  # type: ignore[attr-defined]
    assert blocked["web-1"] == "budget"
    said = ships.ctl("apply", "-y")
    assert said.code in {3, 4}
    gate, clear = gate_of(ships, "t", "web-1")
    assert gate == "budget"
    assert "ctl check server web-2" in clear
    ships.declare(text.format(n=2), inventory__servers_yaml=right)
    typed(ships, clear).ended(0)
    ships.ctl("apply", "-y").ended(0)
    ships.ctl("plan", "--detailed-exitcode").ended(0)


def test_a_target_that_only_runs_when_named_says_so(fleet: Fleet) -> None:
    declare(fleet, "on_commit: ignore")
    clear = held(fleet, "on-commit")
    typed(fleet, clear, "-y").ended(0)
    assert lines(fleet) == ["1"]


def test_rewritten_history_is_held_until_a_person_accepts_it(fleet: Fleet) -> None:
    shop = Repository(fleet.folder / "shop")
    first = shop.commit({"a": "1"})
    shop.commit({"a": "2"})
    text = TEXT.format(n=1, log=fleet.folder / "log", more=", repo: shop")
    fleet.declare(f"repos: {{shop: {{url: {shop.path}}}}}\n{text}")
    fleet.ctl("apply", "-y").ended(0)
    shop.rewind(first)
    shop.commit({"a": "3"})
    clear = held(fleet, "source")
    typed(fleet, clear).ended(0)
    fleet.ctl("apply", "-y").ended(0)
    assert lines(fleet) == ["1", "1"]


def test_why_asks_all_gates_in_their_order_and_shows_each(fleet: Fleet) -> None:
    declare(fleet, "on_commit: ignore, approval: {required: 1}")
    fleet.ctl("suspend", "t", "--reason", "audit").ended(0)
    made = fleet.ctl("why", "t", "here", "-o", "json").ended(0).json
    gates = [(one["gate"], one["passed"]) for one in made["gates"]]  # type: ignore[attr-defined]
    assert [name for name, _ in gates] == [
        "inactive", "source", "suspended", "window", "lock", "on-commit", "approval", "dependency",
        "budget", "protect", "quarantine", "offline", "last-failed-digest", "lost",
    ]  # fmt: skip
    assert [name for name, passed in gates if not passed] == ["suspended", "on-commit", "approval"]
    for one in made["gates"]:  # type: ignore[attr-defined]
        assert one["passed"] or one["clear"], one
    assert json.dumps(made)
    fleet.ctl("why", "t", "nowhere").ended(1)
    fleet.ctl("why", "nothing", "here").ended(1)


@pytest.mark.parametrize("gate", ["lock", "lost", "offline", "source", "inactive", "nonsense"])
def test_a_gate_that_no_person_can_pass_over_is_wrong_usage(fleet: Fleet, gate: str) -> None:
    declare(fleet)
    fleet.ctl("apply", "-y", "--override", gate, "--reason", "please").ended(64)
    assert lines(fleet) == []
