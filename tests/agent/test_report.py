"""Reports after runs of scripts: complete, bounded, and the same after they were kept."""

import hashlib

import pytest
from hypothesis import given, strategies as st

from controller.agent.errors import AgentError
from controller.agent.report import (
    MOST_KEPT,
    MOST_RESULT,
    Run,
    make_report,
    name_artifact,
    read_report,
    write_report,
)
from controller.agent.script import Offered
from controller.execution.ending import Ending
from controller.execution.status import End
from controller.wire.codec import pack
from controller.wire.limits import LIMITS
from controller.wire.messages.server import ResultType, Script

TEXT = b"#!/bin/sh\n"
EXIT_0 = End(Ending.EXIT, exit_code=0)


def run(kind: ResultType = "text", end: End | None = EXIT_0, *, file: str = "") -> Run:
    digest = hashlib.sha256(TEXT).hexdigest()
    script = Script(name="t", sha256=digest, size=len(TEXT), title="T", result=kind, file=file)
    offered = Offered(script=script, headers={"title": "T"}, text=TEXT)
    return Run(attempt="a", job="j", offered=offered, end=end, started_at=1.5, ended_at=2.5)


def test_a_report_says_what_ran_when_how_it_ended_and_what_came_out() -> None:
    report = make_report(run("table"), output=b"a b\n1 2\n")
    assert (report.attempt, report.job, report.exit_code) == ("a", "j", 0)
    assert report.script.sha256 == hashlib.sha256(TEXT).hexdigest()
    assert report.headers == {"title": "T"}
    assert (report.started_at, report.ended_at) == (1.5, 2.5)
    assert (report.result, report.message, report.artifact) == (b"a b\n1 2\n", "", "")


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (None, "interrupted: nobody saw how it ended"),
        (End(Ending.TIMEOUT, exit_code=143), "stopped by its time-out"),
        (End(Ending.STOP, exit_code=137), "stopped by a person"),
        (End(Ending.START, message="no such file"), "could not be started: no such file"),
        (End(Ending.EXIT, exit_code=137, oom=True), "out of memory"),
        (End(Ending.EXIT, exit_code=7), ""),
    ],
)
def test_an_end_that_no_exit_code_tells_is_told_in_words(end: End | None, message: str) -> None:
    report = make_report(run(end=end))
    assert report.message == message
    assert report.exit_code == (end.exit_code if end else None)


@pytest.mark.parametrize(
    "end", [None, End(Ending.EXIT, exit_code=1), End(Ending.TIMEOUT, exit_code=0)]
)
def test_only_a_run_that_succeeded_has_a_file(end: End | None) -> None:
    assert make_report(run("file", end, file="/tmp/x"), artifact="x").artifact == ""
    assert make_report(run("file", file="/tmp/x"), artifact="x").artifact == "x"
    assert make_report(run("text"), artifact="x").artifact == ""


def test_a_file_that_a_run_did_not_leave_is_named() -> None:
    assert make_report(run("file", file="/tmp/x")).message == "there is no file /tmp/x"


@pytest.mark.parametrize("output", [b"", b"1\n2\n", b"x" * 5000, b"\n\n"])
def test_a_metric_that_is_not_one_line_is_told_and_kept(output: bytes) -> None:
    report = make_report(run("metric"), output=output)
    assert "not one line" in report.message
    assert report.result == output
    assert make_report(run("metric"), output=b" 42 \n").message == ""


def test_a_large_result_is_cut_and_says_so() -> None:
    report = make_report(
        run(end=End(Ending.EXIT, exit_code=0, length=9_000_000)), output=b"x" * MOST_RESULT
    )
    assert len(report.result) == MOST_RESULT
    assert report.message == f"the result has 9000000 bytes, the first {MOST_RESULT} are here"


def test_the_largest_report_fits_into_a_frame() -> None:
    wide = "\N{PILE OF POO}" * 1000
    name = "n" * 128
    script = Script(name=name, sha256="0" * 64, size=1, title=wide, result="file", file=wide)
    headers = {"title": wide, "result-type": wide, "file-name": wide}
    largest = Run(
        attempt=name,
        job=name,
        offered=Offered(script=script, headers=headers, text=b"x"),
        end=End(Ending.EXIT, exit_code=0, message=wide),
    )
    report = make_report(largest, output=b"\0" * (2 * MOST_RESULT), artifact=name)
    header, payload = pack(report, answer=1 << 62)
    assert len(header) <= LIMITS.header
    assert len(payload) <= LIMITS.payload
    assert len(write_report(report)) <= MOST_KEPT
    assert read_report(write_report(report)) == report


@given(st.binary(max_size=200), st.sampled_from(["text", "metric", "table", "file"]))
def test_a_kept_report_is_read_as_it_was(output: bytes, kind: ResultType) -> None:
    report = make_report(run(kind), output=output, artifact="f")
    assert read_report(write_report(report)) == report


@given(st.integers(0, 400), st.binary(max_size=20))
def test_damaged_bytes_are_refused_and_never_crash(place: int, dust: bytes) -> None:
    kept = write_report(make_report(run(), output=b"result"))
    damaged = kept[:place] + dust
    if damaged == kept:
        return
    try:
        read_report(damaged)
    except AgentError:
        return
    assert damaged[: len(kept) - 6] == kept[:-6]  # nothing but the result can be another


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("/var/log/app.tar.gz", "app.tar.gz"),
        ("../../etc/shadow", "shadow"),
        ("a/..", "result"),
        ("", "result"),
        ("/tmp/.hidden", "hidden"),
        ("-rf", "rf"),
        ("a b\nc\x1b[0m", "a_b_c_0m"),
        ("/x/" + "y" * 400, "y" * 128),
    ],
)
def test_a_copy_of_a_file_result_has_a_plain_name(file: str, name: str) -> None:
    assert name_artifact(file) == name
