"""A real `ctl serve` over TLS with an authority: two users and an admin, who come by their certificates and by nothing else."""

import json
import ssl
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from controller.pki import revoking
from controller.pki.reason import Reason
from controller.pki.role import Role
from tests.e2e.fleet import ROOT, Fleet, Seen, wait_for
from tests.e2e.serving import Served, serving
from tests.pki.place import BY, NOW, Place, founded

pytestmark = [
    pytest.mark.sweep,
    pytest.mark.skipif(not ROOT, reason="only root can work as the Linux users of others"),
]
ANN, BEN = "daemon", "games"
"""Two users: names that every Linux has."""
DECLARED = f"""\
tasks:
  hello: {{run: "echo hello"}}
targets:
  t: {{servers: here, task: hello}}
access:
  {ANN}: {{role: viewer, rights: [adhoc]}}
  {BEN}: {{role: viewer, rights: [adhoc]}}
"""


@pytest.fixture
def place(fleet: Fleet) -> Place:
    made = founded(fleet.folder / "pki")
    made.issue("main", Role.CONTROLLER, alternatives=("127.0.0.1",))
    made.issue("ops", Role.ADMIN)
    made.issue("web-1")
    for name in (ANN, BEN):
        made.issue(name, Role.USER)
    return made


@pytest.fixture
def served(fleet: Fleet, place: Place) -> Iterator[Served]:
    fleet.declare(DECLARED)
    own = place.identity("main")
    words = ("--tls-cert", str(own.certificate), "--tls-key", str(own.key))
    with serving(fleet, *words, "--pki", str(place.path), "--anonymous", "none") as made:
        assert made.url.startswith("https://")
        wait_for(lambda: "in-sync" in as_person(made, place, "ops", "status").all, seconds=40)
        yield made


def as_person(
    served: Served, place: Place, who: str, *argv: str, context: str | None = None
) -> Seen:
    """Run one command line as somebody who has a certificate, on a machine of their own."""
    folder = served.fleet.folder / f"of-{who}"
    settings = folder / "home/.config/ctl/config.yaml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    (folder / "elsewhere").mkdir(exist_ok=True)
    settings.write_text(context or said(served, place, who))
    person = replace(served.fleet, folder=folder, variables={})
    return person.ctl(*argv, at=folder / "elsewhere")


def said(served: Served, place: Place, who: str) -> str:
    own = place.identity(who)
    paths = f"ca: {place.trust}, certificate: {own.certificate}, key: {own.key}"
    return f"context: prod\ncontexts: {{prod: {{url: '{served.url}', {paths}}}}}\n"


def test_users_and_an_admin_work_over_a_controller_by_certificate(
    served: Served, place: Place
) -> None:
    def ctl(who: str, *argv: str) -> Seen:
        return as_person(served, place, who, *argv)

    first = job_of(ctl(ANN, "run", "--on", "here", "-o", "json", "--", "id -un"))
    assert ctl(BEN, "jobs", "logs", first).ended(0).out.endswith(f"{ANN}\n")  # everybody sees all
    slow = ("run", "--on", "here", "--detach", "-o", "json", "--", "sleep 60")
    second, third = job_of(ctl(ANN, *slow)), job_of(ctl(ANN, *slow))
    assert f"it is not {BEN}'s" in ctl(BEN, "jobs", "stop", second).ended(4).all
    ctl(BEN, "run", "--on", "here", "--as", "root", "--", "true").ended(4)
    assert "operator" in ctl(ANN, "run", "hello", "--on", "here").ended(4).all
    assert "admin" in ctl(ANN, "token", "list").ended(4).all
    for who, job in ((ANN, second), ("ops", third)):
        stopped = ctl(who, "jobs", "stop", job, "--grace", "1s", "-o", "json").ended(0).json
        assert stopped["state"] == "cancelled"
    again = job_of(ctl(ANN, "jobs", "retry", first, "-o", "json"))
    assert ctl(BEN, "jobs", "logs", again).ended(0).out.endswith(f"{ANN}\n")
    assert f"it is not {BEN}'s" in ctl(BEN, "jobs", "archive", again).ended(4).all
    ctl(ANN, "jobs", "archive", again).ended(0)
    ctl("ops", "suspend", "t", "--reason", "audit").ended(0)
    lines = [
        json.loads(one)
        for one in ctl("ops", "logs", "activity", "-n", "100", "-o", "jsonl")
        .ended(0)
        .out.splitlines()
    ]
    asked = {(one["actor"], one["route"]) for one in lines if one.get("kind") == "certificate"}
    assert {(ANN, "adhoc"), (ANN, "stop"), (BEN, "stop"), ("ops", "suspend")} <= asked


