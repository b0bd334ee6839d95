"""Who has to go when too many shake hands."""

from hypothesis import given, strategies as st

from controller.transport.agents.crowds import Crowds


def test_the_eldest_of_the_busiest_address_goes() -> None:
    crowds: Crowds[int] = Crowds(3)
    assert [crowds.enter(n, "stranger") for n in (1, 2)] == [None, None]
    assert crowds.enter(3, "agent") is None
    assert crowds.enter(4, "other") == 1
    assert crowds.enter(5, "stranger") == 2


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abc"), st.booleans())))
def test_nobody_is_counted_twice_and_never_too_many(steps: list[tuple[int, str, bool]]) -> None:
    crowds: Crowds[tuple[int, str]] = Crowds(4)
    here: set[tuple[int, str]] = set()
    for number, address, comes in steps:
        one = (number, address)
        if comes and one not in here:
            out = crowds.enter(one, address)
            here = (here - {out}) | {one}
        else:
            crowds.leave(one, address)
            here.discard(one)
        assert len(crowds) == len(here) <= 4
