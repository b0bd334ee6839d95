"""The one way in: every request passes here before the app sees a byte of its body.

An ASGI wrapper. In order: framing and path, the table, who asks and whether they may, how often, where it was sent from, the body
within its bounds, whether it was answered before, and a line in the activity log before and after whatever changes something.
"""

import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.api import remembering
from controller.api.admission import Admission, Coming, guard_csrf, guard_origin
from controller.api.body import Headers, field_of, guard_framing, header, read, replay
from controller.api.breaking import BrokenOffError
from controller.api.call import Call, Desk
from controller.api.headers import with_security
from controller.api.large import Large
from controller.api.matching import Match, Table
from controller.api.problems import INTERNAL, ProblemError, problem_of, refuse, response_of
from controller.api.proxies import Forwarding, place_of
from controller.api.rates import Streams
from controller.api.route import Body, Route
from controller.api.tls import shown_in
from controller.errors import ControllerError
from controller.model.serving import Answered

LOG: Final = logging.getLogger("ctl.api")
LONGEST_QUERY: Final = 4096
"""Bytes of a query."""


class Gate:
    """Lets requests through to the app.

    Args:
        app: what answers them.
        routes: the table.
        queries: the names that each route takes in its query.
        desk: what all requests share.
    """

    def __init__(
        self,
        app: ASGIApp,
        routes: Iterable[Route],
        queries: Mapping[str, frozenset[str]],
        desk: Desk,
    ) -> None:
        self._app = app
        self._table = Table(routes)
        self._queries = queries
        self._desk = desk
        self._meter = desk.meter
        self._forwarding = Forwarding(desk.settings)
        self._admission = Admission(desk)
        self._large = Large(desk.settings.body)
        self._streams = Streams(desk.settings.streams, desk.settings.streams_all)

    def close(self) -> None:
        """End the streams that are open: the controller stops."""
        self._desk.closing.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        outgoing = _Outgoing(with_security(send, tls=self._desk.settings.tls))
        began = self._desk.serving.clock.now()
        name = "none"
        try:
            with self._forwarding.placed(scope):
                match = await self._matched(scope)
                name = match.route.name
                await self._pass(match, scope, receive, outgoing)
        except ProblemError as error:
            await outgoing.instead(_told(scope, error), scope, receive)
        except ControllerError as error:
            await outgoing.instead(response_of(problem_of(error)), scope, receive)
        except BrokenOffError:
            await outgoing.instead(response_of(INTERNAL), scope, receive)
        except Exception:  # whatever is unforeseen is logged here, and told to nobody
            LOG.exception("cannot answer %s", name)
            await outgoing.instead(response_of(INTERNAL), scope, receive)
        finally:
            took = (self._desk.serving.clock.now() - began).total_seconds()
            self._meter.answered(name, outgoing.status, took)

    async def _matched(self, scope: Scope) -> Match:
        try:
            guard_framing(scope["headers"], self._desk.settings.header_bytes)
            match = self._table.find(scope["method"], scope["raw_path"])
            self._guard_query(match.route, scope["query_string"])
        except ProblemError:
            self._admission.strain(place_of(scope))
            raise
        return match

    def _guard_query(self, route: Route, query: bytes) -> None:
        """Refuse a query with names that would be ignored, or with one name twice."""
        try:
            pairs = parse_qsl(
                query.decode("ascii"),
                keep_blank_values=True,
                strict_parsing=bool(query),
                encoding="utf-8",
                errors="strict",
                max_num_fields=50,
            )
        except ValueError:
            raise refuse(HTTPStatus.BAD_REQUEST, "bad-query", "cannot read the query") from None
        names = [name for name, _ in pairs]
        odd = sorted(set(names) - self._queries.get(route.name, frozenset()))
        if (
            len(query) > LONGEST_QUERY
            or len(set(names)) < len(names)
            or "\0" in "".join(value for _, value in pairs)
        ):
            raise refuse(HTTPStatus.BAD_REQUEST, "bad-query", "cannot read the query")
        if odd:
            known = ", ".join(sorted(self._queries.get(route.name, frozenset()))) or "nothing"
            raise refuse(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "unknown-parameter",
                "the query names what this does not take",
                hint=f"it takes {known}",
            )

    async def _pass(
        self, match: Match, scope: Scope, receive: Receive, outgoing: "_Outgoing"
    ) -> None:
        route, headers = match.route, scope["headers"]
        coming = Coming(
            place=place_of(scope), shown=shown_in(scope), tls=scope.get("scheme") == "https"
        )
        call = await self._admission.let_in(route, headers, coming)
        if route.unsafe and not (route.large and route.least is None):  # forges sign what they push
            guard_origin(call, headers, own_origins(scope))
        async with self._large.room(call, headers):
            body = await read(route, headers, receive, self._desk.settings)
        if route.unsafe:
            guard_csrf(call, csrf_of(route, headers, body))
        scope["ctl.call"] = call
        key = remembering.key_of(route, headers)
        passing = _Passing(call, match, scope, replay(body, receive), outgoing)
        async with self._stream(call):
            if key is None or call.actor.role is None:
                await self._answer(passing)
            else:
                target = scope["raw_path"] + b"?" + scope["query_string"]
                await self._once(passing, remembering.beginning(call, key, target, body))
            await outgoing.release()

    async def _once(self, passing: "_Passing", begun: Answered) -> None:
        """Do what was asked for under a key, or give the answer it had the first time."""
        call, outgoing = passing.call, passing.outgoing
        before = await remembering.earlier(call, begun)
        if before is not None:
            again = remembering.replayed(call, before)
            await again(passing.scope, passing.receive, outgoing.send)
            return
        outgoing.hold()
        try:
            await self._answer(passing)
        finally:
            await remembering.keep(call, begun, outgoing.status, outgoing.body)

    async def _answer(self, passing: "_Passing") -> None:
        """Have the app answer; what changes something is written down before and after."""
        call, outgoing = passing.call, passing.outgoing
        if not call.route.audited:
            await self._app(passing.scope, passing.receive, outgoing.send)
            return
        activity = call.rooms.activity
        told = {
            "kind": call.actor.kind,
            call.actor.kind: call.actor.id,
            "route": call.route.name,
            "subject": "/".join(passing.match.names.values()) or None,
            "from": call.place,
        }
        await activity.append("api-asked", call.actor.name, **told)
        if not call.route.stream:
            outgoing.hold()
        try:
            await self._app(passing.scope, passing.receive, outgoing.send)
        finally:
            self._desk.glance.forget()
            await activity.conclude("api-answered", call.actor.name, **told, status=outgoing.status)

    @asynccontextmanager
    async def _stream(self, call: Call) -> AsyncIterator[None]:
        """Count a stream for as long as it is open."""
        if not call.route.stream:
            yield
            return
        if not self._streams.enter(call.caller, strange=call.actor.role is None):
            raise refuse(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too-many-streams",
                "too many streams are open",
                retry_after="5",
            )
        self._meter.streams = self._streams.count
        try:
            yield
        finally:
            self._streams.leave(call.caller)
            self._meter.streams = self._streams.count


