"""The frame: verbs, global options, errors and exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from controller import __version__
from controller.cli.app import find_verb
from controller.cli.verbs import LATER, VERBS
from controller.errors import (
    ControllerError,
    LockedError,
    NotFoundError,
    StalePlanError,
    TransportError,
    Unreachable,
)
from controller.model.plan import Plan
from controller.reconcile.exchange.requests import PlanRequest
from tests.cli.records import empty_plan, full_plan
from tests.cli.stage import Seen, Stage


class Planner:
    """Answers `plan` with one plan, or an error."""

    state = ".ctl"

    def __init__(self, answer: Plan | BaseException) -> None:
        self.answer = answer
        self.asked: list[PlanRequest] = []

    async def plan(self, request: PlanRequest) -> Plan:
        self.asked.append(request)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


def plan_ends(error: BaseException, *argv: str) -> Seen:
    return Stage(controller=Planner(error))("plan", *argv)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFoundError("cannot find x"), 1),
        (TransportError("cannot reach x", cause=Unreachable.DNS), 1),
        (StalePlanError("stale"), 4),
        (LockedError("locked by somebody"), 4),
        (ControllerError("odd"), 1),
        (RuntimeError("a bug"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_error_has_its_code_of_the_one_table(error: BaseException, code: int) -> None:
    seen = plan_ends(error)
    assert seen.code == code
    assert seen.out == ""
    assert "Traceback" not in seen.err


def test_an_error_says_what_is_wrong_and_what_helps() -> None:
    seen = plan_ends(NotFoundError("cannot find x", hint="ctl init"))
    assert seen.err == "error: cannot find x\nhint: ctl init\n"


def test_an_error_is_json_where_json_was_asked_for() -> None:
    seen = plan_ends(StalePlanError("stale", hint="plan again"), "-o", "json")
    assert json.loads(seen.err)["error"] == {
        "reference": "plan-stale",
        "message": "stale",
        "hint": "plan again",
        "exit_code": 4,
    }


def test_a_traceback_is_shown_with_debug_only() -> None:
    assert "Traceback" in plan_ends(RuntimeError("a bug"), "--debug").err
    assert "RuntimeError: a bug" in plan_ends(RuntimeError("a bug")).err


def test_text_of_an_error_cannot_reach_the_terminal_raw() -> None:
    seen = plan_ends(NotFoundError("no \x1b[31mx\nerror: forged"))
    assert "\x1b" not in seen.err
    assert len(seen.err.splitlines()) == 1


def test_global_options_stand_before_or_after_the_verb_and_the_nearer_wins() -> None:
    stage = Stage(controller=Planner(empty_plan()))
    before = stage("-o", "json", "-C", "/a", "plan")
    after = stage("plan", "-o", "json", "-C", "/a")
    both = stage("-o", "yaml", "-C", "/b", "plan", "-o", "json", "-C", "/a")
    assert before.out == after.out == both.out
    assert json.loads(after.out)["format_version"] == "1.0"
    assert [request.directory for request in stage.opened] == [Path("/a")] * 3


def test_flags_win_over_the_environment() -> None:
    stage = Stage(
        controller=Planner(empty_plan()), environment={"CTL_STATE": "/e", "CTL_DIR": "/d"}
    )
    stage("plan", "--state", "/f")
    assert stage.opened[0].state == "/f"
    assert stage.opened[0].directory == Path("/d")


@pytest.mark.parametrize(
    "argv",
    [
        ("plam",),
        ("plan", "--nonsense"),
        ("plan", "-o", "nonsense"),
        ("plan", "-o", "sarif"),
        ("plan", "--at", "a", "--between", "b", "c"),
        ("plan", "--expires", "soon"),
        ("plan", "--controller", "localhost"),
        ("plan", "--controller", "http://user:word@localhost"),
        ("apply", "--no-wait"),
        ("apply", "--resume", "run", "--target", "x"),
        ("apply", "--failed-only"),
        ("apply", "--override", "lock", "--reason", "r"),
        ("apply", "--override", "window"),
        ("apply", "--override", "window", "--reason", " "),
        ("apply", "--reason", "r"),
        ("apply", "--verify", "keys/signers"),
        ("apply", "plan.json", "--resume", "run"),
        ("plan", "--sign", "key"),
        ("plan", "--as-of", "2h", "--at", "HEAD"),
        ("plan", "--as-of", "2h", "--out", "p"),
        ("plan", "--as-of", "sometime"),
        ("apply", "plan.json", "--heal"),
        ("run", "uptime"),
        ("run", "uptime", "--target", "x", "--on", "y"),
        ("run", "uptime", "--on", "y", "-p", "novalue"),
        ("run", "uptime", "--on", "y", "--addr", "h:1"),
        ("check", "repo", "x", "--accept-rewind"),
        ("jobs", "nonsense"),
        ("jobs", "resolve", "x", "--as", "maybe", "--reason", "y"),
        ("completion", "tcsh"),
        ("inventory",),
        *((verb,) for verb in LATER),
        ("serve", "--listen", "8420"),
        ("mcp", "--listen", "127.0.0.1:1"),
    ],
)
def test_wrong_usage_is_64_and_opens_nothing(argv: tuple[str, ...]) -> None:
    stage = Stage(controller=Planner(empty_plan()))
    seen = stage(*argv)
    assert seen.code == 64, seen.err
    assert seen.err.startswith("error: ")
    assert stage.opened == []


def test_a_mistyped_verb_is_told_the_near_one() -> None:
    assert 'did you mean "plan"?' in Stage()("plam").err


def test_verbs_of_later_are_refused_by_name() -> None:
    assert Stage()("mcp").err.startswith("error: ctl mcp is not supported yet")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    seen = Stage()(verb, "--help")
    assert seen.code == 0
    assert f"Usage: ctl {verb}" in seen.out
    assert "\x1b" not in seen.out


@pytest.mark.parametrize("verb", [name for name, verb in VERBS.items() if verb.group])
def test_groups_hold_the_verbs_that_completion_knows(verb: str) -> None:
    shown = Stage()(verb, "--help").out.split("Commands:")[1]
    assert tuple(row.split()[0] for row in shown.strip().splitlines()) == VERBS[verb].group


def test_the_exit_codes_are_explained() -> None:
    rows = json.loads(Stage()("help", "exit-codes", "-o", "json").out)
    assert [row["code"] for row in rows] == [0, 1, 2, 3, 4, 5, 6, 64, 130]


@pytest.mark.parametrize(
    ("argv", "verb"),
    [
        (["plan"], "plan"),
        (["-C", "plan", "status"], "status"),
        (["--color", "never", "-q", "plan", "status"], "plan"),
        (["--version"], None),
        ([], None),
    ],
)
def test_the_verb_is_found_behind_global_options(argv: list[str], verb: str | None) -> None:
    assert find_verb(argv) == verb


@pytest.mark.parametrize(
    ("environment", "argv", "tty", "coloured"),
    [
        ({}, (), True, True),
        ({}, (), False, False),
        ({"NO_COLOR": "1"}, (), True, False),
        ({"TERM": "dumb"}, (), True, False),
        ({"CLICOLOR_FORCE": "1"}, (), False, True),
        ({"NO_COLOR": "1"}, ("--color", "always"), False, True),
        ({"CLICOLOR_FORCE": "1"}, ("--color", "never"), True, False),
        ({"CTL_COLOR": "always"}, (), False, True),
    ],
)
def test_colours_follow_flag_then_environment_then_terminal(
    environment: dict[str, str], argv: tuple[str, ...], tty: bool, coloured: bool
) -> None:
    stage = Stage(controller=Planner(full_plan()), environment=environment, tty=tty)
    assert ("\x1b[" in stage("plan", *argv).out) is coloured


def test_hints_go_to_stderr_and_can_be_silenced() -> None:
    planner = Planner(full_plan())
    assert Stage(controller=planner)("plan").err == "next: ctl apply\n"
    assert Stage(controller=planner)("plan", "-q").err == ""
    assert Stage(controller=planner, environment={"CTL_HINTS": "0"})("plan").err == ""
    assert Stage(controller=planner)("plan", "-o", "json").err == ""


@pytest.mark.real
def test_the_version_is_told_without_loading_the_command_line() -> None:
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "controller", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert told.stdout == f"ctl {__version__}\n"
    loaded = {row.rsplit("|", 1)[-1].strip() for row in told.stderr.splitlines()}
    assert not loaded & {"typer", "asyncio", "controller.cli", "controller.errors", "yaml"}


@pytest.mark.real
def test_a_verb_loads_no_room_it_does_not_use() -> None:
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "controller", "plan", "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    loaded = {row.rsplit("|", 1)[-1].strip() for row in told.stderr.splitlines()}
    heavy = {"git", "asyncssh", "sqlalchemy", "jinja2", "jsonschema", "controller.service.works"}
    assert not loaded & heavy


@pytest.mark.real
def test_a_reader_that_goes_away_ends_the_command_quietly() -> None:
    shell = (
        f"{sys.executable} -m controller schema | head -c 10 >/dev/null; exit ${{PIPESTATUS[0]}}"
    )
    told = subprocess.run(
        ["bash", "-c", shell], capture_output=True, text=True, check=False, timeout=30
    )
    assert "Traceback" not in told.stderr
    assert "Exception" not in told.stderr


def test_a_group_of_verbs_alone_says_in_one_line_what_is_missing() -> None:
    seen = Stage()("logs")
    assert seen.code == 64
    assert seen.err == "error: missing command\nhint: ctl logs --help\n"
