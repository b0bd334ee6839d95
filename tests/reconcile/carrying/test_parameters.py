"""What a person types after -p: converted by the schema, complained of, and never a template."""

import pytest
from hypothesis import given as drawn, strategies as st

from controller.errors import UsageError
from controller.model.task import Param
from controller.reconcile.carrying.parameters import given, literal

DECLARED = {
    "who": Param(name="who", schema={"type": "string"}, required=True),
    "many": Param(name="many", schema={"type": "integer", "maximum": 5}, default=1),
}


def test_values_are_read_by_their_type_and_defaults_fill_the_rest() -> None:
    assert given(DECLARED, {"who": "3"}) == {"who": "3", "many": 1}
    assert given(DECLARED, {"who": "x", "many": "4"}) == {"who": "x", "many": 4}


@pytest.mark.parametrize(
    "typed", [{}, {"who": "x", "whom": "y"}, {"who": "x", "many": "6"}, {"who": "x", "many": "no"}]
)
def test_what_does_not_fit_is_refused(typed: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        given(DECLARED, typed)


@pytest.mark.parametrize("value", [1, None, True, 2.5, "plain", {"a": ["b", 1]}, "{", "}}", "{#"])
def test_a_value_that_is_no_template_stays_as_it_is(value: object) -> None:
    assert literal(value) == value


@drawn(
    st.text(
        alphabet=st.one_of(
            st.sampled_from("{%#}-'\"\\ \n"), st.characters(exclude_categories=["Cs"])
        ),
        max_size=30,
    )
)
def test_a_literal_holds_no_template_of_whoever_typed_it(text: str) -> None:
    written = literal("{{" + text)
    assert isinstance(written, str)
    assert written.count("{{") == 1
    assert "{%" not in written
    assert "\n" not in written
