"""Who may do what: the role of whoever asks, the rule of `access` with that name, and both their scopes.

Pure. Called by `api` before anything is done. The weaker of token and rule counts, so that neither a commit to the config
repository nor an old token gives more than the other. People with a certificate see everything and manage what is theirs; a rule with
their name may make operators of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from controller.model import selector
from controller.model.access import Access, Right, Rule
from controller.model.inventory import Inventory
from controller.model.token import CERTIFICATE, Actor, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a request takes: a role; `right` lets a lower role do it that has it, or is taken besides when `extra`.

    `own`: people do it without the role to what is theirs; whose it is, is asked when it is found.
    """

    role: Role
    right: Right | None = None
    extra: bool = False
    own: bool = False


ADHOC: Final = Needs(role=Role.OPERATOR, right=Right.ADHOC, extra=True, own=True)
"""Undeclared commands: an operator, and who does it in their own name, needs the right besides; an admin has it."""
APPROVE: Final = Needs(role=Role.OPERATOR, right=Right.APPROVE)
"""Approvals: an operator may, and whoever has the right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What is left when token and rule are laid over each other.

    `targets` are globs and `servers` patterns, each of which must agree; empty: everything. `own` is the name of a person whose
    jobs are theirs to manage, whatever the role; None: nobody's are.
    """

    role: Role | None
    own: str | None = None
    rights: frozenset[Right] = frozenset()
    targets: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether it reaches the whole fleet."""
        return not self.targets and not self.servers


def grant_of(actor: Actor, access: Access | None) -> Grant:
    """Say what somebody may do.

    Args:
        actor: who asks.
        access: the rules in force; None while no declarations are in force. Then nobody but admins may change anything, because
            the rule that would keep somebody from it is not known.
    """
    if actor.role is None:
        return Grant(role=None)
    if access is None:
        role = actor.role if actor.role is Role.ADMIN else Role.VIEWER
        return Grant(
            role=role, targets=_some(actor.scope.targets), servers=_some(actor.scope.servers)
        )
    rule = access.rules.get(actor.name)
    if rule is None:
        rule = Rule(name=actor.name, role=actor.role)
    return Grant(
        role=min(actor.most or actor.role, rule.role, key=lambda role: role.rank),
        own=actor.name if actor.kind == CERTIFICATE else None,
        rights=rule.rights,
        targets=_some(actor.scope.targets, rule.targets),
        servers=_some(actor.scope.servers, rule.servers),
    )


def _some(*words: str | None) -> tuple[str, ...]:
    return tuple(word for word in words if word is not None)


def lacks(grant: Grant, needs: Needs) -> str | None:
    """Say in words what somebody lacks to do something at all; None when nothing."""
    role = grant.role
    if role is None:
        return f"this needs the role {needs.role}"
    has = needs.right is None or role is Role.ADMIN or needs.right in grant.rights
    if needs.extra and not has:
        return f"this needs the right {needs.right} in access"
    instead = needs.right is not None and not needs.extra and has
    own = needs.own and grant.own is not None
    if role.rank >= needs.role.rank or instead or own:
        return None
    return f"this needs the role {needs.role}, not {role}"


def owns(grant: Grant, least: Role, owner: str) -> str | None:
    """Say in words why somebody may not manage what belongs to `owner`; None when they may, by their role or because it is theirs."""
    if grant.role is not None and grant.role.rank >= least.rank:
        return None
    if grant.own is not None and grant.own == owner:
        return None
    return f"this needs the role {least}: it is not {grant.own}'s"


def reaches(
    grant: Grant, inventory: Inventory, *, targets: Iterable[str] = (), servers: Iterable[str] = ()
) -> str | None:
    """Say in words what of these lies outside somebody's scope; None when nothing."""
    for name in targets:
        if not target_in(grant, name):
            return f"target {name} is outside the scope {' and '.join(grant.targets)}"
    wanted = tuple(servers)
    if not grant.servers or not wanted:
        return None
    inside = servers_in(grant, inventory)
    for name in wanted:
        if inside is not None and name not in inside:
            return f"server {name} is outside the scope {' and '.join(grant.servers)}"
    return None


def target_in(grant: Grant, name: str) -> bool:
    """Say whether a target lies within somebody's scope."""
    return all(fnmatchcase(name, glob) for glob in grant.targets)


def servers_in(grant: Grant, inventory: Inventory) -> frozenset[str] | None:
    """Give the servers within somebody's scope; None: all. A pattern that cannot be read, or names nothing, reaches nothing."""
    found: frozenset[str] | None = None
    for pattern in grant.servers:
        try:
            picked = frozenset(selector.match(selector.parse(pattern), inventory))
        except selector.SelectorError:
            picked = frozenset()
        found = picked if found is None else found & picked
    return found


def allowed(
    actor: Actor,
    access: Access | None,
    needs: Needs,
    *,
    targets: Iterable[str] = (),
    servers: Iterable[str] = (),
    inventory: Inventory,
) -> str | None:
    """Say in words why somebody may not do something to these targets and servers; None when they may."""
    grant = grant_of(actor, access)
    return lacks(grant, needs) or reaches(grant, inventory, targets=targets, servers=servers)
