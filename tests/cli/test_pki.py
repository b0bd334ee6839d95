"""`ctl pki`: real folders, a clock that stands still."""

import json
from pathlib import Path

import pytest
import yaml

from tests.cli.stage import NOW, Seen, Stage
from tests.pki.place import Place, request


class Pki:
    """Runs `ctl pki` in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stage = Stage(cwd=folder)

    def __call__(self, *argv: str) -> Seen:
        return self.stage("pki", *argv, "--dir", "pki")

    def rows(self, *argv: str) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = json.loads(self("list", *argv, "-o", "json").out)
        return rows


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    made = Pki(tmp_path)
    assert made("init", "--organisation", "Example").code == 0
    return made


def test_init_shows_the_pin_and_the_next_step(tmp_path: Path) -> None:
    seen = Pki(tmp_path)("init")
    assert seen.code == 0
    assert "pin                  sha256:" in seen.out
    assert "pki/ca.crt holds 1 certificate" in seen.out
    assert seen.err == "next: ctl pki issue NAME --role agent --out DIR --dir pki\n"


def test_a_second_init_is_refused_and_nothing_found_without_one(pki: Pki, tmp_path: Path) -> None:
    seen = pki("init")
    assert seen.code == 4
    assert "hint: ctl pki init --rotate" in seen.err
    assert Pki(tmp_path / "elsewhere")("list").code == 1


def test_a_certificate_is_issued_shown_and_handed_over(pki: Pki) -> None:
    seen = pki("issue", "web-1", "--role", "agent", "--san", "10.0.0.5", "--out", "out")
    assert seen.code == 0, seen.err
    assert "subject              CN=web-1,OU=agent,O=Example" in seen.out
    assert "alternative names    DNS:web-1, IP:10.0.0.5" in seen.out
    assert sorted(p.name for p in (pki.folder / "out").iterdir()) == [
        "ca.crt",
        "web-1.crt",
        "web-1.key",
    ]
    assert pki("show", "web-1").out == seen.out


def test_files_that_cannot_be_handed_over_are_told_where_else_they_lie(pki: Pki) -> None:
    (pki.folder / "out" / "ca.crt").mkdir(parents=True)
    (pki.folder / "out").chmod(0o700)
    seen = pki("issue", "web-1", "--role", "agent", "--out", "out")
    assert seen.code == 1
    assert "the certificate is signed all the same" in seen.err
    assert f"hint: copy it from {pki.folder / 'pki'}" in seen.err
    assert pki("show", "web-1").code == 0


def test_all_fields_are_documents_too(pki: Pki) -> None:
    pki("issue", "web-1", "--role", "agent")
    told = json.loads(pki("show", "web-1", "-o", "json").out)
    assert told["format_version"] == "1.0"
    assert told["details"]["extended_key_usage"] == ["serverAuth", "clientAuth"]
    assert told["serial"] == told["details"]["serial"]
    assert told["issued_by"]
    root = yaml.safe_load(pki("show", "ca", "-o", "yaml").out)
    assert root["authorities"][0]["details"]["pin"] == told["authority_pin"]
    assert told["authority_pin"].startswith(f"sha256:{told['authority']}")
    assert pki("show", told["serial"]).out == pki("show", "web-1").out
    assert pki("show", told["authority"]).out in pki("show", "ca").out
    assert all(pki("show", name).code == 0 for name in pki("list", "-o", "name").out.split())


@pytest.mark.parametrize(
    ("days", "expiring"), [(397, None), (30, None), (29, 30), (7, 30), (6, 7), (1, 7)]
)
def test_the_end_is_warned_of(pki: Pki, days: int, expiring: int | None) -> None:
    pki("issue", "web-1", "--role", "agent", "--days", str(days))
    row = pki.rows()[0]
    assert (row["name"], row["days_left"], row["expiring"]) == ("web-1", days, expiring)
    seen = pki("list")
    warned = f"warning: web-1 expires in {days} day"
    assert (warned in seen.err) is (expiring is not None)
    assert "warning" not in pki("list", "-q").err


def test_less_than_a_day_is_told_as_such(pki: Pki) -> None:
    before = Place(path=pki.folder / "pki", now=NOW.replace(hour=11, day=1))
    before.issue("web-1", days=1)
    assert pki.rows()[0]["expiring"] == 1
    assert "web-1 expires in less than a day: ctl pki renew web-1" in pki("list").err


def test_the_list_holds_what_is_good_and_with_all_everything(pki: Pki) -> None:
    for name in ("web-1", "web-2"):
        pki("issue", name, "--role", "agent")
    pki("revoke", "web-1", "--reason", "key-compromise")
    assert [row["name"] for row in pki.rows()][:-1] == ["web-2"]
    rows = {row["name"]: row for row in pki.rows("--all")}
    assert rows["web-1"]["state"] == "revoked"
    assert rows["web-1"]["revoked_why"] == "key-compromise"
    assert pki("list", "-o", "name").out.splitlines()[0] == "web-2"
    assert json.loads(pki("list", "-o", "jsonl").out.splitlines()[0]) == rows["web-2"]
    assert str(rows["web-2"]["serial"]) in pki("list", "-o", "wide").out


def test_renewing_replaces_and_can_end_the_old_one(pki: Pki) -> None:
    pki("issue", "web-1", "--role", "agent")
    assert pki("renew", "web-1").code == 0
    assert sorted(str(row["state"]) for row in pki.rows()) == ["replaced", "valid", "valid"]
    assert pki("renew", "web-1", "--revoke-old", "--same-key").code == 0
    states = sorted(str(row["state"]) for row in pki.rows("--all") if row["name"] == "web-1")
    assert states == ["revoked", "revoked", "valid"]


def test_a_fresh_list_is_signed_on_demand(pki: Pki) -> None:
    before = (pki.folder / "pki" / "crl.pem").read_bytes()
    seen = pki("renew", "--crl")
    assert seen.code == 0
    assert "crl.pem" in seen.err
    assert (pki.folder / "pki" / "crl.pem").read_bytes() != before


def test_a_request_is_signed(pki: Pki) -> None:
    (pki.folder / "edge.csr").write_bytes(request())
    seen = pki("issue", "edge-1", "--role", "agent", "--csr", "edge.csr")
    assert seen.code == 0
    assert "key made             elsewhere" in seen.out
    assert pki("issue", "edge-2", "--role", "agent", "--csr", "none.csr").code == 1
    assert pki("renew", "edge-1").code == 4


def test_an_owner_is_a_user_of_that_name(pki: Pki) -> None:
    seen = pki("issue", "--owner", "deploy")
    assert "subject              CN=deploy,OU=user,O=Example" in seen.out
    assert pki("issue", "--owner", "root", "--role", "admin").code == 0


def test_a_rotation_from_start_to_end(pki: Pki) -> None:
    pki("issue", "web-1", "--role", "agent")
    old = str(pki.rows()[-1]["authority"])
    seen = pki("init", "--rotate")
    assert "holds 2 certificates" in seen.out
    assert seen.err == "next: ctl pki renew NAME --dir pki\n"
    assert pki("init", "--retire", old).code == 4
    pki("renew", "web-1")
    assert pki("init", "--retire", old).code == 0
    assert {row["authority"] for row in pki.rows()} == {pki.rows()[-1]["authority"]}
    assert old not in pki("list").out


@pytest.mark.parametrize(
    "argv",
    [
        ("issue",),
        ("issue", "web-1"),
        ("issue", "--role", "agent"),
        ("issue", "web-1", "--role", "root"),
        ("issue", "../web-1", "--role", "agent"),
        ("issue", "web-1", "--role", "agent", "--san", "*.example.com"),
        ("issue", "web-1", "--role", "agent", "--days", "0"),
        ("issue", "web-1", "--role", "agent", "--owner", "deploy"),
        ("issue", "--owner", "deploy", "--role", "agent"),
        ("issue", "--owner", "../x"),
        ("renew",),
        ("renew", "web-1", "--crl"),
        ("renew", "other", "--same-key", "--csr", "edge.csr"),
        ("revoke", "web-1", "--reason", "because"),
        ("init", "--rotate", "--retire", "x"),
        ("init", "--force"),
        ("init", "--rotate", "--organisation", "Other"),
        ("init", "--retire", "x", "--days", "3"),
        ("renew", "--crl", "--same-key"),
        ("issue", "web-1", "--role", "agent", "--out", "./pki"),
    ],
)
def test_wrong_usage_is_64_and_changes_nothing(pki: Pki, argv: tuple[str, ...]) -> None:
    (pki.folder / "edge.csr").write_bytes(request())
    Place(path=pki.folder / "pki", now=NOW).issue("other")
    before = (pki.folder / "pki" / "ledger").read_bytes()
    seen = pki(*argv)
    assert seen.code == 64, seen.err
    assert (pki.folder / "pki" / "ledger").read_bytes() == before


def test_names_that_are_not_there_are_1_and_gates_are_4(pki: Pki) -> None:
    pki("issue", "web-1", "--role", "agent")
    assert pki("show", "web-2").code == 1
    assert pki("revoke", "web-2").code == 1
    assert pki("issue", "web-1", "--role", "agent").code == 4
    assert pki("revoke", "web-1").code == 0
    assert pki("revoke", "web-1").code == 4
    (pki.folder / "pki").chmod(0o777)
    assert pki("list").code == 4
