"""Who may do what: never more than the token, never more than the rule."""

from hypothesis import given, strategies as st

from controller.model.access import Access, Right, Rule
from controller.model.inventory import Inventory, Server
from controller.model.token import Actor, Role, Scope
from controller.reconcile.access.rights import (
    ADHOC,
    APPROVE,
    Needs,
    allowed,
    grant_of,
    lacks,
    servers_in,
)

SERVERS = ("web-1", "web-2", "db-1")
INVENTORY = Inventory(servers={name: Server(name=name, address=name) for name in SERVERS})
ROLES = st.sampled_from(Role)
GLOBS = st.sampled_from([None, "*", "shop*", "blog", "none"])
PATTERNS = st.sampled_from([None, "all", "web-*", "db-1", "nowhere", "web-*:!web-1", "&&&", ""])
RIGHTS = st.frozensets(st.sampled_from(Right))
ACTORS = st.builds(
    lambda role, targets, servers: Actor(
        name="ana", role=role, kind="token", scope=Scope(targets=targets, servers=servers)
    ),
    st.none() | ROLES,
    GLOBS,
    PATTERNS,
)
RULES = st.none() | st.builds(
    lambda role, targets, servers, rights: Rule(
        name="ana", role=role, targets=targets, servers=servers, rights=rights
    ),
    ROLES,
    GLOBS,
    PATTERNS,
    RIGHTS,
)
NEEDS = st.sampled_from([ADHOC, APPROVE, *(Needs(role=role) for role in Role)])
TARGETS = st.sampled_from(["shop-prod", "blog"])


def access_of(rule: Rule | None) -> Access:
    return Access(rules={} if rule is None else {rule.name: rule})


@given(ACTORS, RULES, NEEDS, TARGETS, st.sampled_from(SERVERS))
def test_token_and_rule_must_both_allow_it(
    actor: Actor, rule: Rule | None, needs: Needs, target: str, server: str
) -> None:
    def ask(who: Actor, access: Access) -> bool:
        return (
            allowed(who, access, needs, targets=[target], servers=[server], inventory=INVENTORY)
            is None
        )

    if not ask(actor, access_of(rule)):
        return
    if rule is not None:
        as_rule = Actor(
            name="ana",
            role=rule.role,
            kind="token",
            scope=Scope(targets=rule.targets, servers=rule.servers),
        )
        assert ask(as_rule, access_of(rule)), "a token never gives more than the rule"
    scoped = Rule(name="ana", role=Role.ADMIN, rights=frozenset(Right))
    assert ask(actor, access_of(scoped)), "a rule never gives more than the token"


@given(ACTORS, NEEDS)
def test_without_rules_in_force_nobody_but_admins_changes_anything(
    actor: Actor, needs: Needs
) -> None:
    if lacks(grant_of(actor, None), needs) is None and needs.role is not Role.VIEWER:
        assert actor.role is Role.ADMIN


@given(RULES)
def test_nobody_has_no_right_at_all(rule: Rule | None) -> None:
    nobody = Actor(name="ana", role=None, kind="anonymous")
    for needs in (ADHOC, APPROVE, Needs(role=Role.VIEWER)):
        assert lacks(grant_of(nobody, access_of(rule)), needs) is not None


def test_adhoc_is_a_right_besides_and_approve_a_right_instead() -> None:
    def may(role: Role, needs: Needs, *rights: Right) -> bool:
        rule = Rule(name="ana", role=role, rights=frozenset(rights))
        actor = Actor(name="ana", role=Role.ADMIN, kind="token")
        return lacks(grant_of(actor, access_of(rule)), needs) is None

    assert not may(Role.OPERATOR, ADHOC)
    assert may(Role.OPERATOR, ADHOC, Right.ADHOC)
    assert not may(Role.VIEWER, ADHOC, Right.ADHOC)
    assert may(Role.ADMIN, ADHOC)
    assert may(Role.OPERATOR, APPROVE)
    assert may(Role.VIEWER, APPROVE, Right.APPROVE)
    assert not may(Role.VIEWER, APPROVE, Right.ADHOC)


@given(PATTERNS, PATTERNS)
def test_two_scopes_are_laid_over_each_other(token: str | None, rule: str | None) -> None:
    actor = Actor(name="ana", role=Role.ADMIN, kind="token", scope=Scope(servers=token))
    both = servers_in(
        grant_of(actor, access_of(Rule(name="ana", role=Role.ADMIN, servers=rule))), INVENTORY
    )
    one = servers_in(grant_of(actor, Access()), INVENTORY)
    if one is not None:
        assert both is not None
        assert both <= one
