"""Tokens: good once, for one name, for a time; a lost answer is told again to the same key and to nobody else."""

import multiprocessing
import os
import signal
import stat
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, strategies as st

from controller.errors import NotFoundError, RefusedError, StateError, UsageError
from controller.pki import invitations, inviting, leaf, revoking
from controller.pki.details import details
from controller.pki.entries import Issued, KeyPlace
from controller.pki.folder import open_folder
from controller.pki.inviting import Guest, Invited, Showing, TokenError
from controller.pki.reason import Reason
from controller.pki.role import Role
from tests.pki.place import BY, NOW, Place, founded, request

DAY = timedelta(days=1)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return founded(tmp_path / "pki")


def invite(place: Place, name: str = "web-1", **more: object) -> Invited:
    return inviting.invite(place.path, Guest(name=name, **more), now=place.now, by=BY)  # type: ignore[arg-type]


def redeem(
    place: Place, token: str, pem: bytes, name: str = "web-1", *, now: object = None
) -> Issued:
    shown = Showing(token=token, name=name, request=pem)
    return inviting.redeem(place.path, shown, now=now or place.now)  # type: ignore[arg-type]


def refused(code: str) -> "pytest.RaisesExc[TokenError]":
    return pytest.raises(TokenError, check=lambda error: error.code == code)


def test_a_token_gets_one_certificate_for_its_name(place: Place) -> None:
    made = invite(place, alternatives=("10.0.0.5",), days=30)
    one = redeem(place, made.token, request())
    assert (one.name, one.role, one.days, one.by) == ("web-1", Role.AGENT, 30, BY)
    assert one.alternatives == ("DNS:web-1", "IP:10.0.0.5")
    assert one.key is KeyPlace.ELSEWHERE
    assert made.pin == details(place.ledger.newest.certificate, where="ca").pin


def test_the_same_key_gets_the_same_certificate_and_another_key_none(place: Place) -> None:
    made, pem = invite(place), request()
    one = redeem(place, made.token, pem)
    assert redeem(place, made.token, pem, now=NOW + timedelta(hours=23)) == one
    with refused("used-token"):
        redeem(place, made.token, request())
    assert len(place.ledger.issued) == 1


def test_a_new_token_renews_the_same_key(place: Place) -> None:
    pem = request()
    old = redeem(place, invite(place).token, pem)
    later = replace(place, now=NOW + DAY)
    made = invite(later, renew=True)
    assert redeem(later, made.token, pem).serial != old.serial


def test_a_certificate_that_was_revoked_is_not_given_again(place: Place) -> None:
    made, pem = invite(place), request()
    redeem(place, made.token, pem)
    revoking.revoke(place.path, "web-1", reason=Reason.KEY_COMPROMISE, now=NOW, by=BY)
    with refused("used-token"):
        redeem(place, made.token, pem)


def test_a_token_ends(place: Place) -> None:
    made = invite(place)
    with refused("expired-token"):
        redeem(place, made.token, request(), now=NOW + DAY)
    invite(place, "web-2")
    assert {one.name for one in inviting.invited(place.path, now=NOW)} == {"web-1", "web-2"}
    later = replace(place, now=NOW + DAY)
    invite(later, "web-3")
    with open_folder(place.path) as folder:
        assert [one.name for one in invitations.load(folder)] == ["web-3"]
    with refused("unknown-token"):
        redeem(place, made.token, request(), now=NOW + DAY)


def test_a_token_is_for_one_name(place: Place) -> None:
    made = invite(place)
    with refused("wrong-name"):
        redeem(place, made.token, request(), "web-2")
    assert redeem(place, made.token, request()).name == "web-1"


@given(st.text(max_size=80))
def test_what_is_no_token_is_never_found(text: str) -> None:
    known = invitations.draw(
        name="web-1", alternatives=(), days=None, renew=False, expires=NOW, at=NOW, by=BY
    )[1]
    assert invitations.find([known], text) is None


def test_nothing_of_a_token_but_its_id_is_on_disk_or_near(place: Place) -> None:
    made = invite(place)
    own, secret = made.token.split("_")[1:]
    for wrong in (made.token[:-1] + "g", f"ctle_{own}_{'0' * 40}", f"ctle_{'0' * 12}_{secret}", ""):
        with refused("unknown-token"):
            redeem(place, wrong, request())
    files = {one.name: one.read_bytes() for one in place.path.iterdir() if one.is_file()}
    assert not [name for name, data in files.items() if secret.encode() in data]
    mode = (place.path / invitations.FILE).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_equal_secrets_would_have_other_digests() -> None:
    digests = {invitations._digest(salt, "secret") for salt in ("a", "b")}
    assert len(digests) == 2


