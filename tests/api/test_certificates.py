"""People who come by a certificate: every route, what is theirs, and what is wrong with a certificate said in words."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest

from controller.api.route import Body, Route
from controller.api.settings import Anonymous, Rate
from controller.api.table import ROUTES
from controller.model.token import Role
from controller.pki import founding, revoking
from controller.pki.reason import Reason
from controller.pki.role import Role as PaperRole
from tests.api.certified import Front, authority, front
from tests.api.conftest import QUICK
from tests.api.serving import DECLARED, House, house, until
from tests.api.test_walk import LET_IN, path_of
from tests.e2e.fleet import Fleet
from tests.fakes.clocks import FakeClock
from tests.pki.place import BY, NOW

RULES = """\
  maker: {role: viewer, rights: [adhoc]}
  daemon: {role: viewer, rights: [adhoc]}
  root: {role: viewer, rights: [adhoc]}
  lifted: {role: admin}
"""

PEOPLE = DECLARED.replace("  maker: {role: operator, rights: [adhoc]}\n", RULES)
ROLES = {"ops": Role.ADMIN, "ann": Role.VIEWER, "lifted": Role.OPERATOR, "maker": Role.VIEWER}
"""Who is what: of a user a rule makes an operator at most."""
REFUSED = {
    "late": "ended at",
    "early": "begins at",
    "web-1": "agent web-1 is not admin or user",
    "main": "controller main is not admin or user",
    "both": "it has 2 OU, not one",
    "gone": "was revoked",
}


@pytest.fixture
async def home(fleet: Fleet) -> AsyncIterator[House]:
    async with house(fleet, QUICK, declared=PEOPLE) as made:
        yield made


@pytest.fixture
async def door(home: House, tmp_path: Path) -> AsyncIterator[Front]:
    async with front(home, tmp_path / "pki", QUICK) as made:
        revoke(made, "gone")
        yield made


def revoke(door: Front, name: str) -> None:
    revoking.revoke(door.place.path, name, reason=Reason.KEY_COMPROMISE, now=NOW, by=BY)


def wanted(route: Route, who: str) -> set[int]:
    """Say by the table alone what may come back."""
    if route.least is None:
        return LET_IN | {401, 403}
    if who in REFUSED:
        return {401}
    role = ROLES[who]
    right = role is Role.ADMIN or who == "maker" or route.right is None or route.instead
    if role.rank >= route.least.rank:
        return LET_IN if right else {403}
    return LET_IN if route.own and right else {403}


async def test_each_route_lets_in_whom_the_table_says(door: Front) -> None:
    wrong = []
    for route in ROUTES:
        if route.name in {"events", "check-config"}:
            continue  # the one stays open, the other waits for a loop
        for who in (*ROLES, *REFUSED):
            body: object = {} if route.body is Body.JSON else None
            got = await door.ask(route.method, path_of(route), who, json=body)
            if got.status_code not in wanted(route, who):
                wrong.append((route.name, who, got.status_code, got.text[:200]))
    assert not wrong


async def test_what_is_wrong_with_a_certificate_is_said_in_words(door: Front) -> None:
    for who, why in REFUSED.items():
        got = await door.ask("GET", "/api/v1/status", who)
        assert got.status_code == 401
        assert got.headers["content-type"] == "application/problem+json"
        told = got.json()
        assert told["reference"] == "certificate-refused"
        assert why in told["detail"]
        assert told["hint"]
        # What is open to everybody does not look at it: a browser that shows a bad one can still log in by a token.
        assert (await door.ask("GET", "/healthz", who)).status_code == 200
        assert (await door.ask("GET", "/login", who)).status_code == 200


async def test_a_certificate_of_another_authority_gets_no_connection(
    door: Front, tmp_path: Path
) -> None:
    other = authority(tmp_path / "other")
    context = ssl.create_default_context(cafile=door.place.trust)
    context.load_cert_chain(other.path / "ops.crt", other.path / "ops.key")
    async with httpx.AsyncClient(verify=context) as client:
        with pytest.raises(httpx.TransportError):
            await client.get(f"{door.url}/healthz")
    assert (await door.ask("GET", "/healthz", "ops")).status_code == 200


async def test_a_certificate_counts_over_the_newest_tls_alone(door: Front) -> None:
    got = await door.client("ops", newest=False).get("/api/v1/status")
    assert got.status_code == 401
    assert "TLSv1.3" in got.json()["detail"]
    assert (await door.client(None, newest=False).get("/api/v1/status")).status_code == 200


async def test_a_token_comes_before_a_certificate(door: Front) -> None:
    viewer = await door.home.token("viewer", Role.VIEWER)
    admin = await door.home.token("admin", Role.ADMIN)
    assert (await door.ask("GET", "/api/v1/tokens", "ops")).status_code == 200
    assert (await door.ask("GET", "/api/v1/tokens", "ops", token=viewer)).status_code == 403
    assert (await door.ask("GET", "/api/v1/tokens", "ops", token="0" * 32)).status_code == 401
    assert (await door.ask("GET", "/api/v1/tokens", "ann", token=admin)).status_code == 200
    assert (await door.ask("GET", "/api/v1/tokens", "gone", token=admin)).status_code == 200


async def test_a_rule_makes_an_operator_of_a_user_and_never_an_admin(door: Front) -> None:
    run = {"kind": "run", "target": "shop"}
    assert (await door.ask("POST", "/api/v1/runs", "ann", json=run)).status_code == 403
    assert (await door.ask("POST", "/api/v1/runs", "lifted", json=run)).status_code == 202
    token = {"name": "mine", "role": "admin"}
    assert (await door.ask("POST", "/api/v1/tokens", "lifted", json=token)).status_code == 403


async def test_while_no_rules_are_known_a_user_only_looks_on(door: Front) -> None:
    made = await started(door, "maker", "sleep 30")
    door.home.small.generation = None
    assert (await door.ask("GET", f"/api/v1/jobs/{made}", "maker")).status_code == 200
    assert (
        await door.ask("POST", f"/api/v1/jobs/{made}/stop", "maker", json={})
    ).status_code == 403


async def started(door: Front, who: str, command: str, **more: object) -> str:
    """Record an undeclared job; give its id."""
    body = {"on": "here", "run": command, **more}
    got = await door.ask("POST", "/api/v1/jobs", who, json=body)
    assert got.status_code == 202, got.text
    return str(got.json()["jobs"][0]["id"])


async def test_undeclared_work_belongs_to_a_person_and_runs_as_the_user_of_that_name(
    door: Front,
) -> None:
    job = await started(door, "daemon", "id -un")
    shelf = door.home.small.store.jobs
    (found,) = await shelf.find(job)
    assert found.owner == "daemon"
    assert (await shelf.body(found.id)).work.user == "daemon"
    for other in ("root", "ann"):
        body = {"on": "here", "run": "true", "user": other}
        got = await door.ask("POST", "/api/v1/jobs", "daemon", json=body)
        assert got.status_code == 403, other
    got = await door.ask("POST", "/api/v1/jobs", "root", json={"on": "here", "run": "true"})
    assert got.status_code == 403  # a user is never the superuser, whatever the name
    got = await door.ask("POST", "/api/v1/jobs", "ann", json={"on": "here", "run": "true"})
    assert got.status_code == 403
    assert "adhoc" in got.json()["detail"]
    task = {"run": "true", "result": {"type": "file", "file": "/etc/shadow"}}
    tasks: tuple[object, ...] = (task, {"steps": {"a": task}})
    for written in tasks:  # root would read it, not who runs the task
        sent = {"on": "here", "task": written}
        got = await door.ask("POST", "/api/v1/jobs", "daemon", json=sent)
        assert got.status_code == 403, got.text
        assert "CTL_ARTIFACTS" in got.json()["hint"]
    whole = {"on": "here", "task": {"run": "true"}}
    got = await door.ask("POST", "/api/v1/jobs", "daemon", json=whole)
    (written_job,) = got.json()["jobs"]
    (found,) = await shelf.find(written_job["id"])
    assert (found.owner, (await shelf.body(found.id)).work.user) == ("daemon", "daemon")
    as_admin = await started(door, "ops", "true", user="daemon")
    assert (await shelf.body((await shelf.find(as_admin))[0].id)).work.user == "daemon"
    as_admin = await started(door, "ops", "true")
    assert (await shelf.body((await shelf.find(as_admin))[0].id)).work.user == "ops"


async def test_people_manage_what_is_theirs_and_see_all(door: Front) -> None:
    mine = await started(door, "maker", "sleep 30")
    others = await started(door, "daemon", "sleep 30")
    doing: list[tuple[str, object]] = [
        ("stop", {}), ("pause", {}), ("resume", None), ("retry", {}), ("archive", None),
        ("input", {"data": "", "close": True}),
    ]  # fmt: skip
    for verb, body in doing:
        got = await door.ask("POST", f"/api/v1/jobs/{others}/{verb}", "maker", json=body)
        assert got.status_code == 403, (verb, got.text)
        assert got.json()["reference"] == "not-yours"
        got = await door.ask("POST", f"/api/v1/jobs/{mine}/{verb}", "ann", json=body)
        assert got.status_code == 403, (verb, got.text)
    assert (await door.ask("GET", f"/api/v1/jobs/{others}", "maker")).status_code == 200
    assert (await door.ask("GET", "/api/v1/targets", "ann")).json()["items"]
    body = {"state": "succeeded", "reason": "because"}
    got = await door.ask("POST", f"/api/v1/jobs/{mine}/resolve", "maker", json=body)
    assert got.status_code == 403
    for job, who in ((mine, "maker"), (others, "ops")):
        got = await door.ask("POST", f"/api/v1/jobs/{job}/stop", who, json={})
        # What runs as a user that this machine does not have ends by itself.
        assert got.status_code in {200, 409}, got.text


async def test_a_token_of_a_longer_name_is_somebody_else(door: Front) -> None:
    token = await door.home.token("daemon@ci", Role.ADMIN)
    body = {"on": "here", "run": "sleep 30"}
    made = (await door.ask("POST", "/api/v1/jobs", token=token, json=body)).json()["jobs"][0]["id"]
    (found,) = await door.home.small.store.jobs.find(made)
    assert found.owner == "daemon@ci"
    got = await door.ask("POST", f"/api/v1/jobs/{made}/stop", "daemon", json={})
    assert got.status_code == 403


async def test_what_is_theirs_runs_again_as_them_and_only_while_they_have_the_right(
    door: Front,
) -> None:
    job = await started(door, "daemon", "true")
    await ended(door, job)
    again = await door.ask("POST", f"/api/v1/jobs/{job}/retry", "daemon", json={})
    assert again.status_code == 202, again.text
    second = again.json()["jobs"][0]["id"]
    (found,) = await door.home.small.store.jobs.find(second)
    assert found.owner == "daemon"
    await ended(door, second)
    # Somebody with that name and more rights ran it as another user: it is theirs, and still does not run again.
    token = await door.home.token("daemon", Role.ADMIN)
    body = {"on": "here", "run": "true", "user": "root"}
    made = await door.ask("POST", "/api/v1/jobs", token=token, json=body)
    assert made.status_code == 403  # the rule of that name makes a viewer of the token
    without(door, "daemon")
    got = await door.ask("POST", f"/api/v1/jobs/{job}/retry", "daemon", json={})
    assert got.status_code == 403
    assert "adhoc" in got.json()["detail"]
    got = await door.ask("POST", f"/api/v1/jobs/{job}/archive", "daemon")
    assert got.status_code == 200


def without(door: Front, name: str) -> None:
    """Bring declarations into force that say nothing of a name."""
    small = door.home.small
    assert small.generation is not None
    seen = small.generation.seen
    rules = {key: one for key, one in seen.declaration.access.rules.items() if key != name}
    access = replace(seen.declaration.access, rules=rules)
    declaration = replace(seen.declaration, access=access)
    small.generation = replace(small.generation, seen=replace(seen, declaration=declaration))


async def ended(door: Front, job: str) -> None:
    async def over() -> bool:
        (found,) = await door.home.small.store.jobs.find(job)
        return found.state.ended

    await until(over)


@pytest.mark.parametrize("how", ["revoked", "rotated away", "expired", "unreadable list"])
async def test_an_open_stream_ends_with_the_certificate(
    door: Front, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        asyncio.timeout(20),
        door.client("ann").stream("GET", "/api/v1/events") as stream,
    ):
        lines = stream.aiter_lines()
        assert (await anext(lines)).startswith("id: ")
        match how:
            case "revoked":
                revoke(door, "ann")
            case "rotated away":
                await asyncio.to_thread(rotate, door)
            case "expired":
                clock = FakeClock(NOW + timedelta(days=91))
                monkeypatch.setattr(type(door.home.small), "clock", property(lambda _: clock))
                monkeypatch.setattr(door.server._app._desk.certificates, "_clock", clock)
            case _:
                (door.place.path / "denied").write_text("no serial\n")
        told = [line async for line in lines]
    assert "event: bye" in told
    assert any("certificate" in line for line in told if line.startswith("data:"))


def rotate(door: Front) -> None:
    """Put another authority in the place of the one before, whose certificates are good for nothing then."""
    founding.rotate(door.place.path, now=NOW, by=BY)
    old = door.place.ledger.authorities[0].authority
    founding.retire(door.place.path, old, now=NOW, by=BY, force=True)


async def test_a_list_that_cannot_be_read_lets_nobody_in(door: Front) -> None:
    (door.place.path / "denied").write_text("no serial\n")
    got = await door.ask("GET", "/api/v1/status", "ops")
    assert got.status_code == 503
    assert (await door.ask("GET", "/api/v1/status")).status_code == 200
    (door.place.path / "denied").unlink()
    assert (await door.ask("GET", "/api/v1/status", "ops")).status_code == 503


async def test_another_authority_is_trusted_from_the_next_connection_on(door: Front) -> None:
    assert (await door.ask("GET", "/api/v1/tokens", "ops")).status_code == 200
    await asyncio.to_thread(rotate, door)
    assert (
        await door.ask("GET", "/api/v1/tokens", "ops")
    ).status_code == 401  # the same connection
    door.place.issue("main", PaperRole.CONTROLLER, alternatives=("127.0.0.1",))
    door.place.issue("next", PaperRole.ADMIN)
    assert (await door.ask("GET", "/api/v1/tokens", "next")).status_code == 200


SITES = (
    {"origin": "https://evil.example.com"},
    {"origin": "null"},
    {"sec_fetch_site": "cross-site"},
    {"sec_fetch_site": "same-site"},
    {"content_type": "application/x-www-form-urlencoded"},
    {"content_type": "text/plain; charset=utf-8"},
    {"content_type": "Multipart/Form-Data; boundary=x"},
)


async def test_another_site_changes_nothing_by_the_certificate_of_a_browser(door: Front) -> None:
    path = "/api/v1/servers/here/check"
    for sent in SITES:
        got = await door.ask("POST", path, "ops", **sent)
        assert got.status_code == 403, sent
        assert got.json()["reference"] == "cross-site"
    assert door.home.small.pokes == []
    for route in ROUTES:
        if route.unsafe and route.least is not None:
            got = await door.ask(
                route.method, path_of(route), "ops", origin="https://evil.example.com"
            )
            assert (got.status_code, got.json()["reference"]) == (403, "cross-site"), route.name
    assert (
        await door.ask("POST", path, "ops")
    ).status_code == 200  # a program says nothing of this
    assert (await door.ask("POST", path, "ops", origin=door.url)).status_code == 200


async def test_requests_are_counted_by_name(home: House, tmp_path: Path) -> None:
    few = replace(QUICK, per_token=Rate(second=0.01, burst=3))
    async with front(home, tmp_path / "pki", few) as door:
        codes = [(await door.ask("GET", "/api/v1/status", "ann")).status_code for _ in range(4)]
        assert codes == [200, 200, 200, 429]
        assert (await door.ask("GET", "/api/v1/status", "ops")).status_code == 200
        await door.close()  # another connection is no other person
        assert (await door.ask("GET", "/api/v1/status", "ann")).status_code == 429


async def test_the_certificate_of_a_proxy_says_nothing_of_who_asks_behind_it(
    home: House, tmp_path: Path
) -> None:
    behind = replace(QUICK, proxies=(ip_network("127.0.0.1/32"),))
    async with front(home, tmp_path / "pki", behind) as door:
        for sent in ({}, {"x_forwarded_for": "192.0.2.1"}):
            assert (await door.ask("GET", "/api/v1/tokens", "ops", **sent)).status_code == 401


async def test_bad_certificates_cost_as_much_as_none(home: House, tmp_path: Path) -> None:
    few = replace(QUICK, per_address=Rate(second=0.01, burst=3))
    async with front(home, tmp_path / "pki", few) as door:
        codes = [(await door.ask("GET", "/api/v1/status", "both")).status_code for _ in range(4)]
        assert codes == [401, 401, 401, 429]


async def test_the_activity_log_names_the_person_and_the_certificate(door: Front) -> None:
    job = await started(door, "maker", "true")
    lines = door.home.small.base.activity.tail(20)
    asked = [one for one in lines if one.event in {"api-asked", "api-answered"}]
    assert [one.actor for one in asked] == ["maker", "maker"]
    serial = door.place.ledger.of_name("maker")[0].serial
    for one in asked:
        assert one.fields["kind"] == "certificate"
        assert one.fields["certificate"] == serial
        assert "token" not in one.fields
    (found,) = await door.home.small.store.jobs.find(job)
    assert "maker" in found.cause


async def test_a_key_is_remembered_for_the_name(door: Front) -> None:
    body = {"on": "here", "run": "true"}
    for who, replayed in (("maker", None), ("maker", "true"), ("daemon", None)):
        got = await door.ask("POST", "/api/v1/jobs", who, json=body, idempotency_key="one")
        assert got.status_code == 202
        assert got.headers.get("idempotency-replayed") == replayed


async def test_the_page_knows_who_looks_and_shows_what_viewers_see(door: Front) -> None:
    assert "ann" in (await door.ask("GET", "/", "ann")).text
    assert "Log in" in (await door.ask("GET", "/")).text


async def test_a_level_of_none_is_passed_by_a_certificate(home: House, tmp_path: Path) -> None:
    settings = replace(QUICK, anonymous=Anonymous.NONE)
    async with front(home, tmp_path / "pki", settings) as door:
        assert (await door.ask("GET", "/api/v1/status")).status_code == 401
        assert (await door.ask("GET", "/api/v1/status", "ann")).status_code == 200
