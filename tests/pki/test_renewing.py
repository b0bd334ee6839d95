"""Renewing: who shows a good certificate near its end gets the next one, exactly in its own name, and nobody gets more."""

import base64
import multiprocessing
import os
import signal
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, strategies as st

from controller.errors import NotFoundError, RefusedError
from controller.pki import founding, issuing, renewing, revoking, shelf
from controller.pki.certificate import from_pem
from controller.pki.details import details
from controller.pki.entries import Issued
from controller.pki.peer import peer
from controller.pki.reason import Reason
from controller.pki.renewing import RenewalError, Renewed, Shown, renew_shown
from controller.pki.role import Role
from tests.pki.place import BY, NOW, Place, forged, founded, request

DAY = timedelta(days=1)
LATE = 80 * DAY
"""After so long a certificate of ninety days is to be renewed."""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = founded(tmp_path / "pki")
    made.issue("web-1", days=90, alternatives=("DNS:www.example.com", "IP:10.0.0.5"))
    return made


def der(one: Issued) -> bytes:
    return from_pem(one.certificate, where="test").public_bytes(serialization.Encoding.DER)


def renew(place: Place, shown: bytes = b"", pem: bytes = b"", after: timedelta = LATE) -> Renewed:
    asked = Shown(certificate=shown or place.der("web-1"), request=pem or request())
    return renew_shown(place.path, asked, now=NOW + after)


def refused(code: str) -> "pytest.RaisesExc[RenewalError]":
    return pytest.raises(RenewalError, check=lambda error: error.code == code)


def test_the_next_certificate_is_of_the_new_key_and_else_as_the_one_before(place: Place) -> None:
    (old,) = place.ledger.issued.values()
    key = ec.generate_private_key(ec.SECP256R1())
    one = renew(place, pem=request("evil", key)).issued
    made = from_pem(one.certificate, where="test")
    assert made.public_key() == key.public_key()
    before, after = (details(each.certificate, where="test") for each in (old, one))
    for same in ("subject", "issuer", "alternatives", "key_usage", "extended_key_usage"):
        assert getattr(after, same) == getattr(before, same)
    assert not after.authority
    assert (one.days, one.by) == (90, "agent web-1")
    assert peer(der(one)).role is Role.AGENT
    assert (place.path / "web-1.crt").read_text() == one.certificate


def test_the_one_before_stays_good(place: Place) -> None:
    (old,) = place.ledger.issued.values()
    one = renew(place).issued
    assert place.ledger.live("web-1", NOW + LATE) == (old, one)
    assert not list(place.ledger.denied(NOW + LATE))


@pytest.mark.parametrize("after", [timedelta(0), 30 * DAY, 59 * DAY])
def test_nobody_renews_early(place: Place, after: timedelta) -> None:
    with refused("early"):
        renew(place, after=after)
    assert len(place.ledger.issued) == 1


def test_a_lost_answer_is_told_again_to_the_same_key(place: Place) -> None:
    shown, pem = place.der("web-1"), request()
    one = renew(place, shown, pem)
    assert renew(place, shown, pem) == one
    assert len(place.ledger.issued) == 2


def test_who_renews_from_what_was_renewed_before_is_told_of(place: Place) -> None:
    """As somebody does who has stolen a key, beside the agent itself."""
    shown, pem = place.der("web-1"), request()
    assert renew(place, shown, pem).beside == 0
    assert renew(place, shown, pem).beside == 0  # the same key, whose answer was lost
    assert renew(place, shown).beside == 1
    assert renew(place, shown).beside == 2


def test_an_old_key_is_no_new_one(place: Place) -> None:
    shown, pem = place.der("web-1"), request()
    one = renew(place, shown, pem).issued
    with refused("used-key"):  # of the very certificate that is shown
        renew(place, der(one), pem, after=LATE + 80 * DAY)
    newer = request()
    assert renew(place, der(one), newer, after=LATE + 80 * DAY).issued.serial != one.serial
    with refused("used-key"):  # of one from before
        renew(place, place.der("web-1"), pem, after=LATE + 160 * DAY)


def test_what_was_made_and_revoked_since_is_not_given_again(place: Place) -> None:
    shown, pem = place.der("web-1"), request()
    one = renew(place, shown, pem).issued
    now = NOW + LATE
    revoking.revoke(place.path, one.serial, reason=Reason.SUPERSEDED, now=now, by=BY)
    with refused("used-key"):
        renew(place, shown, pem)


def test_a_revoked_certificate_renews_nothing(place: Place) -> None:
    revoking.revoke(place.path, "web-1", reason=Reason.KEY_COMPROMISE, now=NOW, by=BY)
    with refused("revoked"):
        renew(place)


def test_revoking_a_name_ends_all_that_was_renewed_from_it(place: Place) -> None:
    shown = place.der("web-1")
    one = renew(place, shown).issued
    gone = revoking.revoke(place.path, "web-1", reason=Reason.KEY_COMPROMISE, now=NOW + LATE, by=BY)
    assert len(gone) == 2
    for each in (shown, der(one)):
        with refused("revoked"):
            renew(place, each)


def test_one_that_has_ended_renews_nothing(place: Place) -> None:
    with refused("expired"):
        renew(place, after=91 * DAY)


def test_nobody_gets_ever_more_of_them(place: Place) -> None:
    shown = place.der("web-1")
    for _ in range(renewing.MOST - 1):
        renew(place, shown)
    with refused("too-many"):
        renew(place, shown)


