"""TLS of the API: files that change while it serves, and what a connection is asked for."""

import shutil
import ssl
from pathlib import Path

import pytest

from controller.api.settings import Tls
from controller.api.tls import Contexts
from controller.errors import UsageError
from controller.pki import founding
from controller.pki.role import Role
from tests.pki.place import BY, NOW, Place, founded


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = founded(tmp_path / "pki")
    made.issue("main", Role.CONTROLLER)
    made.issue("other", Role.CONTROLLER)
    return made


def tls_of(folder: Path, place: Place, *, trust: bool = True) -> Tls:
    folder.mkdir()
    put(folder, place, "main", "crt", "key")
    return Tls(
        certificate=folder / "tls.crt",
        key=folder / "tls.key",
        trust=place.trust if trust else None,
    )


def put(folder: Path, place: Place, name: str, *ends: str) -> None:
    """Replace files as tools do it, in one step each."""
    for end in ends:
        new = folder / f"new.{end}"
        shutil.copyfile(place.path / f"{name}.{end}", new)
        new.replace(folder / f"tls.{end}")


def test_a_certificate_is_asked_for_and_not_demanded(place: Place, tmp_path: Path) -> None:
    asking = Contexts(tls_of(tmp_path / "a", place)).now()
    assert asking.verify_mode is ssl.CERT_OPTIONAL
    assert [one["subject"] for one in asking.get_ca_certs()]
    silent = Contexts(tls_of(tmp_path / "b", place, trust=False)).now()
    assert silent.verify_mode is ssl.CERT_NONE
    for context in (asking, silent):
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_new_files_are_taken_and_a_half_change_is_waited_out(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "tls"
    contexts = Contexts(tls_of(folder, place))
    first = contexts.now()
    assert contexts.now() is first
    put(folder, place, "other", "crt")
    assert contexts.now() is first  # the key is still the old one
    assert contexts.now() is first
    assert caplog.text.count("do not") <= 1
    assert len([one for one in caplog.records if one.levelname == "WARNING"]) == 1
    put(folder, place, "other", "key")
    second = contexts.now()
    assert second is not first
    (folder / "tls.key").unlink()
    assert contexts.now() is second


def test_an_authority_that_comes_is_trusted_and_one_that_goes_is_not(
    place: Place, tmp_path: Path
) -> None:
    contexts = Contexts(tls_of(tmp_path / "tls", place))
    assert len(contexts.now().get_ca_certs()) == 1
    founding.rotate(place.path, now=NOW, by=BY)
    assert len(contexts.now().get_ca_certs()) == 2
    old = place.ledger.authorities[0].authority
    founding.retire(place.path, old, now=NOW, by=BY, force=True)
    assert len(contexts.now().get_ca_certs()) == 1


def test_authorities_that_are_none_are_said_at_the_start(place: Place, tmp_path: Path) -> None:
    made = tls_of(tmp_path / "tls", place)
    for damage in (lambda: place.trust.write_bytes(b"nothing"), place.trust.unlink):
        damage()
        with pytest.raises(UsageError, match="cannot read the authorities"):
            Contexts(made)