def job_of(seen: Seen) -> str:
    """Give the one job of a run that was recorded."""
    jobs = seen.ended(0).json["jobs"]
    assert isinstance(jobs, list)
    assert len(jobs) == 1
    return str(jobs[0]["id"])


def test_a_certificate_is_found_where_papers_are_kept(served: Served, place: Place) -> None:
    folder = served.fleet.folder / "kept"
    folder.mkdir()
    for one in (f"{ANN}.crt", f"{ANN}.key", "ca.crt"):
        (folder / one).write_bytes((place.path / one).read_bytes())
        (folder / one).chmod(0o600)
    found = f"pki: {{dir: {folder}}}\ncontext: prod\ncontexts: {{prod: {{url: '{served.url}'}}}}\n"
    assert "in-sync" in as_person(served, place, ANN, "status", context=found).ended(0).all
    (folder / f"{ANN}.key").chmod(0o644)
    said = as_person(served, place, ANN, "status", context=found).ended(1).all
    assert "others may read it" in said
    for one in (BEN, ANN):
        for end in ("crt", "key"):
            (folder / f"{one}.{end}").write_bytes((place.path / f"{one}.{end}").read_bytes())
            (folder / f"{one}.{end}").chmod(0o600)
    said = as_person(served, place, ANN, "status", context=found).ended(1).all
    assert f"{ANN}, {BEN}" in said
    named = found.replace("}\n", f", name: {BEN}}}\n", 1)
    as_person(served, place, ANN, "status", context=named).ended(0)


def test_what_is_wrong_is_said_where_it_is_asked(served: Served, place: Place) -> None:
    agent = as_person(served, place, "web-1", "status").ended(4).all
    assert "agent web-1 is not admin or user" in agent
    revoking.revoke(place.path, BEN, reason=Reason.UNSPECIFIED, now=NOW, by=BY)
    refused = as_person(served, place, BEN, "status").ended(4).all
    assert "was revoked" in refused
    assert "ctl pki" in refused
    as_person(served, place, ANN, "status").ended(0)
    other = founded(served.fleet.folder / "other")
    other.issue("ops", Role.ADMIN)
    foreign = said(served, other, "ops").replace(f"ca: {other.trust}", f"ca: {place.trust}")
    told = as_person(served, other, "ops", "status", context=foreign).ended(1).all
    assert "cannot reach the controller" in told
    assert f"signed the certificate {other.path}/ops.crt" in told
    plain = said(served, place, ANN).replace("https:", "http:")
    told = as_person(served, place, ANN, "status", context=plain).ended(64).all
    assert "cannot show a certificate" in told


def test_an_open_stream_ends_within_seconds_of_a_revocation(served: Served, place: Place) -> None:
    own = place.identity(ANN)
    context = ssl.create_default_context(cafile=place.trust)
    context.load_cert_chain(own.certificate, own.key)
    with (
        httpx.Client(base_url=served.url, verify=context, timeout=40) as client,
        client.stream("GET", "/api/v1/events") as stream,
    ):
        lines = stream.iter_lines()
        assert next(lines).startswith("id: ")
        revoking.revoke(place.path, ANN, reason=Reason.UNSPECIFIED, now=NOW, by=BY)
        assert any(line == "event: bye" for line in lines)
