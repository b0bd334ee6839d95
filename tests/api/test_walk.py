"""Every route, with every role and every state of a token: the table says who is let in, and this asks."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from controller.api.resources import config
from controller.api.route import Body, Route
from controller.api.settings import Anonymous
from controller.api.table import ROUTES
from controller.model.token import Role, Token
from tests.api.conftest import QUICK
from tests.api.serving import House, house
from tests.e2e.fleet import Fleet

ROLES = tuple(Role)
NAMES = {"{name:path}": "none", "{name}": "nothing", "{id}": "000000000000", "{repo}": "nothing"}
LET_IN = {200, 201, 202, 204, 303, 400, 404, 409, 415, 422, 502, 503}
"""What a handler, or what stands after admission, may answer here."""
EVERYBODY = ()
STRANGE = "page.example.net:8420"
"""A name that anybody may have pointed here."""
TELLING = ("viewer", "viewer, by another name", "none", "none, by another name", "wrong secret")
"""Ways by which it shows that a level opens doors to those without a token, and to nobody else."""
OPENER = tuple(level for level in Anonymous if level is not Anonymous.NONE)


@dataclass(frozen=True)
class Way:
    """One way of asking: with which token, whether it is good, and by which name of the controller, if not by its address."""

    name: str
    text: str | None
    role: Role | None
    host: str | None = None


def path_of(route: Route) -> str:
    path = route.path
    for hole, name in NAMES.items():
        path = path.replace(hole, "00000000" if "tokens" in path and hole == "{id}" else name)
    return path


async def ended(home: House, name: str, **changed: object) -> str:
    """Make an admin's token that is over."""
    made = await home.desk.create(name=name, role=Role.ADMIN, by="tests")
    now = home.small.clock.now()
    times = {
        key: now + value if isinstance(value, timedelta) else value
        for key, value in changed.items()
    }
    after: Token = replace(made.token, **times)  # type: ignore[arg-type]
    assert await home.small.store.tokens.change(made.token, after)
    return made.text


async def ways_of(home: House) -> list[Way]:
    past = timedelta(seconds=-1)
    admin = await home.token("admin", Role.ADMIN)
    rotated = await ended(home, "old", grace_until=timedelta(hours=1), successor="00000000")
    return [
        Way("viewer", await home.token("viewer", Role.VIEWER), Role.VIEWER),
        Way("operator", await home.token("operator", Role.OPERATOR), Role.OPERATOR),
        Way("admin", admin, Role.ADMIN),
        Way("rotated, in grace", rotated, Role.ADMIN),
        Way("none", None, None),
        Way("none, by another name", None, None, host=STRANGE),
        Way(
            "viewer, by another name",
            await home.token("viewer", Role.VIEWER),
            Role.VIEWER,
            host=STRANGE,
        ),
        Way("expired", await ended(home, "a", expires_at=past), None),
        Way("revoked", await ended(home, "b", revoked_at=past), None),
        Way("rotated, grace over", await ended(home, "c", grace_until=past, successor="x"), None),
        Way("wrong secret", admin[:8] + "0" * 24, None),
        Way("unknown", "0" * 32, None),
        Way("short", admin[:31], None),
        Way("long", admin + "a", None),
    ]


def wanted(route: Route, way: Way, level: Anonymous) -> set[int]:
    """Say by the table alone what may come back."""
    if way.role is None:
        if way.text is not None:
            return {401}
        open_ = route.least is None or (
            route.open_to is not None and level.rank >= route.open_to.rank and way.host is None
        )
        # What nobody needs a token for may still want something else of the sender.
        return LET_IN | {401, 403} if open_ and route.unsafe else LET_IN if open_ else {401}
    if route.least is None:
        return LET_IN | {401}
    enough = way.role.rank >= route.least.rank
    if route.right is not None and not route.instead:
        enough = way.role is Role.ADMIN
    return LET_IN if enough else {403}


