"""`ctl apply` and `ctl run`: questions, exit codes, what is shown and handed on."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from controller.model.job import State
from controller.model.plan import Action, Blocker, Change, Gate, Plan
from controller.model.task import ResultType
from controller.reconcile.exchange.reports import ApplyOutcome, JobResult, RunReport, RunSummary
from controller.reconcile.exchange.requests import ApplyRequest, RunRequest
from tests.cli.records import RUN, empty_plan, full_plan, job
from tests.cli.stage import Stage

GOOD = RunReport(run=RUN, jobs=(job(),), summary=RunSummary(succeeded=1), took=312.0)


class Applier:
    """Asks as a controller does: once, and only when there is something to do."""

    state = ".ctl"

    def __init__(self, report: RunReport = GOOD, plan: Plan | None = None) -> None:
        self._report = report
        self._plan = plan or full_plan()
        self.asked: list[ApplyRequest] = []
        self.ran: list[RunRequest] = []

    async def apply(self, request: ApplyRequest) -> ApplyOutcome:
        self.asked.append(request)
        if not any(change.runs for change in self._plan.changes):
            return ApplyOutcome(plan=self._plan)
        if request.planfile is None and not request.confirm(self._plan):
            return ApplyOutcome(plan=self._plan, declined=True)
        return ApplyOutcome(plan=self._plan, report=self._report)

    async def run(self, request: RunRequest) -> RunReport:
        self.ran.append(request)
        return self._report


def held(gate: Gate) -> Change:
    blocker = Blocker(gate=gate, message="no")
    return Change(target="t", server="s", task="t", action=Action.CHANGE, blocked_by=blocker)


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (GOOD, 0),
        (RunReport(run=RUN, summary=RunSummary(failed=1, unreachable=1)), 2),
        (RunReport(run=RUN, summary=RunSummary(succeeded=3, unreachable=1)), 3),
        (RunReport(run=RUN, held=(held(Gate.LOCK),)), 4),
        (RunReport(run=RUN, held=(held(Gate.LAST_FAILED),)), 4),
        (RunReport(run=RUN, held=(held(Gate.INACTIVE),)), 0),
        (
            RunReport(run=RUN, summary=RunSummary(failed=1), halted={"t": "2 failed of at most 1"}),
            5,
        ),
        (RunReport(run=RUN, waiting=True), 6),
        (RunReport(run=RUN, refused=1), 4),
        (RunReport(run=RUN, troubles={job().id: "the disk is full"}), 2),
    ],
)
def test_the_exit_code_tells_how_the_work_went(report: RunReport, code: int) -> None:
    assert Stage(controller=Applier(report))("apply", "-y").code == code
    assert Stage(controller=Applier(report))("run", "uptime", "--on", "web").code == code


def test_only_the_word_yes_is_a_yes() -> None:
    for answer, code in (("yes\n", 0), ("y\n", 4), ("\n", 4), ("YES\n", 4), ("", 4)):
        seen = Stage(controller=Applier(), stdin=answer, tty=True)("apply")
        assert seen.code == code, answer
        assert "Apply to 4 servers? Only 'yes' is accepted: " in seen.err


def test_declining_touches_nothing_and_says_so() -> None:
    seen = Stage(controller=Applier(), stdin="no\n", tty=True)("apply")
    assert "Nothing was touched." in seen.out
    assert "Applied:" not in seen.out


@pytest.mark.parametrize("argv", [("apply",), ("apply", "--no-input")])
def test_where_nobody_can_be_asked_it_fails_before_anything_is_touched(argv: Sequence[str]) -> None:
    seen = Stage(controller=Applier(), tty="--no-input" in argv)(*argv)
    assert seen.code == 1
    assert "say it with -y" in seen.err


def test_yes_shows_the_plan_and_asks_nothing() -> None:
    seen = Stage(controller=Applier())("apply", "-y")
    assert seen.out.count("Plan: 0 to add, 3 to change") == 1
    assert "Only 'yes'" not in seen.err


def test_a_saved_plan_is_applied_as_it_is_without_a_question() -> None:
    applier = Applier()
    seen = Stage(controller=applier, cwd=Path("/srv"))("apply", "p.json")
    assert seen.code == 0
    assert applier.asked[0].planfile == Path("/srv/p.json")


def test_apply_takes_the_lock_of_the_state_and_hands_on_its_flags() -> None:
    applier = Applier()
    stage = Stage(controller=applier)
    stage(
        "apply", "-y", "-l", "web", "--heal", "--allow-dirty", "--timeout", "2m", "--parallel", "7"
    )
    assert stage.opened[0].write
    asked = applier.asked[0]
    assert (asked.limit, asked.heal, asked.allow_dirty) == ("web", True, True)
    assert (asked.timeout, asked.parallel) == (120.0, 7)


def test_nothing_to_do_is_said_in_the_words_of_a_plan() -> None:
    seen = Stage(controller=Applier(plan=empty_plan()))("apply")
    assert seen.code == 0
    assert seen.out.splitlines()[-1].startswith("No changes. 42 pairs on 21 servers")


def test_the_last_line_after_an_apply_is_frozen() -> None:
    seen = Stage(controller=Applier())("apply", "-y")
    assert seen.out.splitlines()[-1] == (
        "Applied: 1 succeeded, 0 failed, 0 unreachable, 0 skipped, 0 cancelled on 1 servers in 5 min."
    )


def test_failures_are_named_with_the_command_that_shows_more() -> None:
    bad = RunReport(run=RUN, jobs=(job(State.FAILED, exit_code=7),), summary=RunSummary(failed=1))
    seen = Stage(controller=Applier(bad))("apply", "-y")
    assert "shop-prod on web-01: failed exit 7  ctl jobs logs 0123456789ab" in seen.out
    assert seen.err == "next: ctl jobs logs 0123456789ab\n"


def test_a_halted_run_says_why_and_how_to_go_on() -> None:
    why = {"shop-prod": "2 failed, 1 unreachable, 0 unhealthy of at most 1"}
    report = RunReport(run=RUN, jobs=(job(State.FAILED, exit_code=7),), halted=why)
    seen = Stage(controller=Applier(report))("apply", "-y")
    assert "shop-prod was halted: 2 failed, 1 unreachable, 0 unhealthy of at most 1" in seen.out
    assert seen.err.endswith(f"next: ctl apply --resume {RUN.id}\n")


def test_what_is_passed_over_is_asked_for_with_its_reason() -> None:
    applier = Applier()
    flags = ("--override", "window", "--override", "budget-removals", "--reason", "the fire")
    Stage(controller=applier)("apply", "-y", *flags)
    assert applier.asked[0].overrides == {"window": "the fire", "budget-removals": "the fire"}


def test_what_is_left_of_a_run_is_asked_for() -> None:
    applier = Applier()
    Stage(controller=applier)("apply", "-y", "--resume", "r1", "--failed-only")
    assert (applier.asked[0].resume, applier.asked[0].failed_only) == ("r1", True)


def test_json_of_an_apply_has_the_promised_shape_and_nothing_else_on_stdout() -> None:
    document = json.loads(Stage(controller=Applier())("apply", "-y", "-o", "json").out)
    assert document["format_version"] == "1.0"
    assert document["run"] == RUN.id
    assert document["summary"] == {
        "succeeded": 1, "failed": 0, "unreachable": 0, "skipped": 0, "cancelled": 0,
    }  # fmt: skip
    first = document["jobs"][0]
    assert {
        "id", "target", "task", "server", "state", "exit_code", "commit", "cause",
        "created_at", "started_at", "finished_at", "steps",
    } <= set(first)  # fmt: skip
    assert first["created_at"] == "2026-03-01T11:55:00Z"


def test_run_hands_on_parameters_and_stdin() -> None:
    applier = Applier()
    stage = Stage(controller=applier, stdin="hello", cwd=Path("/srv"))
    stage("run", "deploy", "--on", "web", "-p", "a=1=2", "-p", "b=", "--stdin", "--outdir", "out")
    assert applier.ran == [
        RunRequest(
            task="deploy",
            on="web",
            params={"a": "1=2", "b": ""},
            stdin=b"hello",
            outdir=Path("/srv/out"),
        )
    ]


def results(*items: JobResult) -> str:
    report = replace(GOOD, results=items)
    return Stage(controller=Applier(report))("run", "uptime", "--on", "web").out


def test_results_are_shown_by_their_type() -> None:
    one = job().id
    text = results(JobResult(job=one, output=b"first\nsecond\n"))
    assert "web-01 deploy-shop\n    first\n    second\n" in text
    text = results(JobResult(job=one, type=ResultType.METRIC, output=b"noise\n42\n\n"))
    assert "SERVER  VALUE\nweb-01  42\n" in text
    text = results(JobResult(job=one, type=ResultType.TABLE, output=b"a bb\nccc d\n"))
    assert "    a    bb\n    ccc  d\n" in text
    text = results(
        JobResult(job=one, type=ResultType.FILE, path=Path("out/x"), size=2048, sha256="ab")
    )
    assert "    out/x 2.0 KiB sha256 ab\n" in text


def test_output_of_a_server_never_reaches_the_terminal_raw() -> None:
    for kind in (ResultType.TEXT, ResultType.METRIC, ResultType.TABLE):
        text = results(JobResult(job=job().id, type=kind, output=b"\x1b]0;owned\x07\x9b2J \xff\n"))
        assert "\x1b" not in text
        assert "\x07" not in text
        assert "\x9b" not in text


def test_a_live_line_is_cleared_before_a_plan_or_a_question() -> None:
    seen = Stage(controller=Applier(), stdin="yes\n", tty=True)("apply", "--color", "never")
    assert "\r\x1b[KApply to 4 servers?" in seen.err
    assert "\x1b" not in seen.out
