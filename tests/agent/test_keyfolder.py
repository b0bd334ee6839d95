"""The folder of a key: a new pair is tried before it counts, and whoever dies on the way finds old or new again."""

import multiprocessing
import os
import shutil
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from controller.agent import openssl
from controller.agent.errors import EnrolmentError, FolderError
from controller.agent.keyfolder import KeyFolder, open_keys, settle_keys
from controller.agent.tls import Credentials
from tests.pki.place import Place, founded

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]
NAME = "web-1"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return founded(tmp_path_factory.mktemp("authority") / "pki")


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[KeyFolder]:
    folder = open_keys(str(tmp_path / "keys"), NAME)
    yield folder
    folder.close()


def sign(place: Place, request: bytes) -> bytes:
    """Sign without a ledger of what was signed before: each test has a server of its own."""
    copy = place.path.parent / os.urandom(4).hex()
    shutil.copytree(place.path, copy)
    one = Place(path=copy).issue(NAME, request=request)
    return one.certificate.encode()


def left(keys: KeyFolder) -> list[str]:
    return sorted(one.name for one in Path(keys.path).iterdir())


def test_a_pair_is_used_once_it_fits(place: Place, keys: KeyFolder) -> None:
    certificate = sign(place, keys.request())
    keys.adopt(certificate, place.trust.read_bytes())
    assert left(keys) == ["ca.crt", "web-1.crt", "web-1.key"]
    assert keys.certificate() == certificate
    modes = {one: stat.S_IMODE((Path(keys.path) / one).stat().st_mode) for one in left(keys)}
    assert modes == {"ca.crt": 0o644, "web-1.crt": 0o644, "web-1.key": 0o600}


def test_the_daemon_takes_what_was_written(place: Place, keys: KeyFolder) -> None:
    keys.adopt(sign(place, keys.request()), place.trust.read_bytes())
    keys.deny((place.path / "denied").read_bytes())
    assert Credentials(keys.path, "").name == NAME


def test_a_request_is_of_the_key_that_waits(keys: KeyFolder, place: Place) -> None:
    assert not keys.waits()
    first = keys.request()
    assert keys.waits()
    key = (Path(keys.path) / ".web-1.key.new").read_bytes()
    assert sign(place, first)
    assert keys.request().startswith(b"-----BEGIN CERTIFICATE REQUEST-----")
    assert (Path(keys.path) / ".web-1.key.new").read_bytes() == key
    keys.drop()
    assert left(keys) == []


def test_what_does_not_fit_changes_nothing(place: Place, keys: KeyFolder, tmp_path: Path) -> None:
    authority = place.trust.read_bytes()
    keys.adopt(sign(place, keys.request()), authority)
    before = {one: (Path(keys.path) / one).read_bytes() for one in left(keys)}
    foreign = founded(tmp_path / "foreign")
    stranger = open_keys(str(tmp_path / "stranger"), NAME)
    another = sign(place, stranger.request())
    stranger.close()
    request = keys.request()
    for certificate, trust in (
        (another, authority),
        (sign(foreign, request), authority),
        (sign(place, request), foreign.trust.read_bytes()),
        (b"", authority),
        (sign(place, request), b""),
    ):
        with pytest.raises(EnrolmentError, match="cannot use"):
            keys.adopt(certificate, trust)
        keys.certificate()
        kept = {one: (Path(keys.path) / one).read_bytes() for one in before}
        assert kept == before


@pytest.mark.parametrize("moved", [0, 1])
def test_who_died_between_two_renames_finds_the_new_pair(
    place: Place, keys: KeyFolder, moved: int
) -> None:
    """A tried certificate waits under its name as long as it, or its key, has not taken its place."""
    authority, folder = place.trust.read_bytes(), Path(keys.path)
    keys.adopt(sign(place, keys.request()), authority)
    certificate = sign(place, keys.request())
    (folder / ".web-1.crt.new").write_bytes(certificate)
    if moved:
        (folder / ".web-1.key.new").rename(folder / "web-1.key")
    assert keys.certificate() == certificate
    assert left(keys) == ["ca.crt", "web-1.crt", "web-1.key"]


def test_who_died_before_the_trial_finds_the_old_pair(place: Place, keys: KeyFolder) -> None:
    keys.adopt(sign(place, keys.request()), place.trust.read_bytes())
    old = keys.certificate()
    request = keys.request()
    (Path(keys.path) / ".web-1.crt.untried").write_bytes(b"garbage")
    assert keys.certificate() == old
    keys.adopt(sign(place, request), place.trust.read_bytes())
    assert left(keys) == ["ca.crt", "web-1.crt", "web-1.key"]


def test_a_key_without_its_certificate_is_none(place: Place, keys: KeyFolder) -> None:
    assert keys.certificate() is None
    keys.adopt(sign(place, keys.request()), place.trust.read_bytes())
    (Path(keys.path) / "web-1.key").write_text("damaged")
    assert keys.certificate() is None


def test_a_folder_others_can_change_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys").chmod(0o777)
    with pytest.raises(FolderError, match="can be written to by others"):
        open_keys(str(tmp_path / "keys"), NAME)


def test_a_disk_that_is_full_is_told(
    place: Place, keys: KeyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FolderError, match="no space left on device"):
        keys.request()
    assert left(keys) == []


# the old pair, while the new one is on trial


