import pytest
from hypothesis import given, strategies as st

from controller.declaration.quantities import processors
from controller.model.task import Limits
from tests.declaration.trees import declared, findings, loaded


def limits_of(text: str, settings: str = "") -> Limits:
    files = {"inventory/all.yaml": f"tasks: {{t: {{run: a, {text}}}}}\n"}
    made = declared({**files, "ctl.yaml": f"settings: {{{settings}}}\n"} if settings else files)
    return made.tasks["t"].limits


def test_limits_are_what_they_say() -> None:
    made = limits_of("limits: {cpu: 50%, memory: 512M, pids: 100, io: 20M}")
    assert made == Limits(cpu=0.5, memory=512 << 20, pids=100, io=20 << 20)
    assert limits_of("limits: {cpu: 1.5}") == Limits(cpu=1.5)
    assert limits_of("limits: {cpu: 2, pids: 10.0}") == Limits(cpu=2.0, pids=10)
    assert not limits_of("title: none")


def test_limits_of_the_settings_hold_where_a_task_names_none() -> None:
    both = limits_of("limits: {memory: 1G}", "limits: {memory: 512M, pids: 9}")
    assert both == Limits(memory=1 << 30, pids=9)
    assert limits_of("title: x", "limits: {io: 4K}") == Limits(io=4096)
    defaults = "limits: {pids: 9}, defaults: {tasks: {limits: {pids: 8, cpu: 1}}}"
    assert limits_of("limits: {cpu: 2}", defaults) == Limits(cpu=2.0, pids=8)


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("cpu: 0%", "wrong-value"),
        ("cpu: 0", "wrong-value"),
        ("cpu: 0.001", "wrong-value"),
        ("cpu: -1", "wrong-value"),
        ("cpu: 1e300", "wrong-value"),
        ("cpu: '1.5'", "wrong-value"),
        ("cpu: 50 %", "wrong-value"),
        ("cpu: true", "wrong-type"),
        ("memory: 512", "wrong-type"),
        ("memory: 512MB", "wrong-value"),
        ("memory: 0M", "wrong-value"),
        ("memory: 1K", "wrong-value"),
        ("memory: 999999T", "wrong-value"),
        ("pids: 0", "wrong-value"),
        ("pids: 1.5", "wrong-type"),
        ("pids: '100'", "wrong-type"),
        ("io: 1K", "wrong-value"),
        ("io: -1M", "wrong-value"),
        ("disk: 1M", "unknown-key"),
    ],
)
def test_nonsense_is_an_error_at_its_place(written: str, code: str) -> None:
    result = loaded(f"tasks:\n  t:\n    run: a\n    limits: {{{written}}}\n")
    (one,) = result.diagnostics
    assert one.code == code, one
    key = written.partition(":")[0]
    column = 14 if code == "unknown-key" else 14 + len(key) + 2
    assert (one.place.line, one.place.column) == (4, column)


def test_the_least_and_the_most_are_told() -> None:
    (one,) = loaded("tasks: {t: {run: a, limits: {memory: 64K}}}\n").diagnostics
    assert one.message == "cannot use 64K as `limits.memory`: expected 1M to 1024T"


def test_steps_have_no_limits_of_their_own() -> None:
    result = loaded("tasks: {t: {steps: {a: {run: x, limits: {pids: 1}}}}}\n")
    assert findings(result) == ["inventory/all.yaml:1:33 unknown-key"]


@given(st.integers(min_value=1, max_value=999_999))
def test_a_share_is_a_hundredth_of_a_processor(percent: int) -> None:
    assert processors(f"{percent}%") * 100 == pytest.approx(percent)


@pytest.mark.parametrize("written", [".inf", ".nan", "-.inf"])
def test_numbers_that_are_none_are_errors(written: str) -> None:
    assert loaded(f"tasks: {{t: {{run: a, limits: {{cpu: {written}}}}}}}\n").declaration is None
