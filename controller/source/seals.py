"""OpenSSH signatures of bytes, as `ssh-keygen -Y` makes and checks them; used for saved plans.

Called by `reconcile`. A signature says the namespace it was made for, so that one of another purpose is none here.
"""

import subprocess
import tempfile
from pathlib import Path
from typing import Final

from controller.errors import SourceError, VerificationError

NAMESPACE: Final = "ctl-plan@tillerman"
SECONDS: Final = 30.0
PATH: Final = "/usr/local/bin:/usr/bin:/bin"
LARGEST: Final = 64 << 10
"""Bytes of a signature file."""


def sign(data: bytes, key: Path, *, agent: Path | None = None) -> bytes:
    """Sign bytes with a private key, or with a public key whose other half `agent` holds; blocks.

    Raises:
        SourceError: ssh-keygen is missing, or cannot use the key.
    """
    answer = _run(["-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(key)], data, agent=agent)
    if answer.returncode != 0:
        raise SourceError(
            f"cannot sign with {key}: {_complaint(answer)}", hint="name a private ssh key"
        )
    return answer.stdout


def check(data: bytes, signature: bytes, signers: bytes) -> str:
    """Check that one of `signers` (lines of OpenSSH's allowed_signers) signed these bytes; blocks.

    Returns:
        The principal who signed.

    Raises:
        VerificationError: nobody of them did.
        SourceError: ssh-keygen is missing.
    """
    if len(signature) > LARGEST:
        raise VerificationError(f"cannot check a signature of more than {LARGEST} bytes")
    with tempfile.TemporaryDirectory(prefix="ctl-seal-") as name:
        seal, allowed = Path(name, "seal"), Path(name, "signers")
        seal.write_bytes(signature)
        allowed.write_bytes(signers)
        known = ["-s", str(seal), "-f", str(allowed)]
        found = _run(["-Y", "find-principals", *known], b"")
        principal = found.stdout.decode(errors="replace").partition("\n")[0].strip()
        if found.returncode != 0 or not principal or principal.startswith("-"):
            raise VerificationError("the signature is not by one of the allowed signers")
        answer = _run(["-Y", "verify", *known, "-n", NAMESPACE, "-I", principal], data)
    if answer.returncode != 0:
        raise VerificationError(f"the signature does not fit: {_complaint(answer)}")
    return principal


def _run(
    arguments: list[str], data: bytes, *, agent: Path | None = None
) -> "subprocess.CompletedProcess[bytes]":
    environment = {"PATH": PATH, "LC_ALL": "C"}
    if agent is not None:
        environment["SSH_AUTH_SOCK"] = str(agent)
    try:
        return subprocess.run(
            ["ssh-keygen", *arguments],
            input=data,
            capture_output=True,
            env=environment,
            timeout=SECONDS,
            check=False,
            start_new_session=True,  # no terminal: a key with a passphrase belongs into an agent
        )
    except FileNotFoundError as error:
        raise SourceError(
            "cannot find ssh-keygen", hint="apt-get install openssh-client"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"ssh-keygen gave no answer within {SECONDS:.0f} s") from error


def _complaint(answer: "subprocess.CompletedProcess[bytes]") -> str:
    text = (answer.stderr or answer.stdout).decode(errors="replace").strip()
    return text.splitlines()[-1][:300] if text else f"ssh-keygen ended with {answer.returncode}"
