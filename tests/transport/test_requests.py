"""What goes to a runner is checked and bounded before anything is sent."""

import pytest

from controller.errors import RefusedError
from controller.model.ids import AttemptId, JobId
from controller.model.task import Limits
from controller.transport.attempts import BLOB_LIMIT, INPUT_LIMIT
from controller.transport.port import AttemptSpec, Ending, ProbeSpec
from controller.transport.requests import (
    VALUE_LIMIT,
    exports,
    limit_words,
    pause_seconds,
    shell_words,
    spans,
    start_request,
)
from tests.transport.way import Way


@pytest.fixture
def way(runner_way: Way) -> Way:
    """Only ways with a runner: agents have bounds of their own."""
    return runner_way


async def test_the_largest_value_arrives_and_a_larger_one_is_refused(way: Way) -> None:
    largest = "x" * (VALUE_LIMIT - len("BIG=") - 1)
    ended, output = await way.run('echo "${#BIG}"', env={"BIG": largest})
    assert (ended.ending, ended.exit_code, output) == (Ending.EXIT, 0, b"%d\n" % len(largest))
    with pytest.raises(RefusedError, match="BIG of 131073 bytes"):
        await way.run("true", env={"BIG": largest + "x"})


async def test_an_environment_of_a_megabyte_arrives_and_a_larger_one_is_refused(way: Way) -> None:
    env = {f"V{n}": "x" * 100_000 for n in range(10)}
    ended, output = await way.run('echo "${#V0}${#V9}"', env=env)
    assert (ended.exit_code, output) == (0, b"100000100000\n")
    with pytest.raises(RefusedError, match="an environment"):
        await way.run("true", env={**env, "MORE": "x" * 100_000})


async def test_what_is_too_large_is_never_started(way: Way) -> None:
    session = await way.open()
    for text, more in (
        (b"x" * (BLOB_LIMIT + 1), {}),
        (b"true", {"stdin": bytes(INPUT_LIMIT + 1)}),
        (b"true", {"env": {"A": "x" * VALUE_LIMIT}}),
    ):
        spec = way.spec(text, **more)
        with pytest.raises(RefusedError):
            await session.start(spec)
        assert not way.folder(spec.id).exists()
    with pytest.raises(RefusedError):
        await session.probe(ProbeSpec(text=b"#" * (2 << 20)))


async def test_an_input_of_many_megabytes_arrives_while_others_are_served(way: Way) -> None:
    ended, output = await way.run("wc -c", stdin=b"x" * (20 << 20))
    assert (ended.exit_code, output.strip()) == (0, b"%d" % (20 << 20))


@pytest.mark.parametrize(
    ("field", "value"),
    [("id", "../x"), ("id", ""), ("job", "a/b"), ("user", "a;b"), ("user", "-x")],
)
def test_names_that_could_be_paths_or_words_of_a_shell_are_refused(field: str, value: str) -> None:
    good = {"id": AttemptId("j.s.1"), "job": JobId("j"), "text": b"true"}
    with pytest.raises(RefusedError):
        start_request(AttemptSpec(**{**good, field: value}), ())  # type: ignore[arg-type]


def test_a_variable_must_be_a_name() -> None:
    with pytest.raises(RefusedError):
        exports({"A=$(x)": "1"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"true", b"sh"),
        (b"#!/bin/dash\ntrue", b"'/bin/dash'"),
        (b"#! /usr/bin/env  python3 -S \n", b"'/usr/bin/env' 'python3 -S'"),
        (b"#!\n", b"sh"),
    ],
)
def test_the_first_line_of_a_text_names_its_interpreter(text: bytes, words: bytes) -> None:
    assert shell_words(None, text) == words


@pytest.mark.parametrize(
    ("timeout", "parts"), [(0.3, "0.300"), (1.0, "1.000"), (3.5, "1.000 2.500"), (60, "1.000 59")]
)
def test_a_time_out_is_slept_in_parts_that_sum_to_it(timeout: float, parts: str) -> None:
    assert spans(timeout) == parts


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(), ""),
        (Limits(cpu=0.5), "cpu=50000"),
        (Limits(cpu=0.001), "cpu=1000"),  # the kernel takes no less
        (Limits(memory=1 << 20, pids=5, io=4096), "memory=1048576 pids=5 io=4096"),
    ],
)
def test_limits_are_told_as_the_kernel_counts(limits: Limits, words: str) -> None:
    assert limit_words(limits) == words


@pytest.mark.parametrize(("seconds", "told"), [(0.0, "0"), (0.25, "0.250"), (3600.0, "3600")])
def test_a_pause_is_told_as_sleep_takes_it(seconds: float, told: str) -> None:
    assert pause_seconds(seconds) == told


@pytest.mark.parametrize("seconds", [-0.1, float("nan"), float("inf"), 4e7])
def test_a_pause_that_is_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(RefusedError):
        pause_seconds(seconds)