@pytest.mark.parametrize("role", [Role.USER, Role.ADMIN, Role.CONTROLLER])
def test_only_agents_renew_by_themselves(place: Place, role: Role) -> None:
    one = place.issue("somebody", role, days=90)
    with pytest.raises(RefusedError, match="is not agent"):
        renew(place, der(one))


def test_a_certificate_of_somebody_else_renews_nothing(place: Place, tmp_path: Path) -> None:
    with pytest.raises(RefusedError):
        renew(place, forged())
    other = founded(tmp_path / "other")
    with refused("unknown"):
        renew(place, der(other.issue("web-1", days=90)))
    with pytest.raises(RefusedError, match="it is no certificate"):
        renew(place, b"\x30\x03\x02\x01\x01")
    assert len(place.ledger.issued) == 1


def _rsa() -> bytes:
    return request(key=rsa.generate_private_key(65537, 2048))


def _other_curve() -> bytes:
    return request(key=ec.generate_private_key(ec.SECP384R1()))


def _not_its_own() -> bytes:
    """A request for somebody else's key, signed by another."""
    pem, other = request(), request()
    theirs = x509.load_pem_x509_csr(other).public_bytes(serialization.Encoding.DER)
    mine = x509.load_pem_x509_csr(pem).public_bytes(serialization.Encoding.DER)
    swapped = mine[:-72] + theirs[-72:]
    body = base64.encodebytes(swapped)
    return b"-----BEGIN CERTIFICATE REQUEST-----\n" + body + b"-----END CERTIFICATE REQUEST-----\n"


@pytest.mark.parametrize(
    "make",
    [
        _rsa,
        _other_curve,
        _not_its_own,
        lambda: b"garbage",
        lambda: b"-----BEGIN CERTIFICATE REQUEST-----\n" + b"A" * 20_000,
    ],
    ids=["rsa", "curve", "signature", "garbage", "large"],
)
def test_a_request_that_is_not_sound_is_refused(place: Place, make: object) -> None:
    with pytest.raises(RefusedError):
        renew(place, pem=make())  # type: ignore[operator]
    assert len(place.ledger.issued) == 1


def test_where_no_authority_lies_nothing_is_made(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "handed-over"
    folder.mkdir(mode=0o700)
    (folder / ".kept.key").write_text("of somebody else")
    asked = Shown(certificate=place.der("web-1"), request=request())
    with pytest.raises(NotFoundError, match="cannot find an authority"):
        renew_shown(folder, asked, now=NOW + LATE)
    assert [one.name for one in folder.iterdir()] == [".kept.key"]


def test_the_new_authority_signs_and_travels_along(place: Place) -> None:
    later = NOW + LATE
    founding.rotate(place.path, now=later, by=BY)
    given = renew(place)
    authorities = given.authority.decode().count("BEGIN CERTIFICATE")
    assert authorities == 2
    assert given.authority == (place.path / "ca.crt").read_bytes()
    newest = place.ledger.newest
    assert given.issued.authority == newest.authority


def test_one_of_an_authority_that_was_retired_renews_nothing(place: Place) -> None:
    shown, later = place.der("web-1"), NOW + LATE
    founding.rotate(place.path, now=later, by=BY)
    retired = place.ledger.authorities[0].authority
    founding.retire(place.path, retired, now=later, by=BY, force=True)
    with refused("retired"):
        renew(place, shown)


def test_one_that_was_renewed_by_hand_still_renews(place: Place) -> None:
    """Who renewed by hand may never have carried it there."""
    shown = place.der("web-1")
    issuing.renew(place.path, "web-1", issuing.Renewal(), now=NOW + 70 * DAY, by=BY)
    renew(place, shown)
    assert len(place.ledger.live("web-1", NOW + LATE)) == 3


STEPS = ("write", "fsync", "replace", "unlink")


def _die_at(point: int, path: Path, shown: Shown) -> None:
    """Renew in a process that is killed before its nth change of the disk."""
    left = [point]
    for name in STEPS:
        real = getattr(os, name)

        def step(*words: object, _real: object = real, **more: object) -> object:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return _real(*words, **more)  # type: ignore[operator]

        setattr(os, name, step)
    renew_shown(path, shown, now=NOW + LATE)
    os._exit(0)


def test_whoever_is_killed_while_signing_signs_once(tmp_path: Path) -> None:
    """At every change of the disk, until there is none left to be killed at."""
    for point in range(40):
        place = founded(tmp_path / f"pki-{point}")
        place.issue("web-1", days=90)
        asked = Shown(certificate=place.der("web-1"), request=request())
        fork = multiprocessing.get_context("fork")
        child = fork.Process(target=_die_at, args=(point, place.path, asked))
        child.start()
        child.join(30)
        one = renew_shown(place.path, asked, now=NOW + LATE)
        assert renew_shown(place.path, asked, now=NOW + LATE) == one
        assert len(shelf.look(place.path).of_name("web-1")) == 2
        if child.exitcode == 0:
            assert point > 5
            return
        assert child.exitcode == -signal.SIGKILL
    raise AssertionError("it never comes to its end")


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_garbage_is_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, shown: bytes, pem: bytes
) -> None:
    with pytest.raises(RefusedError, match="cannot"):
        renew_shown(tmp_path_factory.getbasetemp(), Shown(certificate=shown, request=pem), now=NOW)
