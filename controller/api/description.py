"""The API in OpenAPI 3.1: what the app knows of its routes, and what the table says besides.

Called by the app. The text that is checked in, `docs/openapi.json`, is what this gives.
"""

from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from controller import __version__
from controller.api.answers import ProblemAnswer
from controller.api.problems import MEDIA_TYPE
from controller.api.route import Body, Route
from controller.api.settings import Anonymous

TITLE: Final = "Tillerman"
VERSION: Final = __version__
TEXT: Final = (
    "The HTTP API of `ctl serve`. Send a token as `Authorization: Bearer TOKEN`, or show the certificate of a user or an "
    "admin; a few things are shown without either, by the addresses and own names of the controller. "
    "Errors are problem documents (RFC 9457) with a stable `reference` and, where there is one, a `hint`. Lists come in pages: "
    "`next` of a page is the `cursor` of the one after. A POST with an `Idempotency-Key` is done once; the same request "
    "again gets the same answer. Documents only grow: leave alone what you do not know. Times are RFC 3339 in UTC, "
    "durations are seconds."
)
TAGS: Final = (
    ("fleet", "What is declared, and how it stands."),
    ("work", "Plans, runs and jobs."),
    ("decisions", "What people decide and ask for."),
    ("news", "Logs, and what changes as it changes."),
    ("tokens", "Who may use the API."),
    ("controller", "The controller itself."),
)
TOKEN: Final = "token"  # noqa: S105  # the name of a scheme
COOKIE: Final = "cookie"
CERTIFICATE: Final = "certificate"

REFUSALS: Final = {
    HTTPStatus.BAD_REQUEST: "The request has no one reading.",
    HTTPStatus.UNAUTHORIZED: "A token or a certificate is needed, or the one that came is not good.",
    HTTPStatus.FORBIDDEN: "The role, a right or the scope does not allow it.",
    HTTPStatus.NOT_FOUND: "There is no such thing, or it is outside the scope.",
    HTTPStatus.CONFLICT: "A gate says no, or the world has changed meanwhile.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is of another kind, or packed.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The request does not fit what is taken here.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests; `Retry-After` says how long to wait.",
    HTTPStatus.BAD_GATEWAY: "A server or a repo is out of reach.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The state cannot be used now.",
}


def answers_of(route: Route) -> dict[int | str, dict[str, Any]]:
    """Say what a route answers."""
    good: dict[str, Any] = {
        "description": "Done." if route.status < HTTPStatus.ACCEPTED else "Taken."
    }
    if route.answers is not None:
        good["model"] = route.answers
    elif route.media != "application/json":
        good["content"] = {route.media: {"schema": {"type": "string"}}}
    elif route.status == HTTPStatus.OK:
        good["content"] = {route.media: {"schema": {"type": "array", "items": {"type": "object"}}}}
    found: dict[int | str, dict[str, Any]] = {route.status: good}
    if route.status == HTTPStatus.ACCEPTED and route.name != "hook":
        found[200] = {**good, "description": "There was nothing to do."}
    for status in refusals(route):
        found[status.value] = {
            "description": REFUSALS[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}}},
        }
    return found


def refusals(route: Route) -> tuple[HTTPStatus, ...]:
    """Say how a route may refuse."""
    left_out = set()
    if route.least is None and route.name not in {"hook", "login", "logout"}:
        left_out |= {HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT, HTTPStatus.BAD_GATEWAY}
    if route.body is Body.NONE and not route.unsafe:
        left_out |= {HTTPStatus.REQUEST_ENTITY_TOO_LARGE}
    return tuple(status for status in REFUSALS if status not in left_out)


def needs_of(route: Route) -> dict[str, Any]:
    """Say who may use a route."""
    if route.least is None:
        return {"x-needs": "Open to everybody.", "security": [{}]}
    right = (
        ""
        if route.right is None
        else f", {'or' if route.instead else 'and'} the right {route.right}"
    )
    level = (
        "" if route.open_to is None else f"; without a token from --anonymous {route.open_to} on"
    )
    theirs = "; of people with a certificate only what is theirs" if route.own else ""
    security: list[dict[str, list[str]]] = [{TOKEN: []}, {COOKIE: []}, {CERTIFICATE: []}]
    if route.open_to is Anonymous.STATUS:
        security.append({})
    extra: dict[str, Any] = {
        "x-needs": f"Needs the role {route.least}{right}{theirs}{level}.",
        "security": security,
    }
    if route.method == "POST" and not route.secret:
        extra["parameters"] = [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "a fresh text for each thing that is to be done",
                "schema": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 255,
                    "pattern": "^[!-~]+$",
                },
            }
        ]
    return extra


def describe(app: FastAPI) -> dict[str, Any]:
    """Describe the app, once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=TITLE,
            version=VERSION,
            openapi_version="3.1.0",
            description=TEXT,
            routes=app.routes,
            tags=[{"name": name, "description": text} for name, text in TAGS],
            license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        )
        components = made.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        schemas["ProblemAnswer"] = ProblemAnswer.model_json_schema()
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        components["securitySchemes"] = {
            TOKEN: {"type": "http", "scheme": "bearer", "description": "a token of 32 letters"},
            COOKIE: {"type": "apiKey", "in": "cookie", "name": "ctl", "description": "from /login"},
            CERTIFICATE: {
                "type": "mutualTLS",
                "description": "of a user or an admin, by `ctl pki`",
            },
        }
        app.openapi_schema = made
    return app.openapi_schema
