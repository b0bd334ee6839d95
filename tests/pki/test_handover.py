"""Files to be carried away: whole, private, and never over others."""

import os
from pathlib import Path

import pytest

from controller.errors import NotFoundError, RefusedError
from controller.pki import founding, handover
from controller.pki.role import Role
from tests.pki.place import BY, NOW, Place, founded, needs_openssl, request, verify

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return founded(tmp_path / "pki")


@needs_openssl
@pytest.mark.real
def test_what_is_handed_over_is_all_that_is_needed(place: Place, tmp_path: Path) -> None:
    founding.rotate(place.path, now=NOW, by=BY)
    one, out = place.issue("web-1"), tmp_path / "out"
    handover.prepare(out, "web-1")
    written = handover.hand_over(place.ledger, one, source=place.path, out=out)
    assert [path.name for path in written] == ["web-1.crt", "web-1.key", "ca.crt"]
    assert (out / "web-1.key").stat().st_mode & 0o777 == 0o600
    assert (out / "web-1.key").read_bytes() == (place.path / "web-1.key").read_bytes()
    assert (out / "ca.crt").read_bytes() == place.trust.read_bytes()
    assert "OK" in verify(out / "ca.crt", out / "web-1.crt")


def test_a_key_made_elsewhere_is_not_handed_over(place: Place, tmp_path: Path) -> None:
    one, out = place.issue("edge-1", request=request()), tmp_path / "out"
    handover.prepare(out, "edge-1")
    written = handover.hand_over(place.ledger, one, source=place.path, out=out)
    assert [path.name for path in written] == ["edge-1.crt", "ca.crt"]


def test_nothing_is_written_over_but_an_older_bundle(place: Place, tmp_path: Path) -> None:
    one, out = place.issue("web-1"), tmp_path / "out"
    out.mkdir(mode=0o700)
    (out / "ca.crt").write_text("older")
    handover.prepare(out, "web-1")
    handover.hand_over(place.ledger, one, source=place.path, out=out)
    assert (out / "ca.crt").read_bytes() == place.trust.read_bytes()
    with pytest.raises(RefusedError, match=r"web-1\.crt: it is there already"):
        handover.prepare(out, "web-1")


@as_root
def test_the_owner_gets_folder_and_files(place: Place, tmp_path: Path) -> None:
    one, out = place.issue("nobody", Role.USER), tmp_path / "out"
    to = handover.receiver("nobody")
    assert to is not None
    handover.prepare(out, "nobody", to)
    handover.hand_over(place.ledger, one, source=place.path, out=out, to=to)
    owners = {path.name: path.stat().st_uid for path in (out, *out.iterdir())}
    assert owners == dict.fromkeys(["out", "nobody.crt", "nobody.key", "ca.crt"], to.user)
    assert (place.path / "nobody.key").stat().st_uid == 0


@as_root
def test_an_owner_has_to_exist() -> None:
    with pytest.raises(NotFoundError, match="no such user here"):
        handover.receiver("no-such-user")