@dataclass(frozen=True, slots=True)
class _Passing:
    """A request on its way through."""

    call: Call
    match: Match
    scope: Scope
    receive: Receive
    outgoing: "_Outgoing"


class _Outgoing:
    """What goes out, and how far it got. What is held goes out when everything about it is written down."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._held: list[Message] | None = None
        self.status = 0
        self.ended = False

    @property
    def body(self) -> bytes:
        """What is held of the body."""
        return b"".join(one.get("body", b"") for one in self._held or ())

    def hold(self) -> None:
        """Keep what comes from now on."""
        self._held = self._held or []

    async def release(self) -> None:
        """Let go of what was held."""
        held, self._held = self._held, None
        for message in held or ():
            await self._send(message)

    async def send(self, message: Message) -> None:
        """Take what the app sends."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        self.ended = message["type"] == "http.response.body" and not message.get("more_body")
        if self._held is None:
            await self._send(message)
        else:
            self._held.append(message)

    async def instead(self, response: Response, scope: Scope, receive: Receive) -> None:
        """Answer with a problem, unless one was answered; an answer that is under way breaks off."""
        if self._held and self.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            self._held, self.status, self.ended = None, 0, False
        if self.ended:
            await self.release()
        elif self.status:
            raise BrokenOffError("an answer broke off")
        else:
            self._held = None
            await response(scope, receive, self.send)


def _told(scope: Scope, error: ProblemError) -> Response:
    """Answer with a problem; a browser that needs a token is led to where it logs in."""
    accepts = header(scope["headers"], b"accept") or b""
    if (
        error.problem.status is HTTPStatus.UNAUTHORIZED
        and scope["path"] == "/"
        and b"text/html" in accepts
    ):
        return RedirectResponse("/login", status_code=HTTPStatus.SEE_OTHER)
    return response_of(error.problem)


def own_origins(scope: Scope) -> tuple[str, ...]:
    """Give the origin under which a browser knows us: the host it asked for."""
    host = HTTPConnection(scope).headers.get("host", "")
    return (f"https://{host}", f"{scope['scheme']}://{host}") if host else ()


def csrf_of(route: Route, headers: Headers, body: bytes) -> str | None:
    """Read what a page of ours carries: in a header, or in a field of a form."""
    given = header(headers, b"x-csrf-token")
    if given is not None or route.body is not Body.FORM:
        return None if given is None else given.decode("latin-1")
    return field_of(body, "csrf")
