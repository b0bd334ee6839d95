import pytest

from controller.model.access import Right
from controller.model.token import Role
from tests.declaration.trees import declared, findings, loaded

BASE = "tasks: {t: {run: x}}\nservers: {web-1: {groups: [web]}}\n"
TARGETS = "targets: {shop-prod: {servers: all, task: t}}\n"


def access(rule: str) -> str:
    return BASE + TARGETS + f"access: {{ops: {{{rule}}}}}\n"


def test_a_rule_says_role_reach_and_rights() -> None:
    text = access("role: operator, targets: 'shop-*', servers: 'web:!web-2*', rights: [adhoc]")
    rule = declared(text).access.rules["ops"]
    assert (rule.role, rule.targets, rule.servers) == (Role.OPERATOR, "shop-*", "web:!web-2*")
    assert rule.rights == {Right.ADHOC}
    everywhere = declared(access("role: admin")).access.rules["ops"]
    assert (everywhere.targets, everywhere.servers, everywhere.rights) == (None, None, frozenset())


def test_without_rules_there_are_none() -> None:
    assert declared(BASE + TARGETS).access.rules == {}


@pytest.mark.parametrize(
    ("rule", "expected", "hint"),
    [
        ("targets: shop-*", "4:10 missing-key", None),
        ("role: operater", "4:22 wrong-value", "did you mean operator?"),
        ("role: viewer, servers: wep", "4:39 unknown-server", "did you mean web?"),
        ("role: viewer, servers: 'a b'", "4:39 bad-pattern", None),
        ("role: viewer, servers: 'none*'", "4:39 no-servers", None),
        ("role: viewer, targets: 'shop prod'", "4:39 wrong-value", None),
        ("role: viewer, targets: 'chop-*'", "4:39 no-targets", "ops may do nothing"),
        ("role: viewer, rights: [adhok]", "4:39 wrong-value", "did you mean adhoc?"),
        ("role: viewer, was: alice", "4:30 unknown-key", None),
    ],
)
def test_what_is_wrong_with_a_rule_is_told_at_its_key(
    rule: str, expected: str, hint: str | None
) -> None:
    result = loaded(access(rule))
    assert f"inventory/all.yaml:{expected}" in findings(result)
    assert (hint or "") in " ".join(item.hint or "" for item in result.diagnostics)
