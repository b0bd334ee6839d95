"""Who sends webhooks, and what is taken from one.

Filled by `source.webhook`; the faces and `reconcile` read it.
"""

from dataclasses import dataclass
from enum import StrEnum

from controller.model.ids import Sha


class Kind(StrEnum):
    """By whose rules a webhook is signed and written."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"
    FORGEJO = "forgejo"
    GOGS = "gogs"
    BITBUCKET = "bitbucket"
    BITBUCKET_SERVER = "bitbucket-server"
    STANDARD = "standard-webhooks"
    GENERIC = "generic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What a webhook says has happened: a reason to look, never a fact.

    `push` says that refs moved; other events (a ping, an issue) are well signed and no reason. Only the body is signed: `event` and
    `delivery` may be anybody's words. `ref` (in full) and `commit` are None where there is none, or more than one.
    """

    kind: Kind
    event: str
    push: bool
    ref: str | None = None
    commit: Sha | None = None
    delivery: str | None = None
