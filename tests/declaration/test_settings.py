import pytest

from controller.model.amount import Amount
from controller.model.declaration import Budget
from controller.model.retention import Retention
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
        ("config: {interval: 1s}", "1:31 wrong-value"),
        ("config: {intervall: 1m}", "1:21 unknown-key"),
        ("config: {verify: keys/none}", "1:29 missing-file"),
        ("retention: {jobs: 1s}", "1:30 wrong-value"),
        ("retention: {dues: 1d}", "1:30 wrong-value"),
        ("retention: {runs: 1}", "1:30 wrong-value"),
        ("retention: {job: 90d}", "1:24 unknown-key"),
        ("limits: {memory: 1}", "1:29 wrong-type"),
        ("limits: {memory: 512K}", "1:29 wrong-value"),
        ("limits: {}", "1:20 wrong-value"),
    ],
)
def test_what_is_wrong_with_settings_is_told_at_its_place(text: str, expected: str) -> None:
    result = loaded({"ctl.yaml": f"settings: {{{text}}}\n"})
    assert findings(result) == [f"ctl.yaml:{expected}"]


def test_a_serving_controller_follows_and_keeps_as_the_settings_say() -> None:
    usual = declared({"ctl.yaml": "settings: {}\n"}).settings
    assert (usual.config_interval, usual.config_verify) == (60.0, None)
    assert usual.retention == Retention()
    text = (
        "settings: {config: {interval: 30s, verify: keys/signers},\n"
        "  retention: {output: 7d, jobs: 14d, runs: 100, history: 1d, letters: 2d, dues: 8d}}\n"
    )
    settings = declared({"ctl.yaml": text, "keys/signers": b"ops@example.com ssh-ed25519 AAAA\n"})
    day = 86_400.0
    assert settings.settings.config_interval == 30.0
    assert settings.settings.config_verify == "keys/signers"
    assert settings.settings.retention == Retention(
        output=7 * day, jobs=14 * day, runs=100, history=day, letters=2 * day, dues=8 * day
    )
