"""One route as data: who may use it, what of it strangers see, and its bounds. The table of all is in `table`."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel

from controller.api.settings import Anonymous
from controller.api.shapes import Shape
from controller.model.access import Right
from controller.model.token import Role

Handler = Callable[..., object]


class Body(StrEnum):
    """What a route takes as its body."""

    NONE = "none"
    JSON = "json"
    FORM = "form"
    RAW = "raw"  # bytes as they come, judged by the handler


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route.

    Args:
        method: of HTTP.
        path: with names in braces.
        name: of the operation; unique, stable, what audits and metrics say.
        handler: answers; its docstring is what `/openapi.json` says of it.
        least: the role it needs; None: nobody is asked for a token.
        open_to: from which level of `--anonymous` on no token is needed; None: always.
        right: a right of `access` that it takes as well, or instead (`instead`).
        own: people with a certificate may do it without the role, to jobs that are theirs.
        shape: what strangers see of the answer at the level `status`.
        body: what it takes.
        large: takes bodies as large as webhooks are.
        audited: a line in the activity log before and after.
        secret: the answer holds a secret, and is kept nowhere.
        stream: stays open; counted against the bound of streams.
        answers: what a good answer holds, for `/openapi.json`.
        status: of a good answer.
        media: type of a good answer.
    """

    method: str
    path: str
    name: str
    handler: Handler
    tag: str
    least: Role | None = Role.VIEWER
    open_to: Anonymous | None = None
    right: Right | None = None
    instead: bool = False
    own: bool = False
    shape: Shape | None = None
    body: Body = Body.NONE
    large: bool = False
    audited: bool = False
    secret: bool = False
    stream: bool = False
    answers: type[BaseModel] | None = None
    status: int = 200
    media: str = "application/json"

    @property
    def unsafe(self) -> bool:
        """Whether it changes something."""
        return self.method not in {"GET", "HEAD"}
