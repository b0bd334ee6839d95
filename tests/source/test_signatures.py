"""OpenPGP signatures, judged by the declared keys alone; ssh signatures are in test_mirrors."""

import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.errors import VerificationError
from controller.model.ids import Sha
from controller.source.signatures import verify
from tests.fakes.repositories import Repository, allowed_signers, ssh_key

pytestmark = pytest.mark.real


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpg:
    """A person's key ring with one key."""

    home: Path

    def run(self, *arguments: str) -> bytes:
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "GNUPGHOME": str(self.home)}
        command = ["gpg", "--batch", "--quiet", "--pinentry-mode=loopback", "--passphrase", ""]
        done = subprocess.run(
            [*command, *arguments], env=environment, capture_output=True, check=True
        )
        return done.stdout

    def sign(self, repository: Repository, name: str) -> Sha:
        program = repository.path.parent / "sign"
        program.write_text(f'#!/bin/sh\nGNUPGHOME={self.home} exec gpg "$@"\n')
        program.chmod(0o755)
        options = ("-c", f"gpg.program={program}", "-c", f"user.signingKey={name}@example.com")
        return repository.commit(options=(*options, "-c", "commit.gpgSign=1"))


@pytest.fixture
def gpg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gpg]:
    ring = Gpg(home=tmp_path_factory.mktemp("g", numbered=True))
    ring.home.chmod(0o700)
    for name in ("release", "stranger"):
        ring.run("--quick-generate-key", f"{name} <{name}@example.com>", "ed25519", "sign", "never")
    yield ring
    environment = {"PATH": "/usr/bin:/bin", "GNUPGHOME": str(ring.home)}
    subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=False)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "r")
    made.commit({"a": "1"})
    return made


def judge(repository: Repository, signers: bytes, new: Sha, accepted: Sha | None = None) -> str:
    bare = repository.path / ".git"
    return verify(new, accepted=accepted, signers=signers, bare=bare, halt=threading.Event())


def test_openpgp_keys_are_judged_by_the_declared_ring_alone(
    repository: Repository, gpg: Gpg, tmp_path: Path
) -> None:
    start = repository.head
    ring = gpg.run("--armor", "--export", "release@example.com")
    good = gpg.sign(repository, "release")
    assert judge(repository, ring, good) == "release <release@example.com>"
    assert judge(repository, ring, good, accepted=start) == "release <release@example.com>"
    key = ssh_key(tmp_path, "key")
    both = allowed_signers(other=key) + ring
    by_ssh = repository.signed({"b": "1"}, key)
    assert judge(repository, both, by_ssh, accepted=start) == "other@example.com"
    with pytest.raises(VerificationError, match=f"{good}: its signer is not among"):
        judge(repository, allowed_signers(other=key), by_ssh, accepted=start)
    bad = gpg.sign(repository, "stranger")
    with pytest.raises(VerificationError, match=f"{bad}: its signer is not among"):
        judge(repository, both, bad, accepted=start)


@pytest.mark.parametrize(
    "signers",
    [
        b"",
        b"\xff\xfe nonsense",
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!\n-----END PGP PUBLIC KEY BLOCK-----",
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----",
    ],
)
def test_signers_that_cannot_be_read_accept_nothing(
    repository: Repository, signers: bytes, tmp_path: Path
) -> None:
    sha = repository.signed({"a": "2"}, ssh_key(tmp_path, "key"))
    with pytest.raises(VerificationError):
        judge(repository, signers, sha)


def test_an_unsigned_commit_is_refused(repository: Repository, tmp_path: Path) -> None:
    signers = allowed_signers(release=ssh_key(tmp_path, "key"))
    with pytest.raises(VerificationError, match="it is not signed"):
        judge(repository, signers, repository.head)
