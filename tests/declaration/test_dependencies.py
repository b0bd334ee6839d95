from hypothesis import given, settings, strategies as st

from tests.declaration.trees import declared, findings, loaded

BASE = "tasks: {t: {run: x}}\nservers: {s: {}}\ntargets:\n"


def targets(waits: dict[str, list[str]]) -> str:
    return BASE + "".join(
        f"  {name}: {{servers: all, task: t, after: [{', '.join(before)}]}}\n"
        for name, before in waits.items()
    )


def test_after_names_targets_that_exist() -> None:
    assert declared(targets({"a": ["b"], "b": []})).targets["a"].after == ("b",)
    result = loaded(targets({"migrate": [], "deploy": ["migrat"]}))
    assert findings(result) == ["inventory/all.yaml:5:43 unknown-target"]
    assert result.diagnostics[0].hint == "did you mean migrate?"


def test_a_cycle_is_told_once_and_whole() -> None:
    result = loaded(targets({"c": ["a"], "a": ["x", "b"], "b": ["c"], "x": []}))
    assert findings(result) == ["inventory/all.yaml:5:41 target-cycle"]
    assert "a after b after c after a" in result.diagnostics[0].message


def test_a_target_after_itself_is_a_cycle() -> None:
    result = loaded(targets({"a": ["a"]}))
    assert findings(result) == ["inventory/all.yaml:4:38 target-cycle"]
    assert "a after a" in result.diagnostics[0].message


@settings(deadline=None, max_examples=25)
@given(st.permutations(["a", "b", "c", "d", "e"]), st.integers(min_value=1, max_value=5))
def test_a_cycle_is_found_whatever_the_order_of_the_blocks(order: list[str], size: int) -> None:
    ring = order[:size]
    waits = {name: [ring[index - 1]] for index, name in enumerate(ring)}
    text = targets({name: waits.get(name, []) for name in sorted(order)})
    result = loaded(text)
    assert [item.code for item in result.diagnostics] == ["target-cycle"]
    assert all(name in result.diagnostics[0].message for name in ring)


def test_a_cycle_of_many_is_not_told_without_end() -> None:
    names = [f"t{number:03}" for number in range(200)]
    waits = {name: [names[(index + 1) % 200]] for index, name in enumerate(names)}
    result = loaded(targets(waits))
    assert [item.code for item in result.diagnostics] == ["target-cycle"]
    assert len(result.diagnostics[0].message) < 1_000
