"""Who may do what: the rules of `access`, and the one question that is asked of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from controller.model.diagnostic import NOWHERE, Place
from controller.model.token import Role


class Right(StrEnum):
    """What a rule of `access` may give beside a role."""

    ADHOC = "adhoc"  # run commands and scripts that nobody declared
    APPROVE = "approve"  # approve what a target waits for


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One entry of `access`: the role a name has, and where. `targets` is a glob, `servers` a pattern; None: all."""

    name: str
    role: Role
    targets: str | None = None
    servers: str | None = None
    rights: frozenset[Right] = frozenset()
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """All rules, by name. Without any rule a token's own role and scope are all there is."""

    rules: Mapping[str, Rule] = field(default_factory=dict)
