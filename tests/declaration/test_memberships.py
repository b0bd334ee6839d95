import pytest

from controller.model.amount import Amount
from controller.model.diagnostic import Severity
from tests.declaration.trees import declared, findings, loaded


def test_a_group_keeps_how_many_of_it_may_be_unavailable() -> None:
    groups = declared(
        "servers: {a: {groups: [web]}}\n"
        "groups: {web: {max_unavailable: 25%}, db: {max_unavailable: 1}, app: {}, all: {max_unavailable: 3}}\n"
    ).inventory.groups
    assert groups["web"].max_unavailable == Amount(number=25, percent=True)
    assert groups["db"].max_unavailable == Amount(number=1)
    assert groups["all"].max_unavailable == Amount(number=3)
    assert groups["app"].max_unavailable is None


@pytest.mark.parametrize("limit", ["0", "0%"])
def test_a_group_of_which_none_may_be_unavailable_is_a_warning(limit: str) -> None:
    result = loaded(f"groups: {{web: {{max_unavailable: {limit}}}}}\n")
    assert findings(result) == ["inventory/all.yaml:1:33 nothing-can-run"]
    assert result.diagnostics[0].severity is Severity.WARNING


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ("web: {max_unavailable: 101%}", "1:33 wrong-value"),
        ("web: {max_unavailable: -1}", "1:33 wrong-value"),
        ("web: {max_unavailable: some}", "1:33 wrong-value"),
        ("ungrouped: {max_unavailable: 1}", "1:39 limit-of-ungrouped"),
    ],
)
def test_a_limit_that_could_not_hold_is_an_error(group: str, expected: str) -> None:
    assert findings(loaded(f"groups: {{{group}}}\n")) == [f"inventory/all.yaml:{expected}"]


def test_a_group_has_the_servers_of_children_that_another_tool_declares_and_keeps_its_limit() -> (
    None
):
    groups = declared(
        {
            "inventory/own.yaml": "servers: {mine: {groups: [prod]}}\n"
            "groups: {prod: {children: [web], max_unavailable: 1}, web: {max_unavailable: 2}}\n"
            "inventories: {old: {ansible: inventory/hosts.ini}}\n",
            "inventory/hosts.ini": "[web]\nw1\n",
        }
    ).inventory.groups
    assert groups["prod"].servers == ("mine", "w1")
    assert groups["web"].servers == ("w1",)
    assert groups["web"].max_unavailable == Amount(number=2)
