"""What a job can be: scripts with headers, results, outputs, artifacts, conditions, retries, users; and how it is stopped."""

import hashlib
import os
from typing import cast

import pytest

from tests.e2e.fleet import ROOT, Fleet, finished, wait_for
from tests.fakes import processes

ALSO = "targets: {{t: {{servers: {server}, task: a}}}}\n"


def steps(job: dict[str, object]) -> dict[str, str]:
    found = job["steps"]
    assert isinstance(found, list)
    return {step["name"]: step["state"] for step in found}


def test_steps_form_a_graph_with_outputs_conditions_and_failures_that_are_allowed(
    each: tuple[Fleet, str],
) -> None:
    fleet, server = each
    log = fleet.folder / "log"
    fleet.declare(
        f"""\
tasks:
  a:
    env: {{WHERE: "{{{{ server.name }}}}"}}
    steps:
      build: {{run: 'echo "size=42" >> "$CTL_OUTPUT"; echo build >> {log}'}}
      lint: {{needs: [], run: 'exit 9', continue_on_error: true}}
      big: {{needs: [build], when: "steps.build.outputs.size | int > 40", run: 'echo "big $CTL_OUT_BUILD_SIZE $WHERE" >> {log}'}}
      small: {{needs: [build], when: "steps.build.outputs.size | int <= 40", run: 'echo small >> {log}'}}
      last: {{needs: [big, lint], run: 'echo last >> {log}'}}
"""
        + ALSO.format(server=server)
    )
    fleet.ctl("apply", "-y").ended(0)
    (job,) = fleet.jobs()
    assert steps(job) == {
        "build": "succeeded", "lint": "failed", "big": "succeeded", "small": "skipped", "last": "succeeded",
    }  # fmt: skip
    assert log.read_text().splitlines() == ["build", f"big 42 {server}", "last"]


def test_a_step_is_tried_again_as_often_as_it_says(each: tuple[Fleet, str]) -> None:
    fleet, server = each
    count = fleet.folder / "count"
    fleet.declare(
        "tasks: {a: {steps: {flaky: {retries: {limit: 3, delay: 1s, backoff: 1}, "
        f"run: 'echo x >> {count}; test $(wc -l < {count}) -ge 3'}}}}}}}}\n"
        + ALSO.format(server=server)
    )
    fleet.ctl("apply", "-y").ended(0)
    assert count.read_text() == "x\nx\nx\n"


def test_a_script_tells_its_title_and_gives_a_file(each: tuple[Fleet, str]) -> None:
    fleet, server = each
    made = fleet.folder / "dump.bin"
    data = os.urandom(300_000)
    (fleet.folder / "source").write_bytes(data)
    fleet.declare(
        "tasks: {backup: {script: scripts/backup.sh}}\n",
        **{"scripts__backup.sh": (
            "#!/bin/sh\n#::CTL::title=Back up the shop\n#::CTL::result-type=file\n"
            f"#::CTL::file-name={made}\ncp {fleet.folder}/source {made}\n"
        )},
    )  # fmt: skip
    outdir = fleet.folder / "out"
    said = fleet.ctl("run", "backup", "--on", server, "--outdir", str(outdir)).ended(0)
    assert (outdir / "dump.bin").read_bytes() == data
    assert [p.name for p in outdir.iterdir()] == ["dump.bin"]
    assert "Back up the shop" in fleet.ctl("get", "tasks", "backup", "-o", "json").ended(0).out
    fetched = [e for e in fleet.events() if e["event"] == "file-fetched"]
    assert fetched[0]["sha256"] == hashlib.sha256(data).hexdigest()
    assert "293.0 KiB" in said.out


def test_results_are_shown_as_what_they_are(fleet: Fleet) -> None:
    fleet.declare(
        """\
tasks:
  text: {run: 'echo words', result: {type: text}}
  metric: {run: 'echo 42.5', result: {type: metric}}
  table: {run: 'printf "a,b\\n1,2\\n"', result: {type: table}}
  none: {run: 'true', result: {type: file, file: /nonexistent/file}}
"""
    )
    assert "words" in fleet.ctl("run", "text", "--on", "here").ended(0).out
    assert "42.5" in fleet.ctl("run", "metric", "--on", "here").ended(0).out
    assert "1" in fleet.ctl("run", "table", "--on", "here").ended(0).out
    fleet.ctl("run", "none", "--on", "here").ended(2)


def test_artifacts_come_home_and_odd_names_do_no_harm(each: tuple[Fleet, str]) -> None:
    fleet, server = each
    fleet.declare(
        """\
tasks:
  a:
    run: |
      cd "$CTL_ARTIFACTS"
      mkdir -p deep/er; echo one > deep/er/one.txt; echo two > 'two words'
      ln -s /etc/passwd link; ln -s /etc folder
      printf x > "$(printf 'new\\nline')"; printf x > '-rf'; printf x > '$(touch pwned)'
"""
    )
    fleet.ctl("run", "a", "--on", server).ended(0)
    said = fleet.ctl("jobs", "artifacts", "@last").ended(0).out
    assert "deep/er/one.txt" in said
    assert "two%20words" in said
    assert "link" not in said
    out = fleet.folder / "got"
    fleet.ctl("jobs", "artifacts", "@last", "--outdir", str(out))
    for found in fleet.state.rglob("*"):
        assert not found.is_symlink()
        if found.is_file():
            assert b"root:x:0:0" not in found.read_bytes()
    assert not list(fleet.folder.rglob("pwned"))


