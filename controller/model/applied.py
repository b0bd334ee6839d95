"""The applied record of a pair: the same words in the state and in the marker on the server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from controller.model.declaration import OnRemove
from controller.model.ids import Digest, RunId, Sha
from controller.model.inventory import Server
from controller.model.job import State
from controller.model.work import DIGEST_FORMAT, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """Another digest was started here and has not ended well; `state` is how it ended, None while it runs."""

    digest: Digest
    run: RunId
    at: datetime
    state: State | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What is known to be in force for one (target, server).

    `applied` is the last input digest that ended well. While `tried` is set the pair equals nothing. `manifest` maps
    input name to the first eight hex digits of its digest. `key` is 32 random bytes as hex, made for this pair;
    `secrets` maps secret name to HMAC-SHA256(key, value) as hex. `files` maps the path of every delivered file that holds
    secrets to HMAC-SHA256(key, hex SHA-256 of its bytes). `on_remove`, `protect` and the rendered `undo` are those of
    the last applied declaration; `connection` is the server as it was declared then, and is never in a marker.
    """

    target: str
    server: str
    format: int = DIGEST_FORMAT
    applied: Digest | None = None
    tried: Tried | None = None
    manifest: Mapping[str, str] = field(default_factory=dict)
    key: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict)
    config_commit: Sha | None = None
    commit: Sha | None = None
    branch: str | None = None
    committed_at: datetime | None = None
    at: datetime | None = None
    by: str = ""
    run: RunId | None = None
    task: str = ""
    params: Mapping[str, object] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    on_remove: OnRemove = OnRemove.FORGET
    protect: bool = False
    undo: Work | None = None
    connection: Server | None = None
