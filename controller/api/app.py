"""The app: the table's routes with their handlers, behind the gate.

Called by `service`; gives an ASGI app. FastAPI reads parameters and bodies and describes them; who is let in, and how much of them is
read, was decided before by the gate.
"""

import asyncio
import logging
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from controller.api import description
from controller.api.admission import NOBODY
from controller.api.call import Desk, current
from controller.api.certificates import Certificates
from controller.api.gate import Gate
from controller.api.glance import Glance
from controller.api.metrics import Meter
from controller.api.port import Serving
from controller.api.problems import (
    INTERNAL,
    NOTHING_IN_FORCE,
    Problem,
    ProblemError,
    problem_of,
    response_of,
)
from controller.api.proving import Proving
from controller.api.route import Route
from controller.api.sessions import Sessions
from controller.api.settings import ApiSettings
from controller.api.table import DEBUG, ROUTES
from controller.errors import ControllerError, NotFoundError
from controller.pki.people import People
from controller.reconcile.access.tokens import TokenDesk

LOG: Final = logging.getLogger("ctl.api")
SHOWN: Final = 10
"""Findings about a request that are told at once."""


def build(serving: Serving, settings: ApiSettings, people: People | None = None) -> Gate:
    """Make the app of a controller.

    Args:
        serving: the controller.
        settings: what is shown to strangers, and every bound.
        people: who may come by a certificate; None: nobody.
    """
    clock = serving.clock
    tokens = TokenDesk(serving.store.tokens, serving.rooms(NOBODY).activity, clock)
    desk = Desk(
        serving=serving,
        settings=settings,
        sessions=Sessions(settings),
        tokens=tokens,
        glance=Glance(serving),
        meter=Meter(serving),
        proving=Proving(tokens, settings, clock),
        certificates=Certificates(people, clock),
        closing=asyncio.Event(),
    )
    routes = (*ROUTES, *DEBUG) if settings.debug else ROUTES
    app = routed(routes)
    queries = {
        route.name: query_names(route) for route in app.routes if isinstance(route, APIRoute)
    }
    return Gate(app, routes, queries, desk)


def routed(routes: Iterable[Route] = ROUTES) -> FastAPI:
    """Make the app without the gate."""
    app = FastAPI(
        title=description.TITLE,
        version=description.VERSION,
        description=description.TEXT,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for route in routes:
        add(app, route)
    app.add_exception_handler(ProblemError, told)
    app.add_exception_handler(ControllerError, told)
    app.add_exception_handler(RequestValidationError, told)
    app.add_exception_handler(HTTPException, told)
    app.add_exception_handler(Exception, unforeseen)
    app.openapi = lambda: description.describe(app)  # type: ignore[method-assign]
    return app


def add(app: FastAPI, route: Route) -> None:
    """Give a route its handler."""
    app.add_api_route(
        route.path,
        route.handler,
        methods=[route.method],
        name=route.name,
        operation_id=route.name,
        status_code=route.status,
        response_model=None,
        responses=description.answers_of(route),
        response_class=Response,
        tags=[route.tag],
        summary=(route.handler.__doc__ or "").partition("\n")[0],
        openapi_extra=description.needs_of(route),
        include_in_schema=route.method != "HEAD" and route not in DEBUG,
    )


def query_names(route: APIRoute) -> frozenset[str]:
    """Say which names a route takes in its query, those of what it depends on included."""
    waiting, found = [route.dependant], set[str]()
    while waiting:
        one = waiting.pop()
        found |= {param.alias for param in one.query_params}
        waiting += one.dependencies
    return frozenset(found)


async def told(request: Request, error: Exception) -> Response:
    """Answer with what went wrong."""
    match error:
        case ProblemError():
            return response_of(error.problem)
        case NotFoundError() if await _nothing_in_force(request):
            return response_of(NOTHING_IN_FORCE)
        case ControllerError():
            problem = problem_of(error)
            if problem.status is HTTPStatus.INTERNAL_SERVER_ERROR:
                LOG.error("cannot answer %s", request.scope["path"], exc_info=error)
            return response_of(problem)
        case RequestValidationError():
            return response_of(findings(error))
        case HTTPException():
            return response_of(of_status(HTTPStatus(error.status_code)))
        case _:
            raise error


async def _nothing_in_force(request: Request) -> bool:
    """Say whether nothing can be found yet, because no declarations are in force."""
    return (await current(request)).serving.generation is None


async def unforeseen(request: Request, error: Exception) -> Response:
    """Answer as little as can be; the gate logs what it was."""
    return response_of(INTERNAL)


def findings(error: RequestValidationError) -> Problem:
    """Say what of a request does not fit: where, and what is wanted; never what was given."""
    rows: list[dict[str, Any]] = list(error.errors())
    told_ = [
        {"at": "/".join(map(str, row["loc"]))[:200], "message": str(row["msg"])[:200]}
        for row in rows[:SHOWN]
    ]
    first = told_[0] if told_ else {"at": "request", "message": "it cannot be read"}
    return Problem(
        status=HTTPStatus.UNPROCESSABLE_ENTITY,
        reference="bad-request",
        detail=f"{first['at']}: {first['message']}",
        members={"errors": told_},
    )


def of_status(status: HTTPStatus) -> Problem:
    """Say no more than a status."""
    reference = status.phrase.lower().replace(" ", "-")
    return Problem(status=status, reference=reference, detail=status.description or status.phrase)
