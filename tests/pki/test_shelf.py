"""A command that is killed, or meets a disk that fails, at every step: what is left is the old or the new."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from controller.errors import RefusedError, StateError
from controller.pki import founding, issuing, ledger, revoking, shelf
from controller.pki.entries import KeyPlace
from controller.pki.ledger import LIVE
from controller.pki.reason import Reason
from controller.pki.revocation import LIVES, deny_list, number_in
from controller.pki.role import Role
from tests.pki.place import BY, NOW, Place, founded

DURABLE = ("open", "write", "fsync", "replace", "link", "unlink")


class Killed(BaseException):
    """Stand for SIGKILL: nothing of ours catches it."""


class Fault:
    """Lets so many durable steps happen, and then no more."""

    def __init__(self, step: int, error: BaseException) -> None:
        self.left = step
        self.error = error

    def arm(self, patch: pytest.MonkeyPatch) -> None:
        for name in DURABLE:
            patch.setattr(os, name, self._failing(getattr(os, name)))

    def _failing(self, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **more: object) -> object:
            if self.left <= 0:
                raise self.error
            self.left -= 1
            return real(*arguments, **more)

        return call


ACTS: dict[str, Callable[[Place], object]] = {
    "issue": lambda place: place.issue("web-2"),
    "renew": lambda place: issuing.renew(
        place.path, "web-1", issuing.Renewal(revoke_old=True), now=NOW, by=BY
    ),
    "revoke": lambda place: revoking.revoke(
        place.path, "web-1", reason=Reason.SUPERSEDED, now=NOW, by=BY
    ),
    "rotate": lambda place: founding.rotate(place.path, now=NOW, by=BY),
    "found": lambda place: founding.found(place.path.parent / "next", now=NOW, by=BY),
}


def fits(key: Path, certificate: bytes) -> bool:
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    return private.public_key() == x509.load_pem_x509_certificate(certificate).public_key()


def check(path: Path) -> None:
    """Check that ledger and files tell the same, after whatever the next command sets right."""
    with shelf.open_shelf(path, now=NOW) as opened:
        known = opened.ledger
    assert not [p for p in path.iterdir() if p.name.startswith(".") and p.suffix == ".key"]
    if not known.authorities:
        return
    assert (path / "ca.crt").read_bytes() == shelf.bundle(known)
    assert fits(path / "ca.key", known.newest.certificate.encode())
    for old in known.trusted[1:]:
        assert fits(path / shelf.retired_key(old.authority), old.certificate.encode())
    assert (path / "denied").read_bytes() == deny_list(known.denied(NOW))
    assert number_in((path / "crl.pem").read_bytes(), where="crl")[0] == known.listed
    assert known.listed >= known.changed
    for name in {one.name for one in known.issued.values()}:
        last = known.of_name(name)[-1]
        assert (path / f"{name}.crt").read_text() == last.certificate
        assert last.key is KeyPlace.HERE
        assert fits(path / f"{name}.key", last.certificate.encode())


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = founded(tmp_path_factory.mktemp("shelf") / "pki")
    place.issue("web-1")
    place.issue("ops", Role.USER)
    return place.path


@pytest.mark.parametrize("error", [Killed(), OSError(28, "No space left on device")], ids=["kill", "disk"])  # fmt: skip
@pytest.mark.parametrize("act", ACTS)
def test_whatever_fails_wherever_the_ledger_and_its_files_agree(
    act: str, error: BaseException, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a step all the same; the power stays on
    survived = 0
    for step in range(200):
        place = Place(path=tmp_path / str(step) / "pki")
        shutil.copytree(template, place.path)
        fault = Fault(step, error)
        with monkeypatch.context() as patch:
            fault.arm(patch)
            try:
                ACTS[act](place)
                survived = step
            except (Killed, StateError, OSError):
                pass
        check(place.path)
        if (tmp_path / str(step) / "next").exists():
            check(tmp_path / str(step) / "next")
        place.issue("web-9")
        if survived:
            break
    assert survived > 10, "the faults were met on the way"


def test_what_was_answered_is_never_lost(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(path=tmp_path / "pki")
    shutil.copytree(template, place.path)
    one = place.issue("web-2")
    for step in range(30):
        with monkeypatch.context() as patch:
            Fault(step, Killed()).arm(patch)
            try:
                place.issue(f"w{step}")
            except Killed:
                continue
    assert place.ledger.issued[one.serial] == one
    check(place.path)


def test_a_staged_key_without_its_line_goes(template: Path, tmp_path: Path) -> None:
    path = tmp_path / "pki"
    shutil.copytree(template, path)
    (path / ".ABCD.key").write_bytes((path / "web-1.key").read_bytes())
    (path / ".ABCD.key").chmod(0o600)
    check(path)
    assert not (path / ".ABCD.key").exists()


def test_files_that_were_lost_come_back_from_the_ledger(template: Path, tmp_path: Path) -> None:
    path = tmp_path / "pki"
    shutil.copytree(template, path)
    for name in ("ca.crt", "crl.pem", "denied"):
        (path / name).unlink()
    check(path)


@pytest.mark.parametrize(
    "damage",
    [b"nonsense\n", b"{}\n", b'{"event":"new","entry":{}}\n', b'{"event":"issued","entry":{}}\n', b"\xff\n"],
)  # fmt: skip
def test_a_damaged_ledger_is_told_with_its_line_and_left_alone(
    template: Path, tmp_path: Path, damage: bytes
) -> None:
    place = Place(path=tmp_path / "pki")
    shutil.copytree(template, place.path)
    book = place.path / "ledger"
    book.write_bytes(book.read_bytes() + damage)
    before = book.read_bytes()
    number = before.count(b"\n")
    with pytest.raises(StateError, match=f"ledger:{number}"):
        place.issue("web-2")
    assert book.read_bytes() == before


def test_a_torn_last_line_does_not_count(template: Path, tmp_path: Path) -> None:
    place = Place(path=tmp_path / "pki")
    shutil.copytree(template, place.path)
    book = place.path / "ledger"
    whole = book.read_bytes()
    book.write_bytes(whole + b'{"event":"issu')
    assert len(place.ledger.issued) == 2
    place.issue("web-2")
    assert book.read_bytes().startswith(whole + b'{"event":"issued"')


def test_without_its_private_key_an_authority_still_revokes_for_our_listeners(
    template: Path, tmp_path: Path
) -> None:
    place = Place(path=tmp_path / "pki")
    shutil.copytree(template, place.path)
    key = (place.path / "ca.key").rename(tmp_path / "vault.key")
    with pytest.raises(StateError, match="cannot find the authority's private key"):
        revoking.revoke(place.path, "web-1", reason=Reason.UNSPECIFIED, now=NOW, by=BY)
    serial = place.ledger.of_name("web-1")[0].serial
    assert serial in (place.path / "denied").read_text()
    key.rename(place.path / "ca.key")
    check(place.path)


@pytest.mark.real
@pytest.mark.slow
def test_commands_at_the_same_time_take_turns(template: Path, tmp_path: Path) -> None:
    place = Place(path=tmp_path / "pki")
    shutil.copytree(template, place.path)
    names = ["one", "two", "same", "same"]
    issue = [sys.executable, "-m", "controller", "pki", "issue", "--role", "agent", "-q"]
    running = [
        subprocess.Popen(
            [*issue, name, "--dir", place.path],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name in names
    ]
    codes = [one.wait(30) for one in running]
    assert codes[:2] == [0, 0]
    assert sorted(codes[2:]) == [0, 4]
    assert {one.name for one in place.ledger.issued.values()} == {"web-1", "ops", *names}
    check(place.path)


def test_the_next_command_that_writes_renews_a_list_that_soon_ends(
    template: Path, tmp_path: Path
) -> None:
    path = tmp_path / "pki"
    shutil.copytree(template, path)
    before = number_in((path / "crl.pem").read_bytes(), where="crl")[0]
    late = NOW.replace(microsecond=0) + (LIVES - shelf.FRESH) * 1.01
    with shelf.open_shelf(path, now=late):
        pass
    number, end = number_in((path / "crl.pem").read_bytes(), where="crl")
    assert number > before
    assert end == late.replace(microsecond=0) + LIVES


def test_a_full_ledger_signs_no_more_and_still_revokes(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(path=tmp_path / "pki")
    shutil.copytree(template, place.path)
    monkeypatch.setattr(ledger, "MOST", place.ledger.length)
    with pytest.raises(RefusedError, match=r"cannot sign: .* lines"):
        place.issue("web-2")
    assert not list(place.path.glob(".*.key"))
    revoking.revoke(place.path, "web-1", reason=Reason.UNSPECIFIED, now=NOW, by=BY)
    assert place.ledger.revoked


def test_looking_changes_nothing(template: Path) -> None:
    before = {p.name: p.stat().st_mtime_ns for p in template.iterdir()}
    known = shelf.look(template)
    assert all(known.state(one, NOW) in LIVE for one in known.issued.values())
    assert {p.name: p.stat().st_mtime_ns for p in template.iterdir()} == before