def test_the_old_pair_is_kept_until_the_new_one_has_worked(place: Place, keys: KeyFolder) -> None:
    authority = place.trust.read_bytes()
    keys.adopt(sign(place, keys.request()), authority)
    assert not keys.on_trial()
    old = (Path(keys.path) / "web-1.key").read_bytes()
    new = sign(place, keys.request())
    keys.adopt(new, authority, keep=True)
    assert keys.on_trial()
    assert (Path(keys.path) / ".web-1.key.old").read_bytes() == old
    assert stat.S_IMODE((Path(keys.path) / ".web-1.key.old").stat().st_mode) == 0o600
    keys.forget_old()
    assert not keys.on_trial()
    assert left(keys) == ["ca.crt", "web-1.crt", "web-1.key"]
    assert keys.certificate() == new


def test_the_old_pair_can_be_taken_again(place: Place, keys: KeyFolder) -> None:
    authority = place.trust.read_bytes()
    old = sign(place, keys.request())
    keys.adopt(old, authority)
    keys.adopt(sign(place, keys.request()), authority, keep=True)
    new = (Path(keys.path) / "web-1.key").read_bytes()
    keys.put_back()
    assert keys.certificate() == old
    assert left(keys) == [".web-1.key.new", "ca.crt", "web-1.crt", "web-1.key"]
    assert (
        Path(keys.path) / ".web-1.key.new"
    ).read_bytes() == new  # the same certificate is asked for again


def test_a_pair_that_is_good_no_more_is_not_taken_again(place: Place, keys: KeyFolder) -> None:
    authority = place.trust.read_bytes()
    keys.adopt(sign(place, keys.request()), authority)
    new = sign(place, keys.request())
    keys.adopt(new, authority, keep=True)
    (Path(keys.path) / ".web-1.crt.old").write_bytes(b"damaged")
    with pytest.raises(EnrolmentError, match="cannot use"):
        keys.put_back()
    assert keys.certificate() == new


def test_what_fits_may_be_refused_all_the_same(place: Place, keys: KeyFolder) -> None:
    def accept(found: object) -> None:
        raise EnrolmentError("cannot take it")

    certificate = sign(place, keys.request())
    with pytest.raises(EnrolmentError, match="cannot take it"):
        keys.adopt(certificate, place.trust.read_bytes(), accept=accept)
    assert left(keys) == [".web-1.key.new"]


def test_whoever_stages_a_key_meanwhile_waits_and_the_pair_fits(
    place: Place, keys: KeyFolder
) -> None:
    """As when a person installs anew in the moment in which the daemon renews."""
    certificate, another = sign(place, keys.request()), openssl.make_key()
    other = open_keys(keys.path, NAME)
    staging = threading.Thread(target=other.stage_key, args=(another,))

    def accept(_: object) -> None:
        staging.start()
        staging.join(0.1)

    keys.adopt(certificate, place.trust.read_bytes(), accept=accept)
    staging.join(10)
    other.close()
    assert keys.certificate() == certificate
    assert (Path(keys.path) / ".web-1.key.new").read_bytes() == another


def _die_at(point: int, change: Callable[[], None]) -> None:
    """Do something in a process that is killed before its nth change of the disk."""
    steps = [point]
    for name in ("fsync", "fchmod", "replace", "link", "unlink", "open"):
        real = getattr(os, name)

        def step(*words: object, _real: object = real, **more: object) -> object:
            if steps[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            steps[0] -= 1
            return _real(*words, **more)  # type: ignore[operator]

        setattr(os, name, step)
    change()
    os._exit(0)


def _left_by_the_dead(folder: Path) -> tuple[bytes | None, bool]:
    """Say which certificate is in use, and whether it is on trial; demand that all can go on."""
    settle_keys(str(folder), NAME)
    assert Credentials(str(folder), NAME).name == NAME
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in folder.glob("*.key*")}
    assert set(modes.values()) == {0o600}, modes
    after = open_keys(str(folder), NAME)
    found = after.certificate(), after.on_trial()
    assert after.request().startswith(b"-----BEGIN CERTIFICATE REQUEST")
    after.close()
    return found


@pytest.mark.parametrize("change", ["request", "adopt", "put_back", "forget_old"])
def test_whoever_is_killed_at_any_step_leaves_a_pair_that_fits(
    place: Place, tmp_path: Path, change: str
) -> None:
    authority = place.trust.read_bytes()
    keys = open_keys(str(tmp_path / "first"), NAME)
    old = sign(place, keys.request())
    keys.adopt(old, authority)
    new = old if change == "request" else sign(place, keys.request())
    if change in ("put_back", "forget_old"):
        keys.adopt(new, authority, keep=True)
    keys.close()
    seen = set()
    for point in range(60):
        folder = tmp_path / str(point)
        shutil.copytree(tmp_path / "first", folder)
        one = open_keys(str(folder), NAME)
        work = {
            "request": one.request,
            "adopt": partial(one.adopt, new, authority, keep=True),
            "put_back": one.put_back,
            "forget_old": one.forget_old,
        }[change]
        child = multiprocessing.get_context("fork").Process(target=_die_at, args=(point, work))
        child.start()
        child.join(30)
        one.close()
        found, on_trial = _left_by_the_dead(folder)
        assert found in (old, new)
        assert change != "put_back" or found == old or on_trial  # and will be taken back yet
        seen.add(found)
        if child.exitcode == 0:
            assert point > 1
            assert seen == ({new} if change == "forget_old" else {old, new})
            assert change == "adopt" or not [*folder.glob(".*.old"), *folder.glob(".*.again")]
            return
        assert child.exitcode == -signal.SIGKILL
    raise AssertionError("it never comes to its end")