@pytest.mark.parametrize(
    ("level", "which"),
    [
        (Anonymous.NONE, EVERYBODY),
        *((level, TELLING) for level in OPENER),
        *(pytest.param(level, EVERYBODY, marks=pytest.mark.sweep) for level in OPENER),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else str(value),
)
async def test_each_route_lets_in_whom_the_table_says(
    fleet: Fleet, level: Anonymous, which: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "WAIT", 0.01)  # nobody looks at it here
    async with house(fleet, replace(QUICK, anonymous=level)) as home:
        ways = [way for way in await ways_of(home) if way.name in which or not which]
        wrong = []
        for route in ROUTES:
            if route.stream and route.name == "events":
                continue  # stays open; has tests of its own
            for way in ways:
                body: object = {} if route.body is Body.JSON else None
                named = {} if way.host is None else {"host": way.host}
                got = await home.ask(
                    route.method, path_of(route), token=way.text, json=body, headers=named
                )
                if got.status_code not in wanted(route, way, level):
                    wrong.append((route.name, way.name, got.status_code, got.text[:200]))
        assert not wrong


async def test_a_scope_keeps_from_every_thing_outside_of_it(home: House) -> None:
    scoped = await home.token("scoped", Role.ADMIN, targets="shop*")
    limited = await home.token("limited", Role.ADMIN)  # the rule of this name says the same
    for token in (scoped, limited):
        outside = [
            ("GET", "/api/v1/targets/blog", None),
            ("GET", "/api/v1/targets/blog/history", None),
            ("GET", "/api/v1/why?target=blog&server=here", None),
            ("GET", "/api/v1/state", None),
            ("GET", "/api/v1/drift", None),
            ("GET", "/api/v1/tokens", None),
            ("GET", "/api/v1/tokens/audit", None),
            ("POST", "/api/v1/tokens", {"name": "mine", "role": "admin"}),
            ("POST", "/api/v1/targets/blog/suspend", {"reason": "because"}),
            ("POST", "/api/v1/targets/blog/resume", {}),
            ("POST", "/api/v1/targets/blog/approve", {"digest": "0" * 64}),
            ("POST", "/api/v1/targets/blog/rollback", {"to": "main", "reason": "because"}),
            ("POST", "/api/v1/targets/blog/lift", {"reason": "because"}),
            ("POST", "/api/v1/plans", {"targets": ["blog"]}),
            ("POST", "/api/v1/runs", {"kind": "apply", "targets": ["blog"]}),
            ("POST", "/api/v1/runs", {"kind": "run", "target": "blog"}),
            ("POST", "/api/v1/runs", {"kind": "run", "task": "hello", "on": "here"}),
            ("POST", "/api/v1/jobs", {"on": "here", "run": "true"}),
            ("POST", "/api/v1/drift/show", {"target": "blog", "server": "here"}),
        ]
        for method, path, body in outside:
            got = await home.ask(method, path, token=token, json=body)
            assert got.status_code == 403, (path, got.text)
        listed = (await home.ask("GET", "/api/v1/targets", token=token)).json()["items"]
        assert [one["name"] for one in listed] == ["shop"]
        status = (await home.ask("GET", "/api/v1/status", token=token)).json()
        assert [one["target"] for one in status["targets"]] == ["shop"]
        tasks = (await home.ask("GET", "/api/v1/tasks", token=token)).json()["items"]
        assert [one["name"] for one in tasks] == ["hello"]
        assert "blog" not in (await home.ask("GET", "/", token=token)).text


async def test_a_scope_of_servers_that_names_nothing_reaches_nothing(home: House) -> None:
    token = await home.token("elsewhere", Role.OPERATOR, servers="nowhere")
    assert (await home.ask("GET", "/api/v1/servers/here", token=token)).status_code == 403
    assert (await home.ask("GET", "/api/v1/servers", token=token)).json()["items"] == []
    body = {"kind": "apply"}
    assert (await home.ask("POST", "/api/v1/runs", token=token, json=body)).status_code == 403
    body = {"kind": "run", "target": "shop"}
    assert (await home.ask("POST", "/api/v1/runs", token=token, json=body)).status_code == 403


async def test_rights_of_access_count(home: House) -> None:
    maker = await home.token("maker", Role.OPERATOR)
    operator = await home.token("operator", Role.OPERATOR)
    consenter = await home.token("consenter", Role.ADMIN)  # the rule makes a viewer of it
    adhoc = {"on": "here", "run": "true"}
    assert (await home.ask("POST", "/api/v1/jobs", token=operator, json=adhoc)).status_code == 403
    assert (await home.ask("POST", "/api/v1/jobs", token=maker, json=adhoc)).status_code == 202
    root = {**adhoc, "user": "root"}
    assert (await home.ask("POST", "/api/v1/jobs", token=maker, json=root)).status_code == 403
    approve = {"digest": "0" * 64}
    path = "/api/v1/targets/shop/approve"
    assert (await home.ask("POST", path, token=consenter, json=approve)).status_code == 409
    suspend = {"reason": "because"}
    path = "/api/v1/targets/shop/suspend"
    assert (await home.ask("POST", path, token=consenter, json=suspend)).status_code == 403


async def test_while_no_rules_are_known_only_admins_change_anything(home: House) -> None:
    home.small.generation = None
    operator, admin = await home.token("op", Role.OPERATOR), await home.token("ad", Role.ADMIN)
    body = {"kind": "apply"}
    assert (await home.ask("POST", "/api/v1/runs", token=operator, json=body)).status_code == 403
    assert (await home.ask("GET", "/api/v1/tokens", token=admin)).status_code == 200
    assert (await home.ask("GET", "/readyz")).status_code == 503


async def test_nothing_is_there_that_the_table_does_not_name(home: House) -> None:
    admin = await home.token("admin", Role.ADMIN)
    for method, path in (
        ("GET", "/nothing"), ("GET", "/api/v1"), ("GET", "/redoc"), ("GET", "/debug/pprof"),
        ("GET", "/api/v1/status/"), ("GET", "/API/v1/status"), ("GET", "/templates/home.html"),
    ):  # fmt: skip
        assert (await home.ask(method, path, token=admin)).status_code == 404, path
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD"):
        got = await home.ask(method, "/api/v1/status", token=admin)
        assert got.status_code == 405, method
        assert got.headers["allow"] == "GET"
    headers = {"x-http-method-override": "POST"}
    got = await home.ask("GET", "/api/v1/plans", token=admin, headers=headers)
    assert got.status_code == 405