def test_a_request_that_is_not_sound_leaves_the_token_as_it_was(place: Place) -> None:
    made = invite(place)
    with pytest.raises(RefusedError, match="not ECDSA on P-256"):
        redeem(place, made.token, request(key=ec.generate_private_key(ec.SECP384R1())))
    with pytest.raises(RefusedError, match="cannot read"):
        redeem(place, made.token, b"garbage")
    assert redeem(place, made.token, request()).name == "web-1"


def test_a_name_with_a_certificate_is_invited_only_to_renew(place: Place) -> None:
    with pytest.raises(NotFoundError, match="has no certificate"):
        invite(place, renew=True)
    old = place.issue("web-1", Role.AGENT, alternatives=("10.0.0.5",))
    with pytest.raises(RefusedError, match="has a certificate until"):
        invite(place)
    made, pem = invite(place, renew=True), request()
    new = redeem(place, made.token, pem)
    assert new.serial != old.serial
    assert new.alternatives == old.alternatives
    assert redeem(place, made.token, pem) == new
    place.issue("ops", Role.ADMIN)
    with pytest.raises(RefusedError, match="as admin"):
        invite(place, "ops", renew=True)


def test_a_name_that_got_its_certificate_otherwise_meanwhile_is_refused(place: Place) -> None:
    made = invite(place)
    place.issue("web-1")
    with pytest.raises(RefusedError, match="has a certificate until"):
        redeem(place, made.token, request())
    assert inviting.invited(place.path, now=NOW)[0].used_by == ""


def test_an_invitation_is_withdrawn(place: Place) -> None:
    made = invite(place)
    assert [one.name for one in inviting.withdraw(place.path, "WEB-1", now=NOW)] == ["web-1"]
    with refused("unknown-token"):
        redeem(place, made.token, request())
    with pytest.raises(NotFoundError, match="cannot find an invitation"):
        inviting.withdraw(place.path, "web-1", now=NOW)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "../x"},
        {"name": "ca"},
        {"valid": timedelta(seconds=1)},
        {"valid": 31 * DAY},
        {"days": 0},
        {"days": 9999},
        {"alternatives": ("*.example.com",)},
    ],
)
def test_what_cannot_be_is_refused_before_a_token_is_made(
    place: Place, wrong: dict[str, object]
) -> None:
    with pytest.raises(UsageError):
        invite(place, **wrong)  # type: ignore[arg-type]
    assert not (place.path / invitations.FILE).exists()


def test_invitations_are_bounded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invitations, "MOST", 2)
    invite(place, "web-1")
    invite(place, "web-2")
    with pytest.raises(RefusedError, match="more than 2"):
        invite(place, "web-3")


def test_a_damaged_file_is_told_and_never_read_as_nobody(place: Place) -> None:
    made = invite(place)
    (place.path / invitations.FILE).write_text("[{}]")
    with pytest.raises(StateError, match=r"cannot read .*invitations"):
        redeem(place, made.token, request())


def test_of_two_servers_with_one_token_one_enrols(place: Place) -> None:
    made = invite(place)
    outcomes: list[str] = []
    gate = threading.Barrier(4)

    def enrol() -> None:
        pem = request()
        gate.wait()
        try:
            outcomes.append(redeem(place, made.token, pem).serial)
        except TokenError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=enrol) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(outcomes)[1:] == ["used-token"] * 3
    assert len(place.ledger.issued) == 1


def test_the_same_server_at_once_gets_one_certificate(place: Place) -> None:
    made, pem = invite(place), request()
    serials: list[str] = []
    threads = [
        threading.Thread(target=lambda: serials.append(redeem(place, made.token, pem).serial))
        for _ in range(4)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(serials) == 4
    assert len(set(serials)) == 1


def _die_in(path: Path, token: str, pem: bytes, step: str) -> None:
    """Redeem, and be killed when a step begins."""

    def stop(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    if step == "before signing":
        inviting._sign = stop  # type: ignore[assignment]
    elif step == "while signing":
        leaf.sign = stop  # type: ignore[assignment]
    elif step == "before it is bound":
        invitations.save = stop
    inviting.redeem(path, Showing(token=token, name="web-1", request=pem), now=NOW)
    stop()


@pytest.mark.real
@pytest.mark.parametrize(
    "step", ["before it is bound", "before signing", "while signing", "before the answer"]
)
def test_killed_at_any_step_the_token_is_still_good_for_its_key(place: Place, step: str) -> None:
    made, pem = invite(place), request()
    context = multiprocessing.get_context("fork")
    child = context.Process(target=_die_in, args=(place.path, made.token, pem, step))
    child.start()
    child.join(20)
    assert child.exitcode == -9
    bound = step != "before it is bound"
    if bound:
        with refused("used-token"):
            redeem(place, made.token, request())
    one = redeem(place, made.token, pem)
    assert list(place.ledger.issued) == [one.serial]
