"""Login and logout of browsers, style and picture of all pages, and what describes the API."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response

from controller.api.body import field_of
from controller.api.call import Asked, Call
from controller.api.manual import manual
from controller.api.pages import page, read
from controller.api.problems import ProblemError


async def login_page(
    call: Asked, refused: Annotated[str | None, Query(pattern="^yes$")] = None
) -> Response:
    """Show the form that takes a token."""
    return page(call, "login.html", "Log in", {"refused": refused is not None})


async def login(call: Asked, request: Request) -> Response:
    """Take a token from a form, and give a cookie that stands for it until the browser logs out."""
    given = (field_of(await request.body(), "token") or "").strip()
    try:
        token = await call.desk.proving.prove(given.encode("utf-8", "replace"), call.place)
    except ProblemError as error:
        if error.problem.status is not HTTPStatus.UNAUTHORIZED:
            raise
        return see("/login?refused=yes")
    now = call.serving.clock.now()
    await call.rooms.activity.append(
        "api-login", token.name, token=token.id, **{"from": call.place}
    )
    cookie = call.desk.sessions.begin(token.id, now)
    return see("/", cookie=call.desk.sessions.header(cookie))


async def logout(call: Asked, request: Request) -> Response:
    """End the login of this browser."""
    cookie = request.cookies.get(call.desk.sessions.cookie)
    if cookie is not None and call.session is not None:
        call.desk.sessions.end(cookie)
    return see("/login", cookie=call.desk.sessions.header(""))


def see(where: str, *, cookie: str | None = None) -> Response:
    """Lead a browser somewhere else."""
    headers = {} if cookie is None else {"set-cookie": cookie}
    return RedirectResponse(where, status_code=HTTPStatus.SEE_OTHER, headers=headers)


async def style(call: Asked) -> Response:
    """Give the style of all pages."""
    return Response(
        read("style.css"), media_type="text/css", headers={"cache-control": "max-age=3600"}
    )


async def icon(call: Asked) -> Response:
    """Give the picture of all pages."""
    return Response(
        read("icon.svg"), media_type="image/svg+xml", headers={"cache-control": "max-age=3600"}
    )


async def docs(call: Asked, request: Request) -> Response:
    """Show what the API takes and answers, made of `/openapi.json`."""
    return page(call, "docs.html", "HTTP API", manual(schema_of(request)))


async def openapi(call: Asked, request: Request) -> Response:
    """Describe the API in OpenAPI 3.1."""
    return described(call, request)


def described(call: Call, request: Request) -> Response:
    """Answer with the description; it is the same for everybody."""
    return call.answer(schema_of(request))


def schema_of(request: Request) -> dict[str, object]:
    """Give the description of the app that answers."""
    made: dict[str, object] = request.app.openapi()
    return made
