"""Who signed a commit, judged by the signers a declaration names.

Called by `mirrors`; calls `git`, which calls ssh-keygen and gpg. Signers are OpenSSH `allowed_signers` lines, armoured OpenPGP
public keys, or both in one file; keys of the person who runs the controller are never asked.
"""

import base64
import binascii
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from controller.errors import VerificationError
from controller.model.ids import Sha
from controller.source.git import Access, run_git
from controller.source.objects import escaped
from controller.source.watch import Limits

ARMOUR: Final = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----(.*?)-----END PGP PUBLIC KEY BLOCK-----", re.DOTALL
)
FORMAT: Final = "%H%x00%G?%x00%GS"
FIELDS: Final = 3
GOOD: Final = "G"
VERDICTS: Final = {
    "B": "its signature does not fit its content",
    "U": "its signer is not among the declared ones",
    "X": "its signature has expired",
    "Y": "the key of its signature has expired",
    "R": "the key of its signature was revoked",
    "E": "its signer is not among the declared ones",
    "N": "it is not signed",
}
GPG: Final = "batch\nno-autostart\nno-tty\ntrust-model always\nno-default-keyring\nkeyring {ring}\n"
MOST_SECONDS: Final = 60.0


def verify(
    new: Sha, *, accepted: Sha | None, signers: bytes, bare: Path, halt: threading.Event
) -> str:
    """Verify every commit after `accepted` up to `new`, or `new` alone; blocks.

    Returns:
        Who signed `new`.

    Raises:
        VerificationError: a commit is not signed by one of `signers`.
        SourceError: there were more commits than could be verified in 60 s.
    """
    span = [new] if accepted in (None, new) else [new, f"^{accepted}"]
    single = ["-1"] if len(span) == 1 else []
    with _judging(signers) as access:
        answer = run_git(
            ["log", *single, f"--format={FORMAT}", "--end-of-options", *span, "--"],
            folder=bare,
            bare=bare,
            access=access,
            limits=Limits(seconds=MOST_SECONDS),
            halt=halt,
        )
    verdicts = [line.split("\0") for line in answer.lines()]
    if answer.code != 0 or not verdicts or any(len(verdict) != FIELDS for verdict in verdicts):
        raise VerificationError(f"cannot verify commit {new}: {answer.complaint.strip()[:300]}")
    for sha, mark, _ in verdicts:
        if mark != GOOD:
            raise VerificationError(
                f"cannot accept commit {sha}: {VERDICTS.get(mark, 'its signature cannot be checked')}",
                hint="have it signed by one of the keys in the file that `verify:` names",
            )
    return next(escaped(signer) for sha, _, signer in verdicts if sha == new)


@contextmanager
def _judging(signers: bytes) -> Iterator[Access]:
    with tempfile.TemporaryDirectory(prefix="ctl-signers-") as name:
        folder = Path(name)
        ring = folder / "keys.gpg"
        ring.write_bytes(b"".join(_unarmoured(block) for block in ARMOUR.findall(signers)))
        (folder / "gpg.conf").write_text(GPG.format(ring=ring))
        allowed = folder / "allowed_signers"
        allowed.write_bytes(ARMOUR.sub(b"", signers))
        yield Access(
            environment={"GNUPGHOME": name},
            settings=(f"gpg.ssh.allowedSignersFile={allowed}", "gpg.minTrustLevel=undefined"),
        )


def _unarmoured(block: bytes) -> bytes:
    """Take the armour (headers, base64, checksum; RFC 9580, section 6.2) off a public key."""
    _, _, body = block.replace(b"\r\n", b"\n").partition(b"\n\n")
    lines = [line for line in body.split(b"\n") if not line.startswith(b"=")]
    try:
        key = base64.b64decode(b"".join(lines), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        raise VerificationError(
            "cannot read an armoured public key among the signers: it holds no base64",
            hint="write it with gpg --armor --export",
        )
    return key
