"""Who asks, and whether they may: tokens, cookies, roles, rights and how often.

Called by the gate with a request line and headers, before any of the body is read.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from controller.api.body import Headers, header
from controller.api.call import Call, Desk
from controller.api.problems import refuse
from controller.api.proving import must_wait, unauthorized
from controller.api.rates import Rates, crowd_of
from controller.api.route import Route
from controller.api.sessions import Session, cookie_of, same
from controller.api.settings import Anonymous
from controller.model.access import Access
from controller.model.token import Actor, Role, Token
from controller.reconcile.access.rights import Grant, Needs, grant_of, lacks
from controller.reconcile.access.tokens import actor_of

BEARER: Final = b"bearer "
NOBODY: Final = Actor(name="anonymous", role=None, kind="anonymous")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks, as far as they proved it."""

    token: Token | None = None
    session: Session | None = None


class Admission:
    """Lets callers in, or says why not."""

    def __init__(self, desk: Desk) -> None:
        settings = desk.settings
        self._desk = desk
        self._by_token = Rates(settings.per_token)
        self._by_address = Rates(settings.per_address)

    def strain(self, place: str) -> None:
        """Count a request that no token answers for.

        Raises:
            ProblemError: there were too many of this address.
        """
        must_wait(self._by_address.take(crowd_of(place), self._desk.serving.clock.now()))

    async def let_in(self, route: Route, headers: Headers, place: str) -> Call:
        """Let a request in.

        Raises:
            ProblemError: 401, 403 or 429.
        """
        asker = await self._asker(headers, place)
        if asker.token is None:
            self.strain(place)
            return self._stranger(route, place)
        now = self._desk.serving.clock.now()
        must_wait(self._by_token.take(asker.token.id, now))
        actor = actor_of(asker.token)
        grant = grant_of(actor, self._access())
        call = Call(
            desk=self._desk,
            route=route,
            actor=actor,
            grant=grant,
            place=place,
            session=asker.session,
        )
        if route.least is not None:
            why = lacks(grant, needs_of(route, route.least))
            if why is not None:
                raise refuse(HTTPStatus.FORBIDDEN, "not-allowed", why)
        await self._desk.tokens.note_use(asker.token.id, place)
        return call

    async def _asker(self, headers: Headers, place: str) -> Asker:
        given = header(headers, b"authorization")
        if given is not None:
            if not given.lower().startswith(BEARER):
                raise unauthorized("this takes Authorization: Bearer TOKEN")
            return Asker(
                token=await self._desk.proving.prove(given[len(BEARER) :].strip(b" "), place)
            )
        session = self._session(headers)
        if session is None:
            return Asker()
        token = await self._desk.serving.store.tokens.get(session.token)
        if token is None or token.refusal(self._desk.serving.clock.now()) is not None:
            return Asker()
        return Asker(token=token, session=session)

    def _session(self, headers: Headers) -> Session | None:
        value = self.cookie(headers)
        return (
            None
            if value is None
            else self._desk.sessions.find(value, self._desk.serving.clock.now())
        )

    def cookie(self, headers: Headers) -> str | None:
        """Read our cookie; browsers may send cookies in several headers."""
        sent = b"; ".join(value for name, value in headers if name == b"cookie")
        return cookie_of(sent.decode("latin-1"), self._desk.sessions.cookie)

    def _stranger(self, route: Route, place: str) -> Call:
        level = self._desk.settings.anonymous
        grant, strange = Grant(role=None), False
        if route.least is not None:
            if route.open_to is None or level.rank < route.open_to.rank:
                raise unauthorized("this needs a token")
            grant, strange = Grant(role=Role.VIEWER), level is Anonymous.STATUS
        return Call(
            desk=self._desk, route=route, actor=NOBODY, grant=grant, place=place, strange=strange
        )

    def _access(self) -> Access | None:
        generation = self._desk.serving.generation
        return None if generation is None else generation.declaration.access


def needs_of(route: Route, least: Role) -> Needs:
    """Say what a route takes."""
    return Needs(role=least, right=route.right, extra=route.right is not None and not route.instead)


def guard_origin(call: Call, headers: Headers, own: Iterable[str]) -> None:
    """Refuse a change that a browser sends on behalf of another site.

    Raises:
        ProblemError: 403.
    """
    origin = header(headers, b"origin")
    site = header(headers, b"sec-fetch-site")
    known = {*own, *call.desk.settings.origins}
    if origin is not None:
        good = origin.decode("latin-1") in known
    else:
        # A browser that names no origin at least says where it comes from; a program says nothing and has no cookie.
        good = call.session is None and site in {None, b"same-origin", b"none"}
    if not good:
        raise refuse(HTTPStatus.FORBIDDEN, "cross-site", "another site sent this")


def guard_csrf(call: Call, given: str | None) -> None:
    """Refuse a change of a logged-in browser that does not carry what its own pages carry.

    Raises:
        ProblemError: 403.
    """
    if call.session is not None and not same(given or "", call.session.csrf):
        raise refuse(
            HTTPStatus.FORBIDDEN,
            "no-csrf",
            "this needs the X-CSRF-Token of the login",
            hint="load the page again",
        )
