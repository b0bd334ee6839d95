import pytest

from controller.model.amount import Amount
from controller.model.declaration import Budget
from tests.declaration.trees import declared, findings, loaded


def test_a_budget_has_defaults_for_what_it_does_not_say() -> None:
    assert declared({"ctl.yaml": "settings: {}\n"}).settings.budget == Budget(
        servers=None, removals=Amount(number=30, percent=True)
    )
    text = "settings: {budget: {servers: 25%, removals: 0}, approvers: [ops, lead@example.com]}\n"
    settings = declared({"ctl.yaml": text}).settings
    assert settings.budget == Budget(
        servers=Amount(number=25, percent=True), removals=Amount(number=0)
    )
    assert settings.approvers == ("ops", "lead@example.com")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("budget: {servers: 0}", "1:30 wrong-value"),
        ("budget: {servers: 0%}", "1:30 wrong-value"),
        ("budget: {removals: 101%}", "1:31 wrong-value"),
        ("budget: {server: 1}", "1:21 unknown-key"),
        ("approvers: []", "1:23 wrong-value"),
        ("approvers: [a, a]", "1:23 wrong-value"),
        ("approvers: ['a b']", "1:24 wrong-value"),
        ("config: {interval: 1m}", "1:12 not-supported-yet"),
        ("limits: {memory: 1}", "1:29 wrong-type"),
        ("limits: {memory: 512K}", "1:29 wrong-value"),
        ("limits: {}", "1:20 wrong-value"),
    ],
)
def test_what_is_wrong_with_settings_is_told_at_its_place(text: str, expected: str) -> None:
    result = loaded({"ctl.yaml": f"settings: {{{text}}}\n"})
    assert findings(result) == [f"ctl.yaml:{expected}"]
