"""Signatures of bytes: only whole, only of this purpose, only by an allowed key; with the real ssh-keygen."""

import subprocess
from pathlib import Path

import pytest

from controller.errors import SourceError, VerificationError
from controller.source import seals
from controller.source.seals import NAMESPACE, check, sign
from tests.e2e.fleet import wait_for

pytestmark = pytest.mark.real

PLAN = b'{"a": "plan"}\n'


def key(folder: Path, name: str, *, closed_with: str = "") -> Path:
    path = folder / name
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", closed_with, "-C", name, "-f", str(path)]
    subprocess.run(command, check=True)
    return path


def allowed(*keys: Path, options: str = "") -> bytes:
    rows = [f"{one.name}@example.com {options}{public(one)}" for one in keys]
    return "".join(rows).encode()


def public(one: Path) -> str:
    return one.with_name(f"{one.name}.pub").read_text()


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return key(tmp_path, "release")


def test_who_signed_is_told(tmp_path: Path, release: Path) -> None:
    signers = allowed(key(tmp_path, "other"), release)
    assert check(PLAN, sign(PLAN, release), signers) == "release@example.com"


def test_of_several_names_of_a_key_the_first_is_told(release: Path) -> None:
    signers = b"ops@example.com,release@example.com " + public(release).encode()
    assert check(PLAN, sign(PLAN, release), signers) == "ops@example.com"


def test_data_that_was_changed_is_refused(release: Path) -> None:
    signature = sign(PLAN, release)
    with pytest.raises(VerificationError, match="does not fit"):
        check(PLAN + b" ", signature, allowed(release))


def test_the_key_of_a_stranger_is_refused(tmp_path: Path, release: Path) -> None:
    signature = sign(PLAN, key(tmp_path, "stranger"))
    with pytest.raises(VerificationError, match="not by one of the allowed signers"):
        check(PLAN, signature, allowed(release))


def test_a_signature_for_another_purpose_is_refused(tmp_path: Path, release: Path) -> None:
    data = tmp_path / "data"
    data.write_bytes(PLAN)
    command = ["ssh-keygen", "-Y", "sign", "-q", "-n", "file", "-f", str(release), str(data)]
    subprocess.run(command, check=True)
    signature = (tmp_path / "data.sig").read_bytes()
    with pytest.raises(VerificationError, match="does not fit"):
        check(PLAN, signature, allowed(release))


def test_a_signer_who_is_allowed_for_other_purposes_is_refused(release: Path) -> None:
    signature = sign(PLAN, release)
    assert check(PLAN, signature, allowed(release, options=f'namespaces="{NAMESPACE}" '))
    with pytest.raises(VerificationError):
        check(PLAN, signature, allowed(release, options='namespaces="git" '))


def test_a_key_whose_time_is_over_is_refused(release: Path) -> None:
    signature = sign(PLAN, release)
    with pytest.raises(VerificationError):
        check(PLAN, signature, allowed(release, options='valid-before="20200101" '))


@pytest.mark.parametrize("nonsense", [b"", b"no signature", b"\x00" * 100])
def test_what_is_no_signature_is_refused(release: Path, nonsense: bytes) -> None:
    with pytest.raises(VerificationError):
        check(PLAN, nonsense, allowed(release))


def test_a_huge_signature_is_refused_unread(release: Path) -> None:
    with pytest.raises(VerificationError, match="more than 65536 bytes"):
        check(PLAN, b"x" * (seals.LARGEST + 1), allowed(release))


def test_nobody_is_allowed_by_an_empty_list(release: Path) -> None:
    with pytest.raises(VerificationError):
        check(PLAN, sign(PLAN, release), b"")


def test_a_principal_that_looks_like_an_option_is_refused(release: Path) -> None:
    with pytest.raises(VerificationError):
        check(PLAN, sign(PLAN, release), b"-Oprint-pubkey " + public(release).encode())


def test_a_key_with_a_passphrase_asks_nobody(tmp_path: Path) -> None:
    closed = key(tmp_path, "closed", closed_with="long enough")
    with pytest.raises(SourceError, match="cannot sign with"):
        sign(PLAN, closed)


def test_a_key_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot sign with"):
        sign(PLAN, tmp_path / "missing")


def test_an_agent_signs_for_a_key_with_a_passphrase(tmp_path: Path, release: Path) -> None:
    socket = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        environment = {"PATH": seals.PATH, "SSH_AUTH_SOCK": str(socket)}
        add = ["ssh-add", "-q", str(release)]
        wait_for(
            lambda: (
                not subprocess.run(
                    add, env=environment, capture_output=True, check=False
                ).returncode
            )
        )
        signers = allowed(release)
        release.unlink()
        signature = sign(PLAN, release.with_name("release.pub"), agent=socket)
    finally:
        agent.terminate()
        agent.wait()
    assert check(PLAN, signature, signers) == "release@example.com"
