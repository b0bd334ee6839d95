from hypothesis import given, strategies as st

from controller.declaration.cycles import cycles

NAMES = st.sampled_from("abcdefgh")
GRAPHS = st.dictionaries(NAMES, st.lists(NAMES, unique=True, max_size=4).map(tuple))


def reached(waits: dict[str, tuple[str, ...]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = list(waits.get(start, ()))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(waits.get(name, ()))
    return found


@given(GRAPHS)
def test_every_cycle_that_is_told_is_one_and_none_is_left_untold(
    waits: dict[str, tuple[str, ...]],
) -> None:
    found = cycles(waits)
    for cycle in found:
        assert len(set(cycle)) == len(cycle)
        assert cycle[0] == min(cycle)
        for name, following in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
            assert following in waits[name]
    cut = {name: tuple(before) for name, before in waits.items()}
    for cycle in found:
        for name in cycle:
            cut.pop(name, None)
    assert not any(name in reached(cut, name) for name in cut)
    on_one = {name for name in waits if name in reached(waits, name)}
    assert bool(found) == bool(on_one)


@given(GRAPHS, st.permutations("abcdefgh"))
def test_the_order_of_the_names_means_nothing(
    waits: dict[str, tuple[str, ...]], order: list[str]
) -> None:
    assert cycles({name: waits[name] for name in order if name in waits}) == cycles(waits)


def test_a_long_chain_is_no_cycle_and_closing_it_makes_one() -> None:
    chain = {f"n{number:05}": (f"n{number + 1:05}",) for number in range(20_000)}
    assert cycles(chain) == []
    chain["n20000"] = ("n00000",)
    assert [len(cycle) for cycle in cycles(chain)] == [20_001]


def test_what_waits_for_itself_is_a_cycle_of_one() -> None:
    assert cycles({"a": ("b", "a"), "b": ()}) == [["a"]]
