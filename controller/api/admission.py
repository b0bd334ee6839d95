"""Who asks, and whether they may: tokens, cookies, certificates, roles, rights and how often.

Called by the gate with a request line and headers, before any of the body is read.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from controller.api.body import Headers, header
from controller.api.call import Call, Desk
from controller.api.hosts import Hosts
from controller.api.problems import ProblemError, refuse
from controller.api.proving import must_wait, unauthorized
from controller.api.rates import Rates, crowd_of
from controller.api.route import Route
from controller.api.sessions import Session, cookie_of, same
from controller.api.settings import Anonymous
from controller.api.tls import Shown
from controller.errors import ControllerError
from controller.model.access import Access
from controller.model.token import CERTIFICATE, Actor, Role
from controller.reconcile.access.rights import Grant, Needs, grant_of, lacks
from controller.reconcile.access.tokens import actor_of

BEARER: Final = b"bearer "
NOBODY: Final = Actor(name="anonymous", role=None, kind="anonymous")
FORMS: Final = (b"application/x-www-form-urlencoded", b"multipart/form-data", b"text/plain")
"""What a form of any site can send without asking."""
NAME_IT: Final = "Authorization: Bearer TOKEN; or ask by address, or start ctl serve with --origin http://THIS-NAME"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks, as far as they proved it: by a token, by a login that stands for one, or by a certificate."""

    actor: Actor
    session: Session | None = None
    shown: Shown | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """How a request came: from which address, over a connection that has shown which certificate, and whether over TLS of ours."""

    place: str
    shown: Shown | None = None
    tls: bool = False


class Admission:
    """Lets callers in, or says why not."""

    def __init__(self, desk: Desk) -> None:
        settings = desk.settings
        self._desk = desk
        self._by_token = Rates(settings.per_token)
        self._by_address = Rates(settings.per_address)
        self._hosts = Hosts(settings)

    def strain(self, place: str) -> None:
        """Count a request that no token answers for.

        Raises:
            ProblemError: there were too many of this address.
        """
        must_wait(self._by_address.take(crowd_of(place), self._desk.serving.clock.now()))

    async def let_in(self, route: Route, headers: Headers, coming: Coming) -> Call:
        """Let a request in.

        Args:
            route: what is asked for.
            headers: of the request.
            coming: how it came. A certificate comes by itself, so what is open to everybody does not look at it.

        Raises:
            ProblemError: 401, 403 or 429.
        """
        place = coming.place
        asker = await self._asker(headers, place, None if route.least is None else coming.shown)
        if asker is None:
            self.strain(place)
            return self._stranger(route, headers, coming)
        call = Call(
            desk=self._desk,
            route=route,
            actor=asker.actor,
            grant=grant_of(asker.actor, self._access()),
            place=place,
            session=asker.session,
            shown_as=asker.shown,
        )
        must_wait(self._by_token.take(call.caller, self._desk.serving.clock.now()))
        if route.least is not None:
            why = lacks(call.grant, needs_of(route, route.least))
            if why is not None:
                raise refuse(HTTPStatus.FORBIDDEN, "not-allowed", why)
        if asker.shown is None:
            await self._desk.tokens.note_use(asker.actor.id, place)
        return call

    async def _asker(self, headers: Headers, place: str, shown: Shown | None) -> Asker | None:
        """Say who asks: a token comes before a login, and both before a certificate."""
        given = header(headers, b"authorization")
        if given is not None:
            if not given.lower().startswith(BEARER):
                raise unauthorized("this takes Authorization: Bearer TOKEN")
            token = await self._desk.proving.prove(given[len(BEARER) :].strip(b" "), place)
            return Asker(actor=actor_of(token))
        session = self._session(headers)
        if session is not None:
            found = await self._desk.serving.store.tokens.get(session.token)
            if found is not None and found.refusal(self._desk.serving.clock.now()) is None:
                return Asker(actor=actor_of(found), session=session)
        return None if shown is None else self._certified(shown, place)

    def _certified(self, shown: Shown, place: str) -> Asker:
        """Say who has shown a certificate; one that is refused costs as much as no proof at all."""
        try:
            actor = self._desk.certificates.prove(shown)
        except (ProblemError, ControllerError):
            self.strain(place)
            raise
        return Asker(actor=actor, shown=shown)

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

    def _stranger(self, route: Route, headers: Headers, coming: Coming) -> Call:
        """Let somebody in who has proved nothing, to what is shown to everybody.

        Over TLS of ours a browser has made sure of the name already.
        """
        level = self._desk.settings.anonymous
        grant, strange = Grant(role=None), False
        if route.least is not None:
            if route.open_to is None or level.rank < route.open_to.rank:
                raise unauthorized("this needs a token")
            if not (coming.tls or self._hosts.hold(header(headers, b"host"))):
                raise unauthorized(
                    "this needs a token where the controller is asked by this name", NAME_IT
                )
            grant, strange = Grant(role=Role.VIEWER), level is Anonymous.STATUS
        return Call(
            desk=self._desk,
            route=route,
            actor=NOBODY,
            grant=grant,
            place=coming.place,
            strange=strange,
        )

    def _access(self) -> Access | None:
        generation = self._desk.serving.generation
        return None if generation is None else generation.declaration.access


def needs_of(route: Route, least: Role) -> Needs:
    """Say what a route takes."""
    return Needs(
        role=least,
        right=route.right,
        extra=route.right is not None and not route.instead,
        own=route.own,
    )


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
        # A certificate goes along by itself, as a cookie does; a browser too old to say either sends forms and nothing else.
        formed = call.actor.kind == CERTIFICATE and is_form(headers)
        good = call.session is None and not formed and site in {None, b"same-origin", b"none"}
    if not good:
        raise refuse(HTTPStatus.FORBIDDEN, "cross-site", "another site sent this")


def is_form(headers: Headers) -> bool:
    """Say whether a request could be a form of any site."""
    return (header(headers, b"content-type") or b"").strip().lower().startswith(FORMS)


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
