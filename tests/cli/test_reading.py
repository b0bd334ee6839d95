"""Verbs that show: get, status, why, check, trust, doctor, explain, schema, inventory."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from controller.errors import Unreachable
from controller.model.access import Access, Rule
from controller.model.condition import Health, Sync
from controller.model.declaration import (
    AdoptedInventory,
    Declaration,
    Repo,
    Secret,
    SecretKind,
    Target,
)
from controller.model.diagnostic import Diagnostic, Place
from controller.model.ids import Sha
from controller.model.inventory import Group, Inventory, Server
from controller.model.notifier import Notifier, NotifierKind
from controller.model.observation import RepoSeen, ServerSeen
from controller.model.plan import Gate, Summary
from controller.model.schedule import Overlap, Schedule
from controller.model.serving import Contact
from controller.model.task import Step, Task
from controller.model.token import Role
from controller.planning.gates import GateResult
from controller.planning.schedules import next_due
from controller.reconcile.exchange.checks import (
    ConfigCheck,
    Finding,
    KeyOffer,
    RepoCheck,
    ServerCheck,
    Verdict,
)
from controller.reconcile.exchange.status import Problem, Sightings, StatusReport, TargetStatus
from tests.cli.records import COMMIT, job
from tests.cli.stage import NOW, Stage

NEWER = Sha("b2c3d4e" + "0" * 33)
EVIL = "x\x1b[2J\u202e\nroot: all good"

DECLARED = Declaration(
    repos={"shop": Repo(name="shop", url="https://git.example.com/shop.git")},
    inventory=Inventory(
        servers={
            "web-1": Server(
                name="web-1",
                address="10.0.0.1",
                groups=("web",),
                labels={"env": "prod"},
                vars={"workers": 4, "motd": EVIL},
                origins={"workers": Place(file="inventory/web.yaml", line=7)},
                place=Place(file="inventory/web.yaml", line=2),
            )
        },
        groups={"web": Group(name="web", servers=("web-1",))},
    ),
    tasks={"deploy": Task(name="deploy", title=EVIL, steps=(Step(name="go", run="true"),))},
    targets={
        "shop-prod": Target(
            name="shop-prod",
            task="deploy",
            servers="web",
            members=("web-1",),
            repo="shop",
            schedule=Schedule(cron="0 3 * * *", timezone="Europe/Berlin"),
            overlap=Overlap.QUEUE,
            notify=("ops",),
        )
    },
    inventories={
        "legacy": AdoptedInventory(
            name="legacy",
            tool="ansible",
            path=f"inventory/{EVIL}",
            servers=("web-1",),
            place=Place(file="inventory/web.yaml", line=9),
        )
    },
    notifiers={
        "ops": Notifier(
            name="ops", kind=NotifierKind.EXEC, exec=("/usr/bin/tell", EVIL), repeat=3_600.0
        )
    },
    access=Access(rules={"alice": Rule(name="alice", role=Role.OPERATOR, targets="shop-*")}),
    secrets={"token": Secret(name="token", kind=SecretKind.ENV, source="FORGE_TOKEN")},
)
SEEN = Sightings(
    servers={
        "web-1": ServerSeen(
            server="web-1", at=NOW - timedelta(hours=2), reached=False, cause=Unreachable.DNS
        )
    },
    contacts={
        "web-1": Contact(
            server="web-1",
            reached=False,
            since=NOW - timedelta(hours=3),
            checked_at=NOW - timedelta(minutes=5),
            failures=9,
            down=True,
            cause=Unreachable.TCP,
            message=EVIL,
            login_at=NOW - timedelta(days=2),
            flaps=(NOW - timedelta(hours=3),),
            down_seconds=3_600.0,
        )
    },
    repos={"shop": RepoSeen(repo="shop", url="https://git.example.com/shop.git", accepted=COMMIT)},
)
REPORT = StatusReport(
    commit=COMMIT,
    targets=(
        TargetStatus(
            target="shop-prod",
            task="deploy",
            servers=3,
            in_sync=2,
            wanted=COMMIT,
            sync=Sync.PENDING,
            health=Health.DEGRADED,
            reason="JobFailed",
            message=EVIL,
            since=NOW - timedelta(minutes=5),
        ),
    ),
    problems=(
        Problem(
            subject="server/web-9",
            reason="Unreachable",
            message="dns",
            clear="ctl check server web-9",
        ),
    ),
    running=(job(),),
    upcoming=tuple(
        (f"nightly-{number}", NOW + timedelta(hours=number + 1)) for number in range(12)
    ),
    summary=Summary(change=1, servers=1),
)
GATES = (
    GateResult(gate=Gate.INACTIVE, passed=True, message="server and repo are active"),
    GateResult(gate=Gate.LOCK, passed=False, message="locked by ana@laptop", clear="wait"),
    GateResult(gate=Gate.WINDOW, passed=False, message="closed", clear="wait longer"),
    GateResult(gate=Gate.OFFLINE, passed=True, message="the server answers"),
)
OFFER = KeyOffer(
    name="web-1",
    address="10.0.0.1",
    port=22,
    line="web-1 ssh-ed25519 AAAA",
    fingerprint="SHA256:abc",
)


class Office:
    """A controller that has been asked before."""

    state = ".ctl"

    def __init__(
        self, report: StatusReport = REPORT, offers: Sequence[KeyOffer] = (OFFER,)
    ) -> None:
        self._report = report
        self._offers = tuple(offers)
        self.pinned: list[KeyOffer] = []

    async def declared(self) -> Declaration:
        return DECLARED

    async def observed(self) -> Sightings:
        return SEEN

    async def status(self) -> StatusReport:
        return self._report

    async def why(self, target: str, server: str) -> tuple[GateResult, ...]:
        return GATES

    async def check_server(self, name: str) -> ServerCheck:
        if name == "web-1":
            return ServerCheck(seen=SEEN.servers["web-1"])
        seen = ServerSeen(server=name, at=NOW, reached=True, login="deploy", root=True)
        return ServerCheck(seen=seen, exit_code=0, output=b"up 3 days\x1b[2J\n", took=0.25)

    async def check_repo(
        self, name: str, *, accept_rewind: bool = False, reason: str | None = None
    ) -> RepoCheck:
        if name == "broken":
            seen = RepoSeen(repo=name, url="u", error="refused", error_code="history-rewound")
            return RepoCheck(seen=seen)
        return RepoCheck(seen=SEEN.repos["shop"], subject=EVIL, branches={"main": COMMIT})

    async def check_config(
        self, *, accept_rewind: bool = False, reason: str | None = None
    ) -> ConfigCheck:
        if accept_rewind:
            return ConfigCheck(in_force=NEWER, previous=COMMIT, commit=NEWER)
        return ConfigCheck(in_force=COMMIT, error=EVIL, error_code="history-rewound", hint="ctl x")

    async def trust(self, names: Sequence[str]) -> tuple[KeyOffer, ...]:
        return self._offers

    async def accept(self, offers: Sequence[KeyOffer]) -> str:
        self.pinned.extend(offers)
        return "keys/known_hosts"

    async def doctor(self) -> tuple[Finding, ...]:
        return (
            Finding(name="git", verdict=Verdict.GOOD, message="2.39"),
            Finding(name="state", verdict=Verdict.BAD, message=EVIL, remedy="chmod 700 .ctl"),
        )


COMMANDS = (
    ("get", "servers"),
    ("get", "servers", "-o", "wide"),
    ("get", "servers", "web-1", "-o", "yaml"),
    ("get", "servers", "web-1", "-o", "json"),
    ("get", "groups"),
    ("get", "inventories", "-o", "wide"),
    ("get", "repos"),
    ("get", "tasks"),
    ("get", "tasks", "-o", "jsonl"),
    ("get", "targets", "-o", "wide"),
    ("get", "secrets"),
    ("get", "notifiers", "-o", "wide"),
    ("get", "notifiers", "ops", "-o", "yaml"),
    ("get", "access"),
    ("status",),
    ("status", "-o", "yaml"),
    ("why", "shop-prod", "web-1"),
    ("check", "server", "web-2"),
    ("check", "repo", "shop"),
    ("check", "repo", "shop", "-o", "json"),
    ("check", "config"),
    ("check", "config", "-o", "json"),
    ("check", "config", "--accept-rewind", "--reason", "we meant it"),
    ("doctor",),
)


@pytest.mark.parametrize("argv", COMMANDS)
def test_text_from_outside_never_reaches_the_terminal_raw(argv: tuple[str, ...]) -> None:
    out = Stage(controller=Office(), tty=True)(*argv, "--color", "never").out
    assert out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert not any(row.startswith("root: all good") for row in out.splitlines())


def test_a_schedule_is_shown_with_its_next_due_time() -> None:
    stage = Stage(controller=Office())
    wide = stage("get", "targets", "-o", "wide").out
    due = next_due(Schedule(cron="0 3 * * *", timezone="Europe/Berlin"), NOW)
    assert f"{due:%Y-%m-%d %H:%M} UTC" in wide
    shown = yaml.safe_load(stage("get", "targets", "shop-prod", "-o", "yaml").out)
    assert shown["schedule"] == {"cron": "0 3 * * *", "timezone": "Europe/Berlin"}
    assert (shown["overlap"], shown["notify"]) == ("queue", ["ops"])


def test_a_server_is_shown_as_it_was_reached_over_time() -> None:
    stage = Stage(controller=Office())
    wide = stage("get", "servers", "-o", "wide").out
    assert "down since 3 h ago (tcp)" in wide
    head, row = (line.split("  ") for line in wide.splitlines()[:2])
    assert {"LOGIN", "FLAPS", "DOWNTIME"} <= {cell.strip() for cell in head}
    assert {"2 d ago", "1", "4 h"} <= {cell.strip() for cell in row}
    shown = yaml.safe_load(stage("get", "servers", "web-1", "-o", "yaml").out)
    assert (shown["contact"]["down"], shown["contact"]["failures"]) == (True, 9)
    assert "server" not in shown["contact"]


def test_status_tells_the_next_runs() -> None:
    stage = Stage(controller=Office())
    shown = stage("status").out
    assert f"nightly-0  {NOW + timedelta(hours=1):%Y-%m-%d %H:%M} UTC, in " in shown
    assert "nightly-9" in shown
    assert "nightly-10" not in shown
    assert "and 2 more: ctl get targets -o wide" in shown
    told = json.loads(stage("status", "-o", "json").out)
    assert [one["target"] for one in told["next_runs"]][:2] == ["nightly-0", "nightly-1"]


def test_notifiers_and_rules_are_shown_without_what_is_secret() -> None:
    stage = Stage(controller=Office())
    notifier = yaml.safe_load(stage("get", "notifiers", "ops", "-o", "yaml").out)
    assert notifier["events"][:2] == ["approval", "drift"]
    assert notifier["targets"] == ["shop-prod"]
    assert "alice" in stage("get", "access").out
    rule = yaml.safe_load(stage("get", "access", "alice", "-o", "yaml").out)
    assert (rule["role"], rule["targets"], rule["rights"]) == ("operator", "shop-*", [])


def test_reading_takes_no_lock() -> None:
    stage = Stage(controller=Office())
    for argv in COMMANDS:
        stage(*argv)
    assert not any(request.write for request in stage.opened)


def test_a_server_says_where_each_variable_came_from() -> None:
    out = Stage(controller=Office())("get", "servers", "web-1", "-o", "yaml").out
    document = yaml.safe_load(out)
    assert document["vars"]["workers"] == 4
    assert document["origins"]["workers"] == "inventory/web.yaml:7"
    assert document["targets"] == ["shop-prod"]
    assert document["observed"]["cause"] == "dns"


def test_lists_are_arrays_and_one_thing_is_an_object() -> None:
    stage = Stage(controller=Office())
    assert [one["name"] for one in json.loads(stage("get", "servers", "-o", "json").out)] == [
        "web-1"
    ]
    assert json.loads(stage("get", "server", "web-1", "-o", "json").out)["kind"] == "server"
    assert stage("get", "tgt", "-o", "name").out == "target/shop-prod\n"


def test_the_table_of_servers_says_when_each_was_reached() -> None:
    rows = Stage(controller=Office())("get", "servers").out.splitlines()
    assert rows == [
        "NAME   ADDRESS   CARRIER  GROUPS  SEEN",
        "web-1  10.0.0.1  ssh      web     down since 3 h ago (tcp)",
    ]


def test_an_inventory_says_what_was_read_from_where() -> None:
    stage = Stage(controller=Office())
    assert json.loads(stage("get", "inventories", "legacy", "-o", "json").out) == {
        "kind": "inventory",
        "name": "legacy",
        "tool": "ansible",
        "path": f"inventory/{EVIL}",
        "servers": ["web-1"],
        "place": "inventory/web.yaml:9",
    }
    assert stage("get", "inventory", "-o", "name").out == "inventory/legacy\n"


@pytest.mark.parametrize("argv", [("get", "servers", "web-9"), ("get", "nonsense")])
def test_what_does_not_exist_is_an_error(argv: tuple[str, ...]) -> None:
    assert Stage(controller=Office())(*argv).code == 1


def test_the_status_screen_shows_targets_problems_and_what_runs() -> None:
    seen = Stage(controller=Office())("status")
    assert (
        "shop-prod  2/3      a1b2c3d  -        pending  degraded  5 min ago  JobFailed: x"
        in seen.out
    )
    assert (
        "  ! server/web-9 Unreachable: dns\n      clear it with: ctl check server web-9" in seen.out
    )
    assert "0123456789ab  shop-prod on web-01: succeeded for 4 min" in seen.out
    assert seen.err == "next: ctl check server web-9\n"


def test_status_is_one_when_the_newest_declarations_are_invalid() -> None:
    broken = Diagnostic(code="unknown-key", message="no", place=Place(file="a.yaml"))
    stage = Stage(controller=Office(replace(REPORT, diagnostics=(broken,))))
    assert stage("status").code == 1
    assert Stage(controller=Office())("status").code == 0
    assert Stage(controller=Office())("status", "--detailed-exitcode").code == 2


def test_why_shows_gates_in_order_the_first_blocker_and_what_clears_it() -> None:
    assert Stage(controller=Office())("why", "shop-prod", "web-1").out == (
        "shop-prod on web-1\n"
        "  ✔ inactive: server and repo are active\n"
        "  ✗ lock: locked by ana@laptop\n"
        "  ✗ window: closed\n"
        "  ✔ offline: the server answers\n"
        "Held back by lock: locked by ana@laptop\n"
        "Clear it with: wait\n"
    )


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("server", "web-2"), 0),
        (("server", "web-1"), 3),
        (("repo", "shop"), 0),
        (("repo", "broken"), 1),
    ],
)
def test_a_check_tells_by_its_exit_code(argv: tuple[str, ...], code: int) -> None:
    assert Stage(controller=Office())("check", *argv).code == code


def test_host_keys_are_pinned_after_a_yes_only() -> None:
    for answer, code, pinned in (("yes\n", 0, [OFFER]), ("y\n", 4, [])):
        office = Office()
        seen = Stage(controller=office, stdin=answer, tty=True)("trust", "web-1")
        assert (seen.code, office.pinned) == (code, pinned)
        assert "SHA256:abc" in seen.out
    office = Office()
    assert Stage(controller=office)("trust", "web-1").code == 1
    assert office.pinned == []


def test_a_key_that_replaces_another_is_said_loudly_and_known_ones_ask_nothing() -> None:
    office = Office(offers=[replace(OFFER, conflicts=True)])
    seen = Stage(controller=office, stdin="no\n", tty=True)("trust", "web-1")
    assert "Another key is pinned already" in seen.err
    office = Office(offers=[replace(OFFER, known=True)])
    assert Stage(controller=office)("trust", "web-1").code == 0
    assert office.pinned == []


def test_doctor_shows_the_remedy_and_fails_when_something_is_bad() -> None:
    seen = Stage(controller=Office())("doctor")
    assert seen.code == 1
    assert " 2 ✗ state: x" in seen.out
    assert "     chmod 700 .ctl" in seen.out


def test_every_limit_is_listed_without_a_controller() -> None:
    rows = json.loads(Stage()("doctor", "--limits", "-o", "json").out)
    assert all({"room", "name", "number", "unit", "at_limit"} <= set(row) for row in rows)


def test_explain_and_schema_speak_of_keys_and_kinds() -> None:
    assert "keys:" in Stage()("explain", "task").out
    assert json.loads(Stage()("explain", "tasks.timeout", "-o", "json").out)["default"]
    assert json.loads(Stage()("schema", "task").out)["$schema"].endswith("2020-12/schema")
    assert Stage()("explain", "tusk").code == 1
    assert Stage()("schema", "tusk").code == 1


def test_the_inventory_needs_no_controller(tmp_path: Path) -> None:
    (tmp_path / "ctl.yaml").write_text("")
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory" / "a.yaml").write_text("servers:\n  here:\n    local: {}\n")
    stage = Stage(cwd=tmp_path)
    assert json.loads(stage("inventory", "--list").out)["_meta"]["hostvars"]["here"]
    assert json.loads(stage("inventory", "--host", "nobody").out) == {}
    (tmp_path / "inventory" / "a.yaml").write_text("servers:\n  here:\n    lokal: {}\n")
    seen = stage("inventory", "--list")
    assert seen.code == 1
    assert "inventory/a.yaml:3" in seen.err


def test_an_ssh_config_becomes_servers_that_are_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("Host web\n  HostName 10.0.0.1\n  User deploy\n")
    stage = Stage(cwd=tmp_path)
    shown = stage("import", "ssh-config", "config")
    servers = yaml.safe_load(shown.out)["servers"]
    assert servers["web"]["address"] == "10.0.0.1"
    assert stage("import", "ssh-config", "config", "--out", "repo").code == 0
    assert (
        yaml.safe_load((tmp_path / "repo/inventory/config.yaml").read_text())["servers"] == servers
    )
    assert stage("import", "ssh-config", "config", "--out", "repo").code == 4
    assert stage("import", "ssh-config", "nothing").code == 1
