"""Tokens for the API: what is kept of them, and what a request that carries one may do."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

CERTIFICATE: Final = "certificate"
"""The kind of an actor whom a certificate proved."""


class Role(StrEnum):
    """What a caller may do; each may do what those before it may."""

    VIEWER = "viewer"  # read everything but secrets
    OPERATOR = "operator"  # run, stop, approve, suspend within the scope
    ADMIN = "admin"  # everything, tokens and restores included

    @property
    def rank(self) -> int:
        """Give the place in the order."""
        return list(Role).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What of the fleet a token reaches: a glob of target names and a server pattern; None: all."""

    targets: str | None = None
    servers: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What is kept of a token: never its secret, only the SHA-256 of it as hex.

    `id` is the public half, which is the first part of what the person types. `name` is whose it is: the word of `access`.
    `by` created it. A rotated token stays good until `grace_until`; `successor` is the id of the one that came after it.
    """

    id: str
    name: str
    role: Role
    sha256: str
    scope: Scope = Scope()
    by: str = ""
    created_at: datetime
    expires_at: datetime | None = None
    grace_until: datetime | None = None
    successor: str | None = None
    revoked_at: datetime | None = None
    used_at: datetime | None = None
    used_from: str | None = None

    def refusal(self, now: datetime) -> str | None:
        """Say why it is not good now; None when it is."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and now >= self.expires_at:
            return "expired"
        if self.grace_until is not None and now >= self.grace_until:
            return "rotated"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asks, proved by a token, a certificate or a login, and what that lets them do.

    `kind` says what proved it: "token", "certificate", "local" (a person on the controller's own machine) or "anonymous".
    `id` is the token's or the certificate's serial, for the audit. `most` is what a rule of `access` with this name may give
    at most, where a rule gives anything; None: rules only take away.
    """

    name: str
    role: Role | None
    kind: str
    id: str = ""
    scope: Scope = Scope()
    most: Role | None = None
