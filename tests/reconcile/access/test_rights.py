"""Who may do what: never more than the token, never more than the rule."""

from datetime import UTC, datetime

from hypothesis import given, strategies as st

from controller.model.access import Access, Right, Rule
from controller.model.inventory import Inventory, Server
from controller.model.token import CERTIFICATE, Actor, Role, Scope
from controller.pki.peer import Peer
from controller.pki.role import Role as PaperRole
from controller.reconcile.access.people import actor_of
from controller.reconcile.access.rights import (
    ADHOC,
    APPROVE,
    Needs,
    allowed,
    grant_of,
    lacks,
    owns,
    servers_in,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
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
PEERS = st.builds(
    lambda role: Peer(name="ana", role=role, serial="1A", organisation="Example", not_after=NOW),
    st.sampled_from(PaperRole),
)
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


@given(PEERS, RULES)
def test_a_commit_makes_nobody_an_admin(peer: Peer, rule: Rule | None) -> None:
    grant = grant_of(actor_of(peer), access_of(rule))
    if peer.role is not PaperRole.ADMIN:
        assert grant.role is not Role.ADMIN


@given(PEERS, RULES)
def test_certificates_of_machines_have_no_role_whatever_the_rules(
    peer: Peer, rule: Rule | None
) -> None:
    grant = grant_of(actor_of(peer), access_of(rule))
    assert (grant.role is None) is (peer.role in {PaperRole.AGENT, PaperRole.CONTROLLER})
    if grant.role is None:
        assert grant.own is None
        assert lacks(grant, Needs(role=Role.VIEWER, own=True)) is not None


@given(RULES)
def test_a_user_sees_everything_without_a_rule_and_what_a_rule_says_with_one(
    rule: Rule | None,
) -> None:
    grant = grant_of(user(), access_of(rule))
    if rule is None:
        assert (grant.role, grant.whole, grant.rights) == (Role.VIEWER, True, frozenset())
    else:
        assert grant.role is min(rule.role, Role.OPERATOR, key=lambda role: role.rank)
        assert grant.rights == rule.rights


def user() -> Actor:
    return actor_of(
        Peer(name="ana", role=PaperRole.USER, serial="1A", organisation="Example", not_after=NOW)
    )


@given(RULES, st.sampled_from(["ana", "", "ben", "Ana", "ana@ci"]))
def test_a_user_manages_what_is_theirs_and_with_the_role_all(rule: Rule | None, owner: str) -> None:
    grant = grant_of(user(), access_of(rule))
    assert lacks(grant, Needs(role=Role.OPERATOR, own=True)) is None
    may = owns(grant, Role.OPERATOR, owner) is None
    assert may is (owner == "ana" or grant.role is Role.OPERATOR)


@given(ACTORS, RULES)
def test_nothing_is_theirs_who_came_by_a_token(actor: Actor, rule: Rule | None) -> None:
    grant = grant_of(actor, access_of(rule))
    assert actor.kind != CERTIFICATE
    assert grant.own is None
    if grant.role is None or grant.role is Role.VIEWER:
        assert owns(grant, Role.OPERATOR, actor.name) is not None


def test_a_user_needs_the_right_for_undeclared_work_and_nobody_else_needs_less() -> None:
    def may(actor: Actor, *rights: Right) -> bool:
        rule = Rule(name="ana", role=Role.VIEWER, rights=frozenset(rights))
        return lacks(grant_of(actor, access_of(rule)), ADHOC) is None

    assert may(user(), Right.ADHOC)
    assert not may(user(), Right.APPROVE)
    assert not may(Actor(name="ana", role=Role.OPERATOR, kind="token"), Right.ADHOC)


def test_while_no_rules_are_known_nothing_is_theirs_to_manage() -> None:
    grant = grant_of(user(), None)
    assert (grant.role, grant.own) == (Role.VIEWER, None)