@pytest.mark.skipif(not ROOT, reason="only root can become somebody else")
def test_a_step_runs_as_the_user_it_names(each: tuple[Fleet, str]) -> None:
    fleet, server = each
    fleet.declare(
        "tasks: {a: {steps: {who: {user: nobody, workdir: /, run: 'id -un; echo k=$(id -un) >> $CTL_OUTPUT'}, "
        "next: {run: 'echo \"$CTL_OUT_WHO_K then $(id -un)\"'}}}}\n"
    )
    assert "nobody then root" in fleet.ctl("run", "a", "--on", server).ended(0).out
    fleet.declare("tasks: {a: {user: no-such-user, run: id}}\n")
    fleet.ctl("run", "a", "--on", server).ended(2)


def test_parameters_are_checked_and_reach_the_job_as_data(fleet: Fleet) -> None:
    fleet.declare(
        """\
tasks:
  a:
    params:
      who: {type: string}
      many: {type: integer, default: 1, maximum: 5}
    run: 'echo {{ params.who | quote }} "$CTL_PARAM_WHO" $CTL_PARAM_MANY'
"""
    )
    evil = "$(touch pwned); `id` '\"\\ {{ 7 * 6 }} \u202e"
    said = fleet.ctl("run", "a", "--on", "here", "-p", f"who={evil}", "-o", "json").ended(0)
    (result,) = cast("list[dict[str, str]]", said.json["results"])
    assert result["output"] == f"{evil} {evil} 1\n"
    assert not (fleet.home / "pwned").exists()
    fleet.ctl("run", "a", "--on", "here").ended(64)
    fleet.ctl("run", "a", "--on", "here", "-p", "who=x", "-p", "many=6").ended(64)
    fleet.ctl("run", "a", "--on", "here", "-p", "whom=x").ended(64)


def test_a_run_by_hand_of_a_target_is_recorded_as_if_applied(each: tuple[Fleet, str]) -> None:
    fleet, server = each
    log = fleet.folder / "log"
    fleet.declare(f"tasks: {{a: {{run: echo x >> {log}}}}}\n" + ALSO.format(server=server))
    fleet.ctl("apply", "-y").ended(0)
    fleet.ctl("run", "--target", "t").ended(0)
    assert log.read_text() == "x\nx\n"
    fleet.ctl("plan", "--detailed-exitcode").ended(0)


def test_stopping_a_job_leaves_no_process_and_runs_nothing_more(each: tuple[Fleet, str]) -> None:
    fleet, server = each
    log = fleet.folder / "log"
    fleet.declare(
        f"tasks: {{a: {{steps: {{one: {{run: 'echo $CTL_JOB >> {log}; (setsid sleep 300 &) ; sleep 300'}}, "
        f"two: {{run: echo two >> {log}}}}}}}}}\n" + ALSO.format(server=server)
    )
    applying = fleet.spawn("apply", "-y")
    wait_for(log.exists)
    job = str(fleet.jobs()[0]["id"])
    mark = f"CTL_MARK=:{job}.".encode()
    wait_for(lambda: len(processes.marked(mark)) >= 3)
    fleet.ctl("jobs", "stop", job, "--grace", "1s").ended(0)
    finished(applying)
    assert processes.marked(mark) == []
    assert [j["state"] for j in fleet.jobs()] == ["cancelled"]
    assert log.read_text().splitlines() == [job]
    fleet.ctl("plan", "--detailed-exitcode").ended(2)  # cancelled work is pending again


def test_a_step_without_an_end_is_left_when_the_waiting_is_over_and_taken_up_again(
    each: tuple[Fleet, str],
) -> None:
    fleet, server = each
    go, log = fleet.folder / "go", fleet.folder / "log"
    fleet.declare(
        f"tasks: {{a: {{run: 'echo x >> {log}; while ! test -e {go}; do sleep 0.05; done'}}}}\n"
        + ALSO.format(server=server)
    )
    fleet.ctl("apply", "-y", "--timeout", "1s").ended(6)
    fleet.ctl("apply", "-y", "--timeout", "1s").ended(6)
    go.touch()
    fleet.ctl("apply", "-y").ended(0)
    assert log.read_text() == "x\n"
    assert [j["state"] for j in fleet.jobs()] == ["succeeded"]
    fleet.ctl("plan", "--detailed-exitcode").ended(0)


def test_stdin_reaches_the_first_step(fleet: Fleet) -> None:
    fleet.declare("tasks: {a: {run: 'tr a-z A-Z'}}\n")
    assert "SHOUT" in fleet.ctl("run", "a", "--on", "here", "--stdin", stdin="shout\n").ended(0).out
